//! The thread that decodes and plays the sound of a peer: a block of 10 ms each 10 ms, whatever comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_media::codec::CodecFactory;
use peerage_media::track::AudioSource;
use peerage_peerconnection::MediaFrame;
use tokio::sync::mpsc;

use super::arrivals::{Arrival, Arrivals};
use super::statistics::ReceiverCounters;
use crate::Error;

type Frames = Arc<tokio::sync::Mutex<mpsc::Receiver<MediaFrame>>>;

/// Begins to play a transceiver's frames on a source.
pub(super) fn begin(
    runtime: &tokio::runtime::Handle,
    frames: Frames,
    source: AudioSource,
    codecs: Arc<dyn CodecFactory>,
    counters: Arc<ReceiverCounters>,
) -> Result<(), Error> {
    let arrivals = Arrivals::begin(runtime, frames);
    let _ = (&source, &codecs, &counters, Duration::ZERO, Instant::now(), Arrival::Nothing);
    arrivals.end();
    todo!()
}
