//! Tracks on connections: what is captured is encoded, sent and adapted; what comes is decoded and played.
//!
//! ```text
//! Track ─▶ Sink ─▶ thread: scale, encode ─▶ send_frame ─▶ network
//! network ─▶ recv_frame ─▶ jitter buffer ─▶ thread: decode ─▶ Source ─▶ Track
//! ```
//!
//! ```no_run
//! # use peerage::{Event, PeerConnection};
//! # async fn call(pc: PeerConnection) -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use peerage::engine::sources;
//! use peerage::media_engine::{codec::BuiltIn, track::MediaStream};
//!
//! let (camera, microphone) = (sources::numbered_pictures(640, 360, 30.0)?, sources::tone(440.0)?);
//! let stream = MediaStream::new([camera.into(), microphone.into()]);
//! let mut senders = Vec::new();
//! for track in stream.tracks() {
//!     senders.push(pc.send_track(&track, &[&stream], Arc::new(BuiltIn)).await?);
//! }
//! // ... offer and answer ...
//! while let Some(event) = pc.next_event().await {
//!     let Event::Track { transceiver, .. } = event else { continue };
//!     let received = transceiver.receive_track(Arc::new(BuiltIn))?;
//!     if let Some(video) = received.track().as_video() {
//!         let mut screen = video.sink(2); // what is not shown in time is dropped
//!         while let Some(frame) = screen.recv().await {
//!             println!("{} x {}", frame.picture.width(), frame.picture.height());
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Offer only what there are codecs for: [`capabilities`].
//!
//! Each direction of each track has a thread of its own. Between them and the network are bounded queues, of which the oldest
//! is dropped: a slow encoder never holds up the network, and a slow network never holds up a camera.

mod arrivals;
mod audio_receiver;
mod audio_sender;
mod captured;
mod codec_turn;
mod codecs;
mod failures;
mod frames;
mod muting;
mod played;
mod receiver;
mod redundancy;
mod sender;
mod silence;
pub mod sources;
mod statistics;
mod timeline;
mod together;
mod video_receiver;
mod video_sender;

pub use codecs::capabilities;
pub use receiver::TrackReceiver;
pub use sender::TrackSender;
pub use statistics::{ReceiverStatistics, SenderStatistics};
