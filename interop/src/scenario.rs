//! Scenarios: the cases of the grid as data, one YAML file each under `scenarios/`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::checks;
use crate::network::Wire;
use crate::peers::Peer;

/// The codecs of a case with media, by their names in SDP.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Media {
    /// Of the microphone.
    #[serde(default)]
    pub audio: Option<String>,
    /// Of the camera.
    #[serde(default)]
    pub video: Option<String>,
    /// The layers of our pictures, as `scalabilityMode` names them.
    #[serde(default)]
    pub scalability: Option<String>,
}

/// One case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// Name on the command line.
    pub name: String,
    /// Letter in the grid. Two cases may share one.
    pub letter: char,
    /// What must hold, as a sentence.
    pub claim: String,
    /// Which function of `checks/` judges it.
    pub check: String,
    /// The peers it applies to.
    pub peers: Vec<String>,
    /// Peers that also run with themselves, in the subject's place: their figures stand beside ours in the report.
    #[serde(default)]
    pub reference: Vec<String>,
    /// Peers that cannot, and why.
    #[serde(default)]
    pub unsupported: BTreeMap<String, String>,
    /// The emulated link; a plain one without it.
    #[serde(default)]
    pub wire: Option<Wire>,
    /// Seconds for one cell.
    pub timeout: u64,
    /// Nothing else runs beside it: it measures.
    #[serde(default)]
    pub alone: bool,
    /// Which roles of the subject.
    #[serde(default = "both_roles")]
    pub roles: Vec<Role>,
    /// With candidates trickled, complete in the SDP, or both.
    #[serde(default = "both_forms")]
    pub trickle: Vec<bool>,
    /// Numbers for the check.
    #[serde(default)]
    pub parameters: BTreeMap<String, f64>,
    /// Programs beside the peers, that are packages of the same name.
    #[serde(default)]
    pub tools: Vec<String>,
    /// The codecs of a case with media.
    #[serde(default)]
    pub media: Option<Media>,
    /// What the subject must have negotiated with each peer.
    #[serde(default)]
    pub expect: BTreeMap<String, Expect>,
    /// Launch and connection options.
    #[serde(default)]
    pub variant: Variant,
    /// What changes with `--quick`.
    #[serde(default)]
    pub quick: Quick,
}

/// What must have been negotiated; a field that is absent may be anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expect {
    /// DTLS version, `1.2` or `1.3`.
    pub version: Option<String>,
    /// Key exchange group by its registered name.
    pub group: Option<String>,
    /// One of these cipher suites.
    pub ciphers: Vec<String>,
}

/// What changes with `--quick`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Quick {
    /// Instead of the case's own.
    pub trickle: Option<Vec<bool>>,
    /// Instead of the case's own; none leaves the case out.
    pub roles: Option<Vec<Role>>,
    /// Instead of the case's own.
    pub peers: Option<Vec<String>>,
    /// Over the case's own.
    pub parameters: BTreeMap<String, f64>,
}

/// Options of both ends.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Variant {
    /// Addresses hidden behind mDNS names, at every end that can.
    pub mdns: bool,
    /// FlexFEC, which browsers have behind a switch.
    pub flexfec: bool,
}

/// What the subject does.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Offerer,
    Answerer,
}

impl Role {
    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Role::Offerer => "offerer",
            Role::Answerer => "answerer",
        }
    }
}

fn both_roles() -> Vec<Role> {
    vec![Role::Offerer, Role::Answerer]
}

fn both_forms() -> Vec<bool> {
    vec![true, false]
}

impl Scenario {
    /// Whether the command line's word (a letter or a name) means this case.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.name.eq_ignore_ascii_case(word)
            || (word.len() == 1
                && word.chars().next().is_some_and(|c| c.eq_ignore_ascii_case(&self.letter)))
    }

    /// A parameter of the check.
    ///
    /// # Errors
    /// When the scenario lacks it.
    pub(crate) fn parameter(&self, name: &str) -> Result<f64> {
        self.parameters
            .get(name)
            .copied()
            .with_context(|| format!("scenario {}: parameter {name} is missing", self.name))
    }

    /// The same case as `--quick` runs it.
    pub(crate) fn quick(mut self) -> Self {
        let quick = std::mem::take(&mut self.quick);
        self.trickle = quick.trickle.unwrap_or(self.trickle);
        self.roles = quick.roles.unwrap_or(self.roles);
        self.peers = quick.peers.unwrap_or(self.peers);
        self.parameters.extend(quick.parameters);
        self.reference.clear();
        self
    }
}

/// Reads every scenario of a folder, in the order of their file names.
///
/// # Errors
/// When one cannot be read; the message names file and line.
pub(crate) fn load(folder: &Path) -> Result<Vec<Scenario>> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "yaml"))
        .collect();
    files.sort();
    let mut scenarios = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let scenario: Scenario =
            serde_yaml::from_str(&text).with_context(|| format!("{}", file.display()))?;
        if !checks::exists(&scenario.check) {
            bail!("{}: there is no check `{}`", file.display(), scenario.check);
        }
        let mut names =
            scenario.peers.iter().chain(&scenario.reference).chain(scenario.unsupported.keys());
        if let Some(peer) = names.find(|name| Peer::from_name(name).is_none()) {
            bail!("{}: there is no peer `{peer}`", file.display());
        }
        scenarios.push(scenario);
    }
    if scenarios.is_empty() {
        bail!("no scenario in {}", folder.display());
    }
    Ok(scenarios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_read_and_have_names_of_their_own() {
        let scenarios = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")).unwrap();
        for scenario in &scenarios {
            assert_eq!(
                scenarios.iter().filter(|other| other.name == scenario.name).count(),
                1,
                "{} twice",
                scenario.name
            );
        }
    }

    #[test]
    fn quick_overrides() {
        let yaml = "{name: x, letter: X, claim: c, check: connect, peers: [self], timeout: 1, parameters: {a: 1, b: 2}, quick: {trickle: [true], parameters: {b: 3}}}";
        let scenario: Scenario = serde_yaml::from_str(yaml).unwrap();
        assert!(scenario.is("x") && scenario.is("X") && !scenario.is("y"));
        assert_eq!(scenario.trickle, [true, false]);
        let quick = scenario.quick();
        assert_eq!(quick.trickle, [true]);
        assert_eq!((quick.parameter("a").unwrap(), quick.parameter("b").unwrap()), (1.0, 3.0));
    }
}
