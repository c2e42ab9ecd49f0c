//! Forward error correction of video (RFC 5109 inside RED, RFC 2198; FlexFEC by draft-ietf-payload-flexible-fec-scheme-03,
//! as browsers speak it): what is agreed on, how much is sent, and what is made of parity packets that come. The parity
//! itself is `peerage_rtp::repair`'s.
//!
//! ```text
//! frame -> packets -> parity of them (policy: by loss and round trip) -> RED, or a stream of its own -> pacer
//! packet -> RED taken off -> decoder -> recovered packets -> the way of all others, before NACK decides
//! ```

mod active;
mod codecs;
mod incoming;
mod policy;
mod receive;
mod send;

pub(super) use active::ActiveParity;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) use active::MAX_DECODERS;
pub(super) use codecs::{FecCodecs, is_protection};
pub(super) use incoming::{codec_inside, protected_by, take_off_red};
pub(crate) use receive::FecCounters;
pub(super) use receive::FecReceiver;
pub(super) use send::FecSender;
