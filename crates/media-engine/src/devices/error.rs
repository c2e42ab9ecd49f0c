//! Why there is no track of a device: W3C's errors, with what was asked and what it answered.

use std::fmt;

use super::DeviceKind;
use crate::track::OverconstrainedError;

/// Why no track of a device can be had. [`name`](Self::name) is W3C's for it (Media Capture and Streams §10.2.5).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is none of the kind.
    #[error("NotFoundError: no {} is there{}; {}", .kind.noun(), Answers(.asked), .kind.substitute())]
    NotFound {
        /// What was wanted.
        kind: DeviceKind,
        /// Which backends were asked, and what they answered.
        asked: Vec<(String, String)>,
    },
    /// The system does not let this program use it.
    #[error("NotAllowedError: {device}: {reason}")]
    NotAllowed {
        /// Which.
        device: String,
        /// What the system says, and what helps.
        reason: String,
    },
    /// It is there, and cannot be opened: something else uses it, or it is broken.
    #[error("NotReadableError: {device}: {reason}")]
    NotReadable {
        /// Which.
        device: String,
        /// What the system says.
        reason: String,
    },
    /// None keeps to the constraints.
    #[error("{0}")]
    Overconstrained(#[from] OverconstrainedError),
    /// Neither sound nor pictures were asked for.
    #[error("TypeError: neither sound nor pictures were asked for")]
    Type,
}

impl DeviceError {
    /// W3C's name: `NotFoundError`, `NotAllowedError`, `NotReadableError`, `OverconstrainedError`, `TypeError`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "NotFoundError",
            Self::NotAllowed { .. } => "NotAllowedError",
            Self::NotReadable { .. } => "NotReadableError",
            Self::Overconstrained(_) => "OverconstrainedError",
            Self::Type => "TypeError",
        }
    }

    #[allow(dead_code, reason = "each backend is a feature")]
    pub(super) fn unreadable(device: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self::NotReadable { device: device.to_string(), reason: reason.to_string() }
    }
}

/// What each backend answered.
struct Answers<'a>(&'a [(String, String)]);

impl fmt::Display for Answers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (backend, answer)) in self.0.iter().enumerate() {
            let before = if number == 0 { ": " } else { ", " };
            write!(f, "{before}{backend} {answer}")?;
        }
        Ok(())
    }
}
