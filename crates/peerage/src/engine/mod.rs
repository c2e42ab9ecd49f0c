//! Tracks on connections: what is captured is encoded, sent and adapted; what comes is decoded and played.
//!
//! ```text
//! Track ─▶ Sink ─▶ thread: scale, encode ─▶ send_frame ─▶ network
//! network ─▶ recv_frame ─▶ jitter buffer ─▶ thread: decode ─▶ Source ─▶ Track
//! ```
//!
//! Each direction of each track has a thread of its own. Between them and the network are bounded queues, of which the oldest
//! is dropped: a slow encoder never holds up the network, and a slow network never holds up a camera.

mod arrivals;
mod audio_receiver;
mod audio_sender;
mod codecs;
mod frames;
mod receiver;
mod sender;
mod statistics;
mod video_receiver;
mod video_sender;

pub use codecs::capabilities;
pub use receiver::TrackReceiver;
pub use sender::TrackSender;
pub use statistics::{ReceiverStatistics, SenderStatistics};
