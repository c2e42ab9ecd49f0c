//! An m-section of audio or video as data: what the peer's says ([`RemoteMedia`]) and what ours says ([`LocalMedia`]),
//! without the transport's part (ICE, DTLS), which belongs to the bundle (RFC 9429 §5.2.1, §5.3.1 and §5.8.2).

mod accept;
mod answer;
mod local;
mod offer;
mod remote;
mod simulcast;
#[cfg(test)]
mod tests;

pub(crate) use accept::{Agreement, accept};
pub use answer::AnswerIntent;
pub(crate) use answer::answer;
pub use local::{LocalMedia, LocalSource};
pub use offer::OfferIntent;
pub(crate) use offer::offer;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use remote::restrictions_are_known;
pub use remote::{RemoteMedia, RemoteSource};
pub(crate) use remote::{bandwidth_of, check_bundle};
pub(crate) use simulcast::unrestricted;
pub use simulcast::{SimulcastFormat, SimulcastLayers, SimulcastStream};
