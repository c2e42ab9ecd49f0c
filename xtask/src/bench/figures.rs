//! The figures that a run of the bench programs left behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde_json::Value;

/// Figures by name. Those of criterion are nanoseconds of CPU time for one iteration, under `group/function`; the others
/// are in the unit that their bench prints, under `bench/what/who`.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Figures(BTreeMap<String, f64>);

impl Figures {
    pub(super) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// The median of each figure over several runs.
    pub(super) fn median(runs: &[Self]) -> Self {
        let mut all: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
        for (name, value) in runs.iter().flat_map(|run| &run.0) {
            all.entry(name).or_default().push(*value);
        }
        let middle = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            let half = values.len() / 2;
            if values.len() % 2 == 1 {
                values[half]
            } else {
                f64::midpoint(values[half - 1], values[half])
            }
        };
        Self(all.into_iter().map(|(name, values)| (name.clone(), middle(values))).collect())
    }

    /// Adds what criterion wrote under `home` since `start`; what is older belongs to another run.
    pub(super) fn read_criterion(&mut self, home: &Path, start: SystemTime) -> Result<()> {
        let Ok(entries) = fs::read_dir(home) else { return Ok(()) };
        for entry in entries {
            let path = entry?.path();
            let (id, estimates) = (path.join("benchmark.json"), path.join("estimates.json"));
            if path.ends_with("new") && id.is_file() && estimates.is_file() {
                if fs::metadata(&estimates)?.modified()? >= start {
                    let (name, value) = criterion(&read(&id)?, &read(&estimates)?)
                        .with_context(|| format!("no estimate in {}", path.display()))?;
                    self.0.insert(name, value);
                }
            } else if path.is_dir() {
                self.read_criterion(&path, start)?;
            }
        }
        Ok(())
    }

    /// Adds the lines `name<TAB>value` of the files in `folder`.
    pub(super) fn read_left(&mut self, folder: &Path) -> Result<()> {
        let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
        for entry in entries {
            let path = entry?.path();
            self.add_lines(&fs::read_to_string(&path)?)
                .with_context(|| format!("in {}", path.display()))?;
        }
        Ok(())
    }

    pub(super) fn add_lines(&mut self, text: &str) -> Result<()> {
        for line in text.lines() {
            let (name, value) = line.split_once('\t').context("a line without a tab")?;
            let value = value.parse().with_context(|| format!("{name} is not a number"))?;
            self.0.insert(name.to_owned(), value);
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

/// The name and the median in the two files that criterion writes for a benchmark.
fn criterion(id: &Value, estimates: &Value) -> Option<(String, f64)> {
    let name = id.get("full_id")?.as_str()?;
    let median = estimates.get("median")?.get("point_estimate")?.as_f64()?;
    Some((name.to_owned(), median))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(text: &str) -> Figures {
        let mut figures = Figures::default();
        figures.add_lines(text).unwrap();
        figures
    }

    #[test]
    fn each_figure_is_the_median_of_its_runs() {
        let runs = [figures("a\t3\nb\t1"), figures("a\t9\nb\t2"), figures("a\t4")];
        assert_eq!(Figures::median(&runs), figures("a\t4\nb\t1.5"));
    }

    #[test]
    fn a_line_that_is_no_figure_is_named() {
        let error = Figures::default().add_lines("sctp/1\tmany").unwrap_err();
        assert_eq!(error.to_string(), "sctp/1 is not a number");
        assert!(Figures::default().add_lines("sctp/1").is_err());
    }

    #[test]
    fn criterions_median_is_taken() {
        let id = serde_json::json!({"group_id": "g", "full_id": "g/ours"});
        let estimates = serde_json::json!({
            "mean": {"point_estimate": 9.0}, "median": {"point_estimate": 250.5}
        });
        assert_eq!(criterion(&id, &estimates), Some(("g/ours".to_owned(), 250.5)));
        assert_eq!(criterion(&id, &serde_json::json!({})), None);
    }

    #[test]
    fn only_what_this_run_wrote_is_read() {
        let home = std::env::temp_dir().join(format!("peerage-bench-{}", std::process::id()));
        let new = home.join("g/ours/new");
        fs::create_dir_all(&new).unwrap();
        fs::write(new.join("benchmark.json"), r#"{"full_id":"g/ours"}"#).unwrap();
        fs::write(new.join("estimates.json"), r#"{"median":{"point_estimate":7}}"#).unwrap();
        let written = fs::metadata(new.join("estimates.json")).unwrap().modified().unwrap();
        let mut now = Figures::default();
        now.read_criterion(&home, written).unwrap();
        let mut later = Figures::default();
        later.read_criterion(&home, written + std::time::Duration::from_secs(1)).unwrap();
        fs::remove_dir_all(&home).unwrap();
        assert_eq!(now, figures("g/ours\t7"));
        assert_eq!(later, Figures::default());
    }
}
