//! What a run leaves behind: lines and a table in the terminal, `report.html`, `report.json`, `junit.xml`.

mod html;
mod junit;
pub(crate) mod terminal;
mod wire;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::grid::{Outcome, Verdict};

/// The outcomes of a run, and its progress bar.
pub(crate) struct Report {
    subject: String,
    outcomes: Vec<Outcome>,
    started: Instant,
    bar: ProgressBar,
}

impl Report {
    pub(crate) fn new(subject: &str, cells: usize) -> Self {
        let style =
            ProgressStyle::with_template("{spinner} {pos}/{len} cells {elapsed} [{bar:30}] {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(cells as u64).with_style(style);
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Self {
            subject: subject.to_owned(),
            outcomes: Vec::with_capacity(cells),
            started: Instant::now(),
            bar,
        }
    }

    /// Adds an outcome and prints its line.
    pub(crate) fn add(&mut self, outcome: Outcome) {
        let line = terminal::line(&outcome);
        if self.bar.is_hidden() {
            println!("{line}");
        } else {
            self.bar.println(line);
        }
        self.bar.inc(1);
        self.outcomes.push(outcome);
        self.bar.set_message(format!(
            "{} passed, {} failed",
            self.count(Verdict::Pass),
            self.count(Verdict::Fail)
        ));
    }

    /// How many cells ended so.
    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.verdict == verdict).count()
    }

    /// Prints the table and writes the files.
    pub(crate) fn finish(
        &mut self,
        folder: &Path,
        versions: &BTreeMap<String, String>,
    ) -> Result<()> {
        self.bar.finish_and_clear();
        // Lanes finish in any order; a report reads better in the order of the cases.
        self.outcomes.sort_by_key(|outcome| {
            (
                terminal::rank(outcome.letter),
                outcome.case.clone(),
                outcome.role,
                !outcome.trickle,
                outcome.peer.clone(),
                outcome.attempt,
            )
        });
        let report = self.json(versions);
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        write("report.json", serde_json::to_string_pretty(&report)?)?;
        write("junit.xml", junit::write(&self.outcomes))?;
        write("report.html", html::write(&report)?)?;
        terminal::table(&self.outcomes);
        wire::print(&wire::COLUMNS, &wire::rows(&self.outcomes));
        wire::print(&wire::PICTURES, &wire::pictures(&self.outcomes));
        // Their lines are far above, among those of hundreds that passed.
        for outcome in self.outcomes.iter().filter(|outcome| outcome.verdict == Verdict::Fail) {
            println!("{}", terminal::line(outcome));
        }
        println!(
            "\n{} s, report: {}",
            self.started.elapsed().as_secs(),
            folder.join("report.html").display()
        );
        println!(
            "{} passed, {} failed, {} skipped ({} unsupported by the peer)",
            self.count(Verdict::Pass),
            self.count(Verdict::Fail),
            self.count(Verdict::Skipped) + self.count(Verdict::Unsupported),
            self.count(Verdict::Unsupported)
        );
        Ok(())
    }

    fn json(&self, versions: &BTreeMap<String, String>) -> Value {
        json!({
            "subject": self.subject,
            "versions": versions,
            "seconds": self.started.elapsed().as_secs(),
            "totals": {
                "pass": self.count(Verdict::Pass),
                "fail": self.count(Verdict::Fail),
                "unsupported": self.count(Verdict::Unsupported),
                "skipped": self.count(Verdict::Skipped),
            },
            "cells": self.outcomes,
            "wires": {
                "columns": wire::COLUMNS.map(|(_, heading)| heading),
                "rows": wire::rows(&self.outcomes),
            },
            "pictures": {
                "columns": wire::PICTURES.map(|(_, heading)| heading),
                "rows": wire::pictures(&self.outcomes),
            },
        })
    }
}
