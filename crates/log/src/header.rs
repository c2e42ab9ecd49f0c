//! The first line of a log: what the file is, and when its clock began.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// What the first line calls the format.
pub const FORMAT: &str = "peerage-log";
/// The version that is written. A reader refuses others: what is added within a version, unknown events and fields,
/// is skipped.
pub const VERSION: u32 = 1;

/// The first line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// When the log began, to the microsecond, by the clock of the machine.
    pub started: SystemTime,
    /// What the log is of, in the application's words.
    pub name: String,
}

/// The header as it is stored.
#[derive(Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) format: String,
    pub(crate) version: u32,
    /// Since 1970.
    #[serde(default)]
    pub(crate) started_us: u64,
    #[serde(default)]
    pub(crate) name: String,
}

impl Stored {
    pub(crate) fn new(started: SystemTime, name: &str) -> Self {
        // A clock before 1970 is one that was never set.
        let since = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            started_us: u64::try_from(since.as_micros()).unwrap_or(u64::MAX),
            name: name.to_owned(),
        }
    }

    pub(crate) fn into_header(self) -> Header {
        let since = Duration::from_micros(self.started_us);
        let started = SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH);
        Header { started, name: self.name }
    }
}
