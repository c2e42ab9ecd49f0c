//! Sound and pictures at one end: sends frames that tell what they are, follows the target bitrate, and checks that what
//! comes is whole and can be decoded.

use std::time::{Duration, Instant};

use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{Event, Frame, MediaFrame, PeerConnection, TransceiverHandle};

use super::plan::Plan;

const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
const VIDEO_INTERVAL: Duration = Duration::from_millis(40);
/// Bits a second that pictures have at most.
const MAX_BITRATE: u64 = 800_000;
/// How much has to come once nothing is in the way any more.
const ENOUGH_AUDIO: u32 = 100;
const ENOUGH_VIDEO: u32 = 20;
/// How soon each has to go on after an interruption of the path: with what ICE takes where it is restarted.
const SOUND_RESUMES: Duration = Duration::from_secs(12);
const PICTURES_RESUME: Duration = Duration::from_secs(30);
/// The same for pictures where nothing but interruptions is in their way.
const PICTURES_RESUME_SOON: Duration = Duration::from_secs(8);

/// See the module.
#[derive(Debug)]
pub(crate) struct Media {
    audio: TransceiverHandle,
    video: TransceiverHandle,
    start: Instant,
    /// When the next frames are due; not before the connection is up.
    due: Option<(Instant, Instant)>,
    sent: (u32, u32),
    wants_keyframe: bool,
    bitrate: u64,
    last_video: Option<u32>,
    /// Frames of audio and video that came: in all, and since the moment from which on they count.
    pub(crate) received: (u32, u32),
    counted: (u32, u32),
    counts_from: Instant,
    /// Of each kind.
    resumption: [Resumption; 2],
}

/// How one kind of media goes on after each interruption of the path.
#[derive(Debug)]
struct Resumption {
    /// From and to.
    interruptions: Vec<(Instant, Instant)>,
    /// The interruption that is next, or under way.
    next: usize,
    /// Some came before.
    began: bool,
    /// Nothing that was sent since the end of an interruption has come.
    waits_since: Option<Instant>,
    /// The interruption that is waited out came while another was: a restart of ICE that was under way then has candidates
    /// that are no more, and must fail before the next begins.
    again: bool,
    limit: Duration,
    /// The longest time that passed before something came.
    longest: Duration,
}

impl Resumption {
    fn new(interruptions: Vec<(Instant, Instant)>, limit: Duration) -> Self {
        let longest = Duration::ZERO;
        Self {
            interruptions,
            next: 0,
            began: false,
            waits_since: None,
            again: false,
            limit,
            longest,
        }
    }

    /// Goes to a time. What did not go on in time is an error; if another interruption comes before that it counts from
    /// the end of that one.
    fn advance(&mut self, now: Instant) -> Result<(), Duration> {
        while let Some(&(from, to)) = self.interruptions.get(self.next) {
            if from > now {
                break;
            }
            self.overdue(from)?;
            self.again |= self.waits_since.take().is_some();
            if to > now {
                break;
            }
            self.waits_since = self.began.then_some(to);
            self.next += 1;
        }
        self.overdue(now)
    }

    fn overdue(&self, now: Instant) -> Result<(), Duration> {
        match self.waits_since.map(|since| now.saturating_duration_since(since)) {
            Some(time) if time > self.limit * (1 + u32::from(self.again)) => Err(time),
            _ => Ok(()),
        }
    }

    /// Something came.
    fn came(&mut self, now: Instant, sent: Instant) {
        self.began = true;
        if let Some(since) = self.waits_since.take_if(|since| sent >= *since) {
            self.longest = self.longest.max(now.saturating_duration_since(since));
            self.again = false;
        }
    }
}

impl Media {
    /// Adds a track of each kind. What comes from `counts_from` on shows that media goes on, and after each interruption of
    /// the plan it has to go on soon.
    pub(crate) fn new(
        pc: &mut PeerConnection,
        now: Instant,
        counts_from: Instant,
        plan: &Plan,
    ) -> Self {
        let interruptions =
            plan.interruptions().into_iter().map(|(from, to)| (now + from, now + to));
        let interruptions: Vec<_> = interruptions.collect();
        let soon = plan.is_mild();
        let pictures = if soon { PICTURES_RESUME_SOON } else { PICTURES_RESUME };
        let mut track = |kind: MediaKind| {
            pc.add_track(now, kind, kind.as_str(), vec!["stream".into()])
                .expect("a track may be added")
        };
        Self {
            audio: track(MediaKind::Audio),
            video: track(MediaKind::Video),
            start: now,
            due: None,
            sent: (0, 0),
            wants_keyframe: true,
            bitrate: 100_000,
            last_video: None,
            received: (0, 0),
            counted: (0, 0),
            counts_from,
            resumption: [SOUND_RESUMES, pictures]
                .map(|limit| Resumption::new(interruptions.clone(), limit)),
        }
    }

    /// The connection is up: media begins.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.due.get_or_insert((now, now));
    }

    /// When a frame is due.
    pub(crate) fn next_frame(&self) -> Option<Instant> {
        self.due.map(|(audio, video)| audio.min(video))
    }

    /// Sends the frames that are due.
    pub(crate) fn send(&mut self, pc: &mut PeerConnection, now: Instant) {
        while let Some((audio, video)) = self.due {
            if audio.min(video) > now {
                return;
            }
            if audio <= video {
                self.due = Some((audio + AUDIO_INTERVAL, video));
                self.sent.0 += 1;
                let timestamp = (self.sent.0 - 1) * (AUDIO_INTERVAL.as_millis() as u32 * 48);
                let frame = Frame::new(sound(self.sent.0, self.millis(now)), timestamp);
                // While nothing is sent as agreed it is lost, like all live sound.
                let _ = pc.send_frame(now, self.audio, 0, &frame);
            } else {
                self.due = Some((audio, video + VIDEO_INTERVAL));
                self.send_picture(pc, now);
            }
        }
    }

    /// Of the call so far.
    fn millis(&self, now: Instant) -> u32 {
        (now - self.start).as_millis() as u32
    }

    /// Whether media has gone on after each interruption that is over.
    pub(crate) fn advance(&mut self, now: Instant) -> Result<(), String> {
        for (resumption, kind) in self.resumption.iter_mut().zip(["sound", "pictures"]) {
            let late = |time| format!("{kind} did not go on within {time:.1?} of an interruption");
            resumption.advance(now).map_err(late)?;
        }
        Ok(())
    }

    /// The longest time that sound and pictures took to go on.
    pub(crate) fn longest(&self) -> [Duration; 2] {
        self.resumption.each_ref().map(|resumption| resumption.longest)
    }

    fn send_picture(&mut self, pc: &mut PeerConnection, now: Instant) {
        if self.bitrate == 0 {
            self.wants_keyframe = true;
            return;
        }
        let keyframe = self.wants_keyframe;
        let rate = self.bitrate.min(MAX_BITRATE) as f64;
        let size = rate / 8.0 * VIDEO_INTERVAL.as_secs_f64().min(0.2);
        let size = if keyframe { size * 3.0 } else { size };
        let number = self.sent.1 + 1;
        let timestamp = (now_ticks(number, VIDEO_INTERVAL)) as u32;
        let data = picture(number, self.millis(now), keyframe, (size as usize).max(30));
        let frame = Frame::new(data, timestamp);
        match pc.send_frame(now, self.video, 0, &frame) {
            Ok(()) => {
                self.sent.1 = number;
                self.wants_keyframe = false;
            }
            // A picture is missing now: the next one must not refer to it.
            Err(_) => self.wants_keyframe = true,
        }
    }

    /// Takes an event that concerns media.
    pub(crate) fn handle(&mut self, now: Instant, event: &Event) -> Result<(), String> {
        match event {
            Event::KeyframeRequested { .. } => self.wants_keyframe = true,
            Event::TargetBitrate { transceiver, bitrate, .. } if *transceiver == self.video => {
                self.bitrate = *bitrate;
            }
            Event::Frame(frame) => self.check(now, frame)?,
            _ => {}
        }
        Ok(())
    }

    fn check(&mut self, now: Instant, received: &MediaFrame) -> Result<(), String> {
        let counts = u32::from(now >= self.counts_from);
        let data = &received.frame.data[..];
        if data.first() == Some(&SOUND) {
            let (number, millis) = stamp(data, 1).ok_or("a frame of sound is cut off")?;
            if *data != *sound(number, millis) {
                return Err(format!("sound {number} is damaged"));
            }
            self.received.0 += 1;
            self.counted.0 += counts;
            self.resumption[0].came(now, self.start + Duration::from_millis(millis.into()));
            return Ok(());
        }
        let keyframe = received.frame.keyframe;
        let head = if keyframe { 10 } else { 3 };
        let (number, millis) = stamp(data, head).ok_or("a picture is cut off")?;
        if *data != *picture(number, millis, keyframe, data.len()) {
            return Err(format!("picture {number} is damaged"));
        }
        if self.last_video.is_some_and(|last| number <= last) {
            return Err(format!("picture {number} came after {:?}", self.last_video));
        }
        if !keyframe && self.last_video != Some(number - 1) {
            return Err(format!(
                "picture {number} refers to one that never came; the last was {:?}",
                self.last_video
            ));
        }
        self.last_video = Some(number);
        self.received.1 += 1;
        self.counted.1 += counts;
        self.resumption[1].came(now, self.start + Duration::from_millis(millis.into()));
        Ok(())
    }

    /// Whether media goes on now that nothing is in its way.
    pub(crate) fn is_done(&self) -> bool {
        self.counted.0 >= ENOUGH_AUDIO && self.counted.1 >= ENOUGH_VIDEO
    }

    /// For messages.
    pub(crate) fn progress(&self) -> String {
        format!(
            "media: {:?} sent, {:?} received, {:?} of them lately, {} bit/s",
            self.sent, self.received, self.counted, self.bitrate
        )
    }
}

/// The first byte of all sound: no picture begins so.
const SOUND: u8 = 0x7e;

fn now_ticks(number: u32, interval: Duration) -> u64 {
    u64::from(number) * interval.as_millis() as u64 * 90
}

/// The number of a frame, and when it was sent.
fn stamp(data: &[u8], at: usize) -> Option<(u32, u32)> {
    let word = |at: usize| Some(u32::from_be_bytes(data.get(at..at + 4)?.try_into().ok()?));
    Some((word(at)?, word(at + 4)?))
}

fn sound(number: u32, millis: u32) -> Vec<u8> {
    let mut data = vec![SOUND];
    data.extend(number.to_be_bytes());
    data.extend(millis.to_be_bytes());
    data.extend((0..36 + number % 40).map(|at| (number.wrapping_mul(31).wrapping_add(at)) as u8));
    data
}

/// A VP8 frame by its header (RFC 6386 §9.1), with its number and time after it, and noise.
fn picture(number: u32, millis: u32, keyframe: bool, size: usize) -> Vec<u8> {
    let mut data = match keyframe {
        true => vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01],
        false => vec![0x11, 0, 0],
    };
    data.extend(number.to_be_bytes());
    data.extend(millis.to_be_bytes());
    let rest = size.saturating_sub(data.len());
    data.extend((0..rest).map(|at| (number as usize).wrapping_mul(17).wrapping_add(at * 7) as u8));
    data
}
