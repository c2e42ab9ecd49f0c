//! Black pictures in the place of what a track does not show while it is disabled, muted or ended: one a second (webrtc-pc §5.2,
//! `RTCRtpSender.track`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_media::track::{ReadyState, VideoTrack};
use peerage_media::video::{I420, Rotation, VideoFrame};

/// From one to the next.
const INTERVAL: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Blank {
    last: Option<Last>,
    /// A black picture of that size.
    black: Option<Arc<I420>>,
    next: Option<Instant>,
}

/// The last picture: how large and turned it was, when it is on its source's clock, and when it came.
#[derive(Debug)]
struct Last {
    size: (u16, u16),
    rotation: Rotation,
    time: Duration,
    at: Instant,
}

impl Last {
    fn of(frame: &VideoFrame, at: Instant) -> Self {
        let size = (frame.picture.width(), frame.picture.height());
        Self { size, rotation: frame.rotation, time: frame.time, at }
    }
}

impl Blank {
    /// Whether a track shows nothing now.
    pub(super) fn is_due(track: &VideoTrack) -> bool {
        !track.enabled() || track.muted() || track.ready_state() == ReadyState::Ended
    }

    /// Another source.
    pub(super) fn begin_source(&mut self) {
        self.next = None;
    }

    /// The track shows a picture.
    pub(super) fn seen(&mut self, frame: &VideoFrame, now: Instant) {
        self.last = Some(Last::of(frame, now));
        self.next = None;
    }

    /// What is sent in its place now, as large as the picture before it; `came` is what a disabled track has given out. `None`
    /// where it is not time for one, or where no picture has ever told a size.
    pub(super) fn picture(
        &mut self,
        came: Option<&VideoFrame>,
        now: Instant,
    ) -> Option<VideoFrame> {
        if let Some(came) = came {
            self.last = Some(Last::of(came, now));
        }
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        let last = self.last.as_mut()?;
        self.next = Some(now + INTERVAL);
        last.time += now.saturating_duration_since(last.at);
        last.at = now;
        let (width, height) = last.size;
        let black = self.black.take_if(|black| (black.width(), black.height()) == last.size);
        let black = black.unwrap_or_else(|| Arc::new(I420::black(width, height)));
        let picture = self.black.insert(black).clone();
        Some(VideoFrame { picture, time: last.time, rotation: last.rotation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_media::video::Plane;

    #[test]
    fn one_a_second_goes_on_where_the_source_was() {
        const MS: fn(u64) -> Duration = Duration::from_millis;
        let (start, mut blank) = (Instant::now(), Blank::default());
        assert!(blank.picture(None, start).is_none(), "of which size?");
        let mut picture = I420::black(6, 4);
        picture.planes_mut().0.fill(200);
        blank.seen(&VideoFrame::new(picture.clone(), MS(500)), start);
        let first = blank.picture(None, start + MS(40)).unwrap();
        assert_eq!((first.picture.width(), first.picture.height(), first.time), (6, 4, MS(540)));
        assert_eq!(first.picture.plane(Plane::Y)[0], 16);
        assert!(blank.picture(None, start + MS(900)).is_none());
        // Whatever a disabled track still has in its queue is not shown.
        let queued = VideoFrame::new(picture.clone(), MS(1_500));
        let second = blank.picture(Some(&queued), start + MS(1_041)).unwrap();
        assert_eq!((second.picture.plane(Plane::Y)[0], second.time), (16, MS(1_500)));
        // What comes back is dark at once when it goes again.
        blank.seen(&VideoFrame::new(picture, MS(1_600)), start + MS(1_100));
        assert!(blank.picture(None, start + MS(1_110)).is_some());
    }
}
