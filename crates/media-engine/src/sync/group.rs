//! All that is received over one connection: which streams are kept together, and what each has to hold back for it.

use std::time::{Duration, Instant};

use peerage_rtp::NtpTime;
use peerage_rtp::extension::AbsoluteCaptureTime;

use super::clock::{SenderClock, seconds};
use super::synchroniser::{MAX_SKEW, PairDelays, Playing};

/// What was played is compared with what was shown at most so long before or after it.
const RECENT: Duration = Duration::from_millis(500);
/// A stream that nothing is played of for so long is waited for no more.
const GONE: Duration = Duration::from_secs(10);
/// Streams at most; more are played, but not kept together with others.
const MAX_STREAMS: usize = 256;
/// Pairs at most: a peer may name one `MediaStream` for all of its streams.
const MAX_PAIRS: usize = 1024;

/// Names a stream of a [`SyncGroup`]. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyncId(u64);

/// What a stream is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SyncMedium {
    /// Sound, whose timestamps have so many ticks a second.
    Sound(u32),
    /// Pictures.
    Pictures,
}

#[derive(Clone, Debug)]
struct Stream {
    id: SyncId,
    medium: SyncMedium,
    /// Ids of the `MediaStream`s that its track is part of.
    streams: Vec<String>,
    /// By sender reports.
    reports: SenderClock,
    /// By capture times, which tell of the source even where a mixer is between.
    captures: SenderClock,
    playing: Option<Playing>,
    /// The delay that it is to hold.
    delay: Duration,
}

/// Sound and pictures that are to be heard and seen together.
#[derive(Clone, Debug)]
struct Pair {
    sound: SyncId,
    pictures: SyncId,
    delays: PairDelays,
}

/// Keeps the tracks of each `MediaStream` together, however many there are and whenever they come and go.
///
/// Every stream is told of what the sender says of its clock, and says what it plays; it is answered with the least delay that
/// its buffer has to hold. Sound and pictures are compared where their tracks have a `MediaStream` in common. Where sound goes
/// with several pictures it waits for the latest, and the others wait for the sound.
#[derive(Clone, Debug, Default)]
pub struct SyncGroup {
    streams: Vec<Stream>,
    pairs: Vec<Pair>,
    added: u64,
}

impl SyncGroup {
    /// Without any streams.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a stream that is part of these `MediaStream`s.
    pub fn add(&mut self, medium: SyncMedium, streams: &[String]) -> SyncId {
        let id = SyncId(self.added);
        self.added += 1;
        if self.streams.len() < MAX_STREAMS {
            let (reports, captures) = (clock(medium), clock(medium));
            let (playing, delay) = (None, Duration::ZERO);
            let streams = streams.to_vec();
            self.streams.push(Stream { id, medium, streams, reports, captures, playing, delay });
            self.arrange();
        }
        id
    }

    /// It has ended: nobody waits for it any more.
    pub fn remove(&mut self, id: SyncId) {
        self.streams.retain(|stream| stream.id != id);
        self.arrange();
    }

    /// Its track is part of these `MediaStream`s from now on.
    pub fn set_streams(&mut self, id: SyncId, streams: &[String]) {
        if let Some(stream) = self.stream_mut(id)
            && stream.streams != streams
        {
            stream.streams = streams.to_vec();
            self.arrange();
        }
    }

    /// It comes of another source from now on, or with another clock: what was known of its clock means nothing any more.
    pub fn restart(&mut self, id: SyncId, medium: SyncMedium) {
        let Some(stream) = self.stream_mut(id) else { return };
        stream.medium = medium;
        (stream.reports, stream.captures) = (clock(medium), clock(medium));
        stream.playing = None;
        self.arrange();
    }

    /// A sender report came (RFC 3550 §6.4.1): the timestamp is of this time of the sender's clock. The same one may be told
    /// again.
    pub fn sender_report(&mut self, id: SyncId, time: NtpTime, timestamp: u32) {
        if let Some(stream) = self.stream_mut(id) {
            stream.reports.report(time, timestamp);
        }
    }

    /// A frame came with the time of its capture.
    pub fn captured(&mut self, id: SyncId, time: &AbsoluteCaptureTime, timestamp: u32) {
        if let Some(stream) = self.stream_mut(id) {
            stream.captures.report(NtpTime(time.ntp), timestamp);
        }
    }

    /// What is played of a stream; to be said several times a second while something is. The delay that its buffer has to hold
    /// at least, for the sake of others.
    pub fn playing(&mut self, now: Instant, id: SyncId, playing: Playing) -> Duration {
        let Some(stream) = self.stream_mut(id) else { return Duration::ZERO };
        stream.playing = Some(playing);
        let medium = stream.medium;
        // Once for each picture: sound goes on evenly between two looks at it.
        if medium == SyncMedium::Pictures {
            self.compare(now, id);
        }
        self.settle(now);
        self.delay(id)
    }

    /// The delay that a stream has to hold at least.
    pub fn delay(&self, id: SyncId) -> Duration {
        self.stream(id).map_or(Duration::ZERO, |stream| stream.delay)
    }

    /// The time on the sender's clock of a timestamp, by its reports (`estimatedPlayoutTimestamp` is made of it).
    pub fn sender_time(&self, id: SyncId, timestamp: u32) -> Option<NtpTime> {
        self.stream(id)?.reports.time(timestamp)
    }

    /// How much later pictures are shown than the sound that belongs to them is heard, in seconds; `None` where they cannot be
    /// compared.
    pub fn skew(&self, sound: SyncId, pictures: SyncId) -> Option<f64> {
        skew(self.stream(sound)?, self.stream(pictures)?)
    }

    fn stream(&self, id: SyncId) -> Option<&Stream> {
        find(&self.streams, id).map(|at| &self.streams[at])
    }

    fn stream_mut(&mut self, id: SyncId) -> Option<&mut Stream> {
        find(&self.streams, id).map(|at| &mut self.streams[at])
    }

    /// Finds who belongs together. What was learnt of a pair that stays is kept.
    fn arrange(&mut self) {
        let is_sound = |stream: &&Stream| matches!(stream.medium, SyncMedium::Sound(_));
        let mut pairs = Vec::new();
        for sound in self.streams.iter().filter(is_sound) {
            for pictures in self.streams.iter().filter(|stream| !is_sound(stream)) {
                if pairs.len() == MAX_PAIRS
                    || !sound.streams.iter().any(|id| pictures.streams.contains(id))
                {
                    continue;
                }
                let (sound, pictures) = (sound.id, pictures.id);
                // Both are in the order of their ids.
                let known = self
                    .pairs
                    .binary_search_by_key(&(sound, pictures), |pair| (pair.sound, pair.pictures));
                let delays = known.map(|at| self.pairs[at].delays.clone()).unwrap_or_default();
                pairs.push(Pair { sound, pictures, delays });
            }
        }
        self.pairs = pairs;
        self.hold();
    }

    /// Compares pictures with the sound that belongs to them.
    fn compare(&mut self, now: Instant, pictures: SyncId) {
        let (streams, pairs) = (&self.streams, &mut self.pairs);
        let find = |id: SyncId| find(streams, id).map(|at| &streams[at]);
        for pair in pairs.iter_mut().filter(|pair| pair.pictures == pictures) {
            let (Some(sound), Some(pictures)) = (find(pair.sound), find(pair.pictures)) else {
                continue;
            };
            let (Some(heard), Some(seen)) = (sound.playing, pictures.playing) else { continue };
            if let Some(skew) = skew(sound, pictures) {
                pair.delays.update(now, skew, heard.delay, seen.delay);
            }
        }
    }

    /// What each is to hold, of all pairs that it is part of.
    fn settle(&mut self, now: Instant) {
        let is_gone = |id: SyncId| {
            let stream = find(&self.streams, id).map(|at| &self.streams[at]);
            let last = stream.and_then(|stream| stream.playing);
            last.is_some_and(|last| now.saturating_duration_since(last.at) > GONE)
        };
        for pair in &mut self.pairs {
            if is_gone(pair.sound) || is_gone(pair.pictures) {
                pair.delays = PairDelays::default();
            }
        }
        self.hold();
    }

    /// The same, of what is known of the pairs.
    fn hold(&mut self) {
        self.streams.iter_mut().for_each(|stream| stream.delay = Duration::ZERO);
        for pair in &self.pairs {
            let held = pair.delays.held();
            for (id, delay) in [(pair.sound, held.audio), (pair.pictures, held.video)] {
                if let Some(at) = find(&self.streams, id) {
                    let stream = &mut self.streams[at];
                    stream.delay = stream.delay.max(delay);
                }
            }
        }
    }
}

/// Where a stream is: they stand in the order in which they were added.
fn find(streams: &[Stream], id: SyncId) -> Option<usize> {
    streams.binary_search_by_key(&id, |stream| stream.id).ok()
}

fn clock(medium: SyncMedium) -> SenderClock {
    SenderClock::new(match medium {
        SyncMedium::Sound(rate) => rate,
        SyncMedium::Pictures => 90_000,
    })
}

/// See [`SyncGroup::skew`].
fn skew(sound: &Stream, pictures: &Stream) -> Option<f64> {
    let (heard, seen) = (sound.playing?, pictures.playing?);
    let between = |of: fn(&Stream) -> &SenderClock| {
        let (heard, seen) = (of(sound).time(heard.timestamp)?, of(pictures).time(seen.timestamp)?);
        Some(seconds(seen, heard))
    };
    // Both by the same clock: that of the capture is another one than the sender's.
    let media = between(|stream| &stream.captures).or_else(|| between(|stream| &stream.reports))?;
    let later = match seen.at.checked_duration_since(heard.at) {
        Some(later) if later <= RECENT => later.as_secs_f64(),
        None if heard.at - seen.at <= RECENT => -(heard.at - seen.at).as_secs_f64(),
        _ => return None,
    };
    let skew = later - media;
    (skew.abs() < MAX_SKEW.as_secs_f64()).then_some(skew)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A connection whose streams each hold what they are told to, but at least what their network makes them.
    struct Call {
        group: SyncGroup,
        start: Instant,
        time: Duration,
        streams: Vec<(SyncId, SyncMedium, f64, f64)>,
    }

    impl Call {
        fn new() -> Self {
            let (group, start) = (SyncGroup::new(), Instant::now());
            Self { group, start, time: MS(20_000), streams: Vec::new() }
        }

        /// Adds a stream whose network makes it hold so many ms; its place.
        fn add(&mut self, medium: SyncMedium, natural: f64, streams: &[&str]) -> usize {
            let streams: Vec<String> = streams.iter().map(|id| (*id).to_owned()).collect();
            let id = self.group.add(medium, &streams);
            self.streams.push((id, medium, natural, natural));
            self.streams.len() - 1
        }

        fn held(&self, place: usize) -> f64 {
            self.streams[place].3
        }

        fn run(&mut self, seconds: u64) {
            let wall = NtpTime::from_unix(Duration::from_secs(1_700_000_000));
            for step in 0..seconds * 50 {
                self.time += MS(20);
                let now = self.start + self.time;
                for (id, medium, natural, held) in &mut self.streams {
                    let rate = match medium {
                        SyncMedium::Sound(rate) => f64::from(*rate),
                        SyncMedium::Pictures => 90_000.0,
                    };
                    if step % 100 == 0 {
                        let timestamp = (self.time.as_secs_f64() * rate) as u32;
                        self.group.sender_report(*id, wall.plus(self.time), timestamp);
                    }
                    let asked = self.group.delay(*id).as_secs_f64() * 1e3;
                    *held += (natural.max(asked) - *held).clamp(-2.0, 2.0);
                    let captured = self.time.as_secs_f64() - *held / 1e3;
                    let delay = Duration::from_secs_f64(*held / 1e3);
                    let timestamp = (captured * rate) as u32;
                    self.group.playing(now, *id, Playing { timestamp, at: now, delay });
                }
            }
        }
    }

    #[test]
    fn tracks_of_one_stream_meet_whenever_they_come_and_go() {
        let mut call = Call::new();
        let sound = call.add(SyncMedium::Sound(48_000), 60.0, &["a"]);
        let other = call.add(SyncMedium::Sound(48_000), 50.0, &["b"]);
        call.run(5);
        assert_eq!((call.held(sound), call.held(other)), (60.0, 50.0));
        // The camera is switched on, and its network is worse.
        let camera = call.add(SyncMedium::Pictures, 250.0, &["a", "c"]);
        call.run(20);
        assert!((call.held(sound) - 250.0).abs() < 15.0, "{}", call.held(sound));
        assert_eq!(call.held(other), 50.0, "of another stream");
        // A second one is early: it waits for the sound.
        let screen = call.add(SyncMedium::Pictures, 30.0, &["a"]);
        call.run(20);
        assert!((call.held(screen) - 250.0).abs() < 25.0, "{}", call.held(screen));
        // Both go: the sound need not wait any more.
        for place in [screen, camera] {
            let id = call.streams.remove(place).0;
            call.group.remove(id);
        }
        call.run(3);
        assert_eq!(call.held(sound), 60.0);
    }

    #[test]
    fn a_camera_that_shows_nothing_is_waited_for_no_more() {
        let mut call = Call::new();
        let sound = call.add(SyncMedium::Sound(48_000), 60.0, &["a"]);
        call.add(SyncMedium::Pictures, 250.0, &["a"]);
        call.run(20);
        assert!(call.held(sound) > 230.0);
        call.streams.truncate(1);
        call.run(5);
        assert!(call.held(sound) > 230.0, "it may go on at once");
        call.run(10);
        assert_eq!(call.held(sound), 60.0);
    }

    #[test]
    fn capture_times_count_more_than_reports_where_both_have_them() {
        let mut group = SyncGroup::new();
        let streams = ["a".to_owned()];
        let sound = group.add(SyncMedium::Sound(48_000), &streams);
        let pictures = group.add(SyncMedium::Pictures, &streams);
        let now = Instant::now();
        let of = |timestamp| Playing { timestamp, at: now, delay: Duration::ZERO };
        group.playing(now, sound, of(48_000));
        group.playing(now, pictures, of(90_000));
        assert_eq!(group.skew(sound, pictures), None, "nothing is known");
        group.sender_report(sound, NtpTime(10 << 32), 48_000);
        group.sender_report(pictures, NtpTime(10 << 32), 90_000);
        assert_eq!(group.skew(sound, pictures), Some(0.0));
        let captured =
            |seconds: u64| AbsoluteCaptureTime { ntp: seconds << 32, clock_offset: None };
        group.captured(sound, &captured(500), 48_000);
        assert_eq!(group.skew(sound, pictures), Some(0.0), "one alone says nothing");
        group.captured(pictures, &captured(499), 90_000);
        assert_eq!(group.skew(sound, pictures), Some(1.0));
        group.restart(pictures, SyncMedium::Pictures);
        assert_eq!(group.skew(sound, pictures), None);
    }

    proptest::proptest! {
        /// Whatever a peer says of its clocks, nobody is held back for longer than is believed.
        #[test]
        fn delays_are_bounded_whatever_is_said(
            calls in proptest::collection::vec((0u8..7, 0usize..4, proptest::num::u64::ANY), 0..300),
        ) {
            let mut group = SyncGroup::new();
            let streams = ["a".to_owned()];
            let mediums = [SyncMedium::Sound(48_000), SyncMedium::Pictures];
            let mut ids: Vec<SyncId> =
                (0..4).map(|at| group.add(mediums[at % 2], &streams)).collect();
            let mut now = Instant::now();
            for (call, which, value) in calls {
                let (id, timestamp) = (ids[which], value as u32);
                match call {
                    0 => group.sender_report(id, NtpTime(value), (value >> 32) as u32),
                    1 => group.captured(
                        id,
                        &AbsoluteCaptureTime { ntp: value, clock_offset: Some(1) },
                        timestamp,
                    ),
                    2 => group.restart(id, mediums[which % 2]),
                    3 => {
                        group.remove(id);
                        ids[which] = group.add(mediums[which % 2], &streams);
                    }
                    4 => now += Duration::from_millis(value & 0x3fff),
                    _ => {
                        let delay = Duration::from_millis(value & 0xfff);
                        let at = now.checked_sub(delay).unwrap_or(now);
                        group.playing(now, id, Playing { timestamp, at, delay });
                    }
                }
                for id in &ids {
                    proptest::prop_assert!(group.delay(*id) <= MAX_SKEW);
                }
            }
        }
    }

    #[test]
    fn too_many_streams_are_left_alone() {
        let mut group = SyncGroup::new();
        let streams = ["a".to_owned()];
        let ids: Vec<SyncId> =
            (0..2 * MAX_STREAMS).map(|_| group.add(SyncMedium::Pictures, &streams)).collect();
        assert_eq!(group.streams.len(), MAX_STREAMS);
        let playing = Playing { timestamp: 0, at: Instant::now(), delay: Duration::ZERO };
        assert_eq!(group.playing(playing.at, ids[MAX_STREAMS], playing), Duration::ZERO);
    }

    #[test]
    fn pairs_of_one_media_stream_are_bounded() {
        let mut group = SyncGroup::new();
        let streams = ["a".to_owned()];
        for _ in 0..MAX_STREAMS / 2 {
            group.add(SyncMedium::Sound(48_000), &streams);
            group.add(SyncMedium::Pictures, &streams);
        }
        assert_eq!(group.pairs.len(), MAX_PAIRS);
        assert!(group.pairs.is_sorted_by_key(|pair| (pair.sound, pair.pictures)));
    }
}
