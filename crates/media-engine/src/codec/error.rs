//! What goes wrong in codecs.

/// Why an encoder or decoder could not do what it was asked for. It can be used on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A packet or frame of the peer cannot be decoded: it is damaged, or refers to what never came.
    #[error("{codec}: the data cannot be decoded: {reason}")]
    Damaged {
        /// The codec's name.
        codec: &'static str,
        /// What the codec says about it.
        reason: String,
    },
    /// What the caller handed over is not what this codec takes.
    #[error("{codec}: {what} is {value}, must be {expected}")]
    Argument {
        /// The codec's name.
        codec: &'static str,
        /// Which value.
        what: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// There is no such codec here.
    #[error("no codec for {codec} is built in{}", .feature.map_or(String::new(), |name| format!(": switch on the feature `{name}` of peerage-media")))]
    Missing {
        /// What was asked for.
        codec: String,
        /// The feature that would bring it.
        feature: Option<&'static str>,
    },
    /// The library below gave up: out of memory, or a defect.
    #[error("{codec}: the library failed: {reason}")]
    Library {
        /// The codec's name.
        codec: &'static str,
        /// What it says.
        reason: String,
    },
}
