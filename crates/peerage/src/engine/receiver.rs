//! A track that is received: `RTCRtpReceiver` with a decoder and a clock.

use std::sync::Arc;

use peerage_media::codec::CodecFactory;
use peerage_media::sync::SyncMedium;
use peerage_media::track::{AudioSource, MediaStreamTrack, VideoSource};
use peerage_peerconnection::media::MediaKind;

use super::frames::FrameOutlet;
use super::muting::Muting;
use super::played::Played;
use super::statistics::{ReceiverCounters, ReceiverStatistics};
use super::together::Together;
use super::{audio_receiver, video_receiver};
use crate::{Error, RtpTransceiver};

/// Decodes what comes on a transceiver into a track, which is muted while the peer sends nothing: until something comes, and again
/// once a description says that nothing does (`inactive`), or the peer has ended its sources (RTCP BYE). It goes on until the track has been stopped, or all handles of it are
/// gone, or the connection is closed; then the track ends.
#[derive(Debug)]
pub struct TrackReceiver {
    transceiver: RtpTransceiver,
    track: MediaStreamTrack,
    counters: Arc<ReceiverCounters>,
}

/// Where a thread tells what it does.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) counters: Arc<ReceiverCounters>,
    pub(super) played: Arc<Played>,
    pub(super) muting: Muting,
}

impl TrackReceiver {
    /// The transceiver.
    pub fn transceiver(&self) -> &RtpTransceiver {
        &self.transceiver
    }

    /// The track, which is muted until something comes.
    pub fn track(&self) -> &MediaStreamTrack {
        &self.track
    }

    /// What became of the frames so far.
    pub fn statistics(&self) -> ReceiverStatistics {
        self.counters.read()
    }
}

impl RtpTransceiver {
    /// Decodes what comes here with these codecs, and plays it in step on a track, together with the other tracks of the same
    /// `MediaStream`. [`set_jitter_buffer_target`](Self::set_jitter_buffer_target) holds it back further, and what is decoded
    /// and played is counted in [`receiver_stats`](Self::receiver_stats). Whoever calls it takes the frames: they do
    /// not come by [`recv_frame`](Self::recv_frame) any more. To be called on a tokio runtime.
    ///
    /// # Errors
    /// OperationError if no thread can be begun.
    pub fn receive_track(&self, codecs: Arc<dyn CodecFactory>) -> Result<TrackReceiver, Error> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let counters = Arc::new(ReceiverCounters::default());
        let (outlet, played) = (FrameOutlet::new(self), Arc::new(Played::default()));
        outlet.set_playback(played.clone());
        let told = Told { counters: counters.clone(), played, muting: Muting::new(self) };
        let frames = self.received_frames();
        let label = format!("remote {}", self.kind().as_str());
        let track = match self.kind() {
            MediaKind::Audio => {
                let source = AudioSource::new(label);
                source.set_muted(true);
                let track = source.track();
                // Of which rate, the first packet tells.
                let together = Together::join(self, SyncMedium::Sound(48_000));
                audio_receiver::begin(&runtime, frames, source, codecs, together, told)?;
                track.into()
            }
            MediaKind::Video => {
                let source = VideoSource::new(label);
                source.set_muted(true);
                let track = source.track();
                let together = Together::join(self, SyncMedium::Pictures);
                video_receiver::begin(&runtime, frames, source, (outlet, codecs), together, told)?;
                track.into()
            }
        };
        Ok(TrackReceiver { transceiver: self.clone(), track, counters })
    }
}
