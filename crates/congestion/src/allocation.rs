//! Shares a target among streams, and a stream's share among its encodings (the layers of simulcast).
//!
//! Streams get their smallest rate in the order of their priority, and divide what is left in proportion to it, none more
//! than its largest. What is off goes on only with some rate to spare, so that a target that wavers around a threshold
//! does not switch it on and off.

use smallvec::SmallVec;

use crate::error::Error;
use crate::units::DataRate;

/// Most encodings of one stream.
pub const MAX_ENCODINGS: usize = 8;
/// Most streams of one allocator.
pub const MAX_STREAMS: usize = 1_024;

/// An encoding that is off needs this much more than its smallest rate to go on.
const SPARE: f64 = 1.15;

/// Bounds of one encoding, the lowest layer first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// With less it is switched off.
    pub min: DataRate,
    /// It has no use for more.
    pub max: DataRate,
}

/// A stream among those that share the target.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamConfig {
    /// Any number, each once.
    pub id: u64,
    /// Its weight beside the other streams; RFC 8835 §4.1 has 0.5, 1, 2 and 4 for very low to high. What is not
    /// positive counts as the smallest weight there is.
    pub priority: f64,
    /// It keeps the smallest rate of its first encoding even if that is not there, as audio does.
    pub always: bool,
    /// The encodings, the lowest first.
    pub encodings: SmallVec<[Encoding; 4]>,
}

/// What one encoding gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The stream.
    pub stream: u64,
    /// The encoding's place in [`StreamConfig::encodings`].
    pub encoding: usize,
    /// Its rate; zero is off.
    pub rate: DataRate,
}

#[derive(Debug)]
struct Stream {
    config: StreamConfig,
    /// What all encodings can use beyond the first one's smallest rate.
    room: f64,
    /// Where its first allocation is.
    first: usize,
    on: bool,
    share: f64,
}

impl Stream {
    fn weight(&self) -> f64 {
        if self.config.priority > 1e-3 { self.config.priority.min(1e6) } else { 1e-3 }
    }
}

/// The allocator; see the module's file.
#[derive(Debug, Default)]
pub struct Allocator {
    /// In the order of priority, those that are always on first.
    streams: Vec<Stream>,
    /// Places in `streams`, in the order in which they are full when the target grows.
    by_room: Vec<usize>,
    allocations: Vec<Allocation>,
    last: Option<DataRate>,
}

impl Allocator {
    /// Without streams.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a stream. It is off until the next [`allocate`](Self::allocate).
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateStream`], [`Error::TooManyStreams`], [`Error::EncodingCount`], or [`Error::RateBounds`] of an
    /// encoding.
    pub fn add(&mut self, config: StreamConfig) -> Result<(), Error> {
        if self.position(config.id).is_some() {
            return Err(Error::DuplicateStream(config.id));
        }
        if self.streams.len() >= MAX_STREAMS {
            return Err(Error::TooManyStreams(MAX_STREAMS));
        }
        check(&config)?;
        self.streams.push(Stream { config, room: 0.0, first: 0, on: false, share: 0.0 });
        self.arrange();
        Ok(())
    }

    /// Changes a stream's bounds or priority; encodings that are on stay on if they can. Gives whether it is there.
    ///
    /// # Errors
    ///
    /// [`Error::EncodingCount`], or [`Error::RateBounds`] of an encoding.
    pub fn update(&mut self, config: StreamConfig) -> Result<bool, Error> {
        check(&config)?;
        let Some(position) = self.position(config.id) else { return Ok(false) };
        self.streams[position].config = config;
        self.arrange();
        Ok(true)
    }

    /// Removes a stream. Gives whether it was there.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some(position) = self.position(id) else { return false };
        self.streams.remove(position);
        self.arrange();
        true
    }

    fn position(&self, id: u64) -> Option<usize> {
        self.streams.iter().position(|stream| stream.config.id == id)
    }

    /// Puts all in order after a change of streams; nothing of it is done when only the target changes.
    fn arrange(&mut self) {
        let rank = |stream: &Stream| (!stream.config.always, -stream.weight());
        self.streams.sort_by(|a, b| {
            let ((a_off, a_weight), (b_off, b_weight)) = (rank(a), rank(b));
            a_off.cmp(&b_off).then(a_weight.total_cmp(&b_weight))
        });
        let before = std::mem::take(&mut self.allocations);
        for stream in &mut self.streams {
            let encodings = &stream.config.encodings;
            let most: DataRate = encodings.iter().map(|encoding| encoding.max).sum();
            stream.room = (most - encodings[0].min).as_f64();
            stream.first = self.allocations.len();
            let id = stream.config.id;
            self.allocations.extend((0..encodings.len()).map(|encoding| {
                let same = |old: &&Allocation| old.stream == id && old.encoding == encoding;
                let rate = before.iter().find(same).map_or(DataRate::ZERO, |old| old.rate);
                Allocation { stream: id, encoding, rate }
            }));
        }
        self.by_room = (0..self.streams.len()).collect();
        let streams = &self.streams;
        self.by_room.sort_by(|&a, &b| {
            let full = |index: usize| streams[index].room / streams[index].weight();
            full(a).total_cmp(&full(b))
        });
        self.last = None;
    }

    /// What all streams together can use: for
    /// [`Controller::on_application_limited`](crate::Controller::on_application_limited).
    pub fn demand(&self) -> DataRate {
        self.streams.iter().flat_map(|stream| &stream.config.encodings).map(|e| e.max).sum()
    }

    /// The allocations as they were last made, each stream's in a row.
    pub fn allocations(&self) -> &[Allocation] {
        &self.allocations
    }

    /// Shares out `target`. Does nothing if neither it nor the streams have changed.
    pub fn allocate(&mut self, target: DataRate) -> &[Allocation] {
        if self.last != Some(target) {
            self.last = Some(target);
            let left = self.switch_on(target.as_f64());
            let left = self.divide(left);
            self.spread(left);
        }
        &self.allocations
    }

    /// Gives the first encodings their smallest rates, and what is left then.
    fn switch_on(&mut self, target: f64) -> f64 {
        let mut left = target;
        for stream in &mut self.streams {
            let min = stream.config.encodings[0].min.as_f64();
            let was_on = !self.allocations[stream.first].rate.is_zero();
            let needed = if was_on || stream.config.always { min } else { min * SPARE };
            stream.on = stream.config.always || left >= needed.max(1.0);
            stream.share = 0.0;
            if stream.on {
                left = (left - min).max(0.0);
            }
        }
        left
    }

    /// Divides what is left in proportion to the weights; gives what nobody can use.
    fn divide(&mut self, mut left: f64) -> f64 {
        let mut weights: f64 =
            self.streams.iter().filter(|stream| stream.on).map(Stream::weight).sum();
        for &index in &self.by_room {
            let stream = &mut self.streams[index];
            if !stream.on {
                continue;
            }
            let weight = stream.weight();
            stream.share = (left * (weight / weights).min(1.0)).min(stream.room);
            left -= stream.share;
            weights -= weight;
        }
        left.max(0.0)
    }

    /// Shares each stream's part among its encodings, from the lowest up. What a stream cannot use, because it is too
    /// little for its next encoding, is there for the streams after it.
    fn spread(&mut self, mut spare: f64) {
        for stream in &self.streams {
            let encodings = &stream.config.encodings;
            let slots = &mut self.allocations[stream.first..stream.first + encodings.len()];
            if !stream.on {
                for slot in slots {
                    slot.rate = DataRate::ZERO;
                }
                continue;
            }
            let mut budget = encodings[0].min.as_f64() + stream.share;
            let mut reached = true;
            for (index, (slot, encoding)) in slots.iter_mut().zip(encodings).enumerate() {
                let min = encoding.min.as_f64();
                let needed = if index == 0 {
                    0.0
                } else if slot.rate.is_zero() {
                    (min * SPARE).max(1.0)
                } else {
                    min.max(1.0)
                };
                // Each encoding builds on the ones below it.
                reached &= budget + spare >= needed;
                if !reached {
                    slot.rate = DataRate::ZERO;
                    continue;
                }
                if budget < min {
                    spare -= min - budget;
                    budget = min;
                }
                let given = budget.min(encoding.max.as_f64());
                slot.rate = DataRate::from_f64(given);
                budget -= given;
            }
            spare += budget;
        }
        self.top_up(spare);
    }

    /// What is left even then goes to encodings that are on and have room.
    fn top_up(&mut self, mut spare: f64) {
        for stream in &self.streams {
            if spare < 1.0 {
                return;
            }
            let encodings = &stream.config.encodings;
            let slots = &mut self.allocations[stream.first..stream.first + encodings.len()];
            for (slot, encoding) in slots.iter_mut().zip(encodings) {
                if slot.rate.is_zero() {
                    continue;
                }
                let more = (encoding.max - slot.rate).as_f64().min(spare);
                slot.rate += DataRate::from_f64(more);
                spare -= more;
            }
        }
    }
}

fn check(config: &StreamConfig) -> Result<(), Error> {
    let given = config.encodings.len();
    if given == 0 || given > MAX_ENCODINGS {
        return Err(Error::EncodingCount { given, max: MAX_ENCODINGS });
    }
    for &Encoding { min, max } in &config.encodings {
        if min > max {
            return Err(Error::RateBounds { min, max });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use smallvec::smallvec;

    use super::*;

    fn kbps(rate: u64) -> DataRate {
        DataRate::from_kbps(rate)
    }

    fn one(id: u64, priority: f64, min: u64, max: u64) -> StreamConfig {
        StreamConfig {
            id,
            priority,
            always: false,
            encodings: smallvec![Encoding { min: kbps(min), max: kbps(max) }],
        }
    }

    fn simulcast(id: u64) -> StreamConfig {
        StreamConfig {
            encodings: smallvec![
                Encoding { min: kbps(50), max: kbps(200) },
                Encoding { min: kbps(150), max: kbps(700) },
                Encoding { min: kbps(600), max: kbps(2_500) },
            ],
            ..one(id, 1.0, 0, 0)
        }
    }

    fn rates(allocator: &mut Allocator, target: u64) -> Vec<u64> {
        allocator.allocate(kbps(target)).iter().map(|given| given.rate.as_kbps()).collect()
    }

    #[test]
    fn streams_share_by_priority_within_their_bounds() {
        let mut allocator = Allocator::new();
        allocator.add(one(1, 2.0, 0, 10_000)).unwrap();
        allocator.add(one(2, 1.0, 0, 10_000)).unwrap();
        allocator.add(one(3, 1.0, 0, 300)).unwrap();
        assert_eq!(rates(&mut allocator, 1_000), [500, 250, 250]);
        assert_eq!(rates(&mut allocator, 3_300), [2_000, 1_000, 300], "the third is full");
        assert_eq!(allocator.demand(), kbps(20_300));
    }

    #[test]
    fn the_less_important_is_switched_off_first_and_audio_never() {
        let mut allocator = Allocator::new();
        allocator.add(one(1, 1.0, 200, 1_000)).unwrap();
        allocator.add(one(2, 4.0, 200, 1_000)).unwrap();
        allocator.add(StreamConfig { always: true, ..one(3, 1.0, 32, 32) }).unwrap();
        let ids: Vec<u64> = allocator.allocations().iter().map(|a| a.stream).collect();
        assert_eq!(ids, [3, 2, 1]);
        assert_eq!(rates(&mut allocator, 300), [32, 268, 0]);
        assert_eq!(rates(&mut allocator, 10), [32, 0, 0]);
    }

    #[test]
    fn layers_go_on_from_the_lowest() {
        let mut allocator = Allocator::new();
        allocator.add(simulcast(1)).unwrap();
        assert_eq!(rates(&mut allocator, 40), [0, 0, 0]);
        assert_eq!(rates(&mut allocator, 100), [100, 0, 0]);
        assert_eq!(rates(&mut allocator, 300), [200, 0, 0], "100 is too little for the second");
        assert_eq!(rates(&mut allocator, 500), [200, 300, 0]);
        assert_eq!(rates(&mut allocator, 2_000), [200, 700, 1_100]);
        assert_eq!(rates(&mut allocator, 9_000), [200, 700, 2_500]);
    }

    #[test]
    fn a_target_that_wavers_does_not_switch_layers_on_and_off() {
        let mut allocator = Allocator::new();
        allocator.add(simulcast(1)).unwrap();
        let mut switches = 0;
        let mut on = false;
        for round in 0..100 {
            let target = if round % 2 == 0 { 355 } else { 345 };
            let is_on = rates(&mut allocator, target)[1] > 0;
            switches += u32::from(is_on != on);
            on = is_on;
        }
        assert_eq!(switches, 0, "the second layer needs 372 to go on");
        rates(&mut allocator, 400);
        for round in 0..100 {
            let target = if round % 2 == 0 { 360 } else { 352 };
            assert!(rates(&mut allocator, target)[1] > 0, "and 350 to stay on");
        }
    }

    #[test]
    fn what_one_cannot_use_is_there_for_the_next() {
        let mut allocator = Allocator::new();
        allocator.add(simulcast(1)).unwrap();
        allocator.add(simulcast(2)).unwrap();
        // 320 each would leave both with 120 to spare, and neither with a second layer.
        assert_eq!(rates(&mut allocator, 640), [200, 0, 0, 200, 240, 0]);
    }

    #[test]
    fn mistakes_are_refused() {
        let mut allocator = Allocator::new();
        allocator.add(one(1, 1.0, 0, 1)).unwrap();
        assert_eq!(allocator.add(one(1, 1.0, 0, 1)), Err(Error::DuplicateStream(1)));
        assert!(matches!(allocator.add(one(2, 1.0, 5, 1)), Err(Error::RateBounds { .. })));
        let none = StreamConfig { encodings: smallvec![], ..one(2, 1.0, 0, 0) };
        assert!(matches!(allocator.add(none), Err(Error::EncodingCount { given: 0, .. })));
        assert_eq!(allocator.update(one(9, 1.0, 0, 1)), Ok(false));
        assert!(allocator.remove(1) && !allocator.remove(1));
    }

    proptest! {
        #[test]
        fn never_more_than_the_target_and_none_outside_its_bounds(
            streams in prop::collection::vec(
                (0.0f64..10.0, prop::collection::vec((0u64..500, 0u64..2_000), 1..4)), 1..6),
            targets in prop::collection::vec(0u64..8_000, 1..20),
        ) {
            let mut allocator = Allocator::new();
            for (id, (priority, encodings)) in streams.iter().enumerate() {
                allocator.add(StreamConfig {
                    id: id as u64,
                    priority: *priority,
                    always: false,
                    encodings: encodings
                        .iter()
                        .map(|&(min, more)| Encoding { min: kbps(min), max: kbps(min + more) })
                        .collect(),
                }).unwrap();
            }
            for target in targets {
                let given = allocator.allocate(kbps(target)).to_vec();
                let sum: DataRate = given.iter().map(|given| given.rate).sum();
                prop_assert!(sum <= kbps(target) + DataRate::from_bps(given.len() as u64));
                for given in given {
                    let (min, more) = streams[given.stream as usize].1[given.encoding];
                    prop_assert!(given.rate <= kbps(min + more));
                    prop_assert!(given.rate.is_zero() || given.rate + DataRate::from_bps(1) >= kbps(min));
                }
            }
        }
    }
}
