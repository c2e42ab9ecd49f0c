//! Numbers of one source, sequence numbers or picture ids, as numbers of the joined stream: what is missing leaves its gap,
//! what was left out on purpose does not.

/// What was known of a number last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Missing,
    Sent,
    Skipped,
}

/// Where a number goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// To this one, which is new.
    New(u64),
    /// To this one, which was given out for it before.
    Again(u64),
    /// Nowhere: too old, left out before, or from before the source's turn.
    Nowhere,
}

/// A jump ahead by more leaves a gap of one only: nobody mends so many, and one that is hostile must not use the numbers up.
const MAX_GAP: u64 = 512;

/// State in the low two bits, above it the low bits of what was subtracted.
const STATE_BITS: u32 = 2;
const SHIFT_MASK: u64 = u32::MAX as u64 >> STATE_BITS;

/// The last numbers of one source, as many as `ring` has.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    ring: Box<[u32]>,
    /// The lowest number that has a place.
    floor: u64,
    highest: u64,
    /// What is subtracted from numbers above `highest`; wraps.
    shift: u64,
}

impl Numbers {
    /// The source's turn begins with the number `first`, which becomes `out`; up to `room` numbers before it have a place as
    /// well. `len` is a power of two, above `room`.
    pub(super) fn new(len: usize, first: u64, out: u64, room: u64) -> Self {
        debug_assert!(len.is_power_of_two() && room < len as u64);
        let floor = first.saturating_sub(room);
        let mut numbers = Self {
            ring: vec![0; len].into(),
            floor,
            highest: floor.wrapping_sub(1),
            shift: first.wrapping_sub(out),
        };
        numbers.fill_to(first);
        numbers
    }

    fn set(&mut self, number: u64, state: State) {
        let index = number as usize & (self.ring.len() - 1);
        self.ring[index] = ((self.shift & SHIFT_MASK) as u32) << STATE_BITS | state as u32;
    }

    /// Everything below `number` that is not known is missing.
    fn fill_to(&mut self, number: u64) {
        let mut missing = self.highest.wrapping_add(1);
        while missing < number {
            self.set(missing, State::Missing);
            missing += 1;
        }
        self.highest = number.wrapping_sub(1);
    }

    /// The place and state of a number that is at most `highest`.
    fn get(&self, number: u64) -> Option<(u64, State)> {
        let known =
            number >= self.floor && self.highest.checked_sub(number)? < self.ring.len() as u64;
        if !known {
            return None;
        }
        let entry = self.ring[number as usize & (self.ring.len() - 1)];
        let behind = self.shift.wrapping_sub(u64::from(entry >> STATE_BITS)) & SHIFT_MASK;
        let out = number.wrapping_sub(self.shift.wrapping_sub(behind));
        let state = match entry & ((1 << STATE_BITS) - 1) {
            0 => State::Missing,
            1 => State::Sent,
            _ => State::Skipped,
        };
        Some((out, state))
    }

    fn mark(&mut self, number: u64, state: State) {
        let index = number as usize & (self.ring.len() - 1);
        let entry = &mut self.ring[index];
        *entry = *entry >> STATE_BITS << STATE_BITS | state as u32;
    }

    fn is_ahead(&self, number: u64) -> bool {
        number.wrapping_sub(self.highest) as i64 > 0
    }

    /// Makes room for a number ahead of all.
    fn advance_to(&mut self, number: u64) {
        let gap = number.wrapping_sub(self.highest);
        if gap > MAX_GAP.min(self.ring.len() as u64 / 2) {
            self.shift = self.shift.wrapping_add(gap - 2);
            self.floor = number;
            self.highest = number.wrapping_sub(1);
        } else {
            self.fill_to(number);
        }
    }

    /// Gives a number its place.
    pub(super) fn place(&mut self, number: u64) -> Place {
        if self.is_ahead(number) {
            self.advance_to(number);
            self.set(number, State::Sent);
            self.highest = number;
            return Place::New(number.wrapping_sub(self.shift));
        }
        match self.get(number) {
            Some((out, State::Missing)) => {
                self.mark(number, State::Sent);
                Place::New(out)
            }
            Some((out, State::Sent)) => Place::Again(out),
            Some((_, State::Skipped)) | None => Place::Nowhere,
        }
    }

    /// Leaves a number out. `Some` if its place stays empty, because later ones were given out already.
    pub(super) fn skip(&mut self, number: u64) -> Option<u64> {
        if self.is_ahead(number) {
            self.advance_to(number);
            self.set(number, State::Skipped);
            self.highest = number;
            self.shift = self.shift.wrapping_add(1);
            return None;
        }
        let (out, state) = self.get(number)?;
        if state != State::Missing {
            return None;
        }
        self.mark(number, State::Skipped);
        Some(out)
    }

    /// Leaves a number out after the source's turn: nothing moves any more, for what follows has other numbers' places.
    pub(super) fn skip_late(&mut self, number: u64) {
        if !self.is_ahead(number) {
            self.skip(number);
        }
    }

    /// A number ahead of all has no place any more, now that the source's turn is over; missing ones keep theirs.
    pub(super) fn place_late(&mut self, number: u64) -> Place {
        if self.is_ahead(number) { Place::Nowhere } else { self.place(number) }
    }

    /// The highest number that has been given out, or would have been if all had come.
    pub(super) fn highest_out(&self) -> u64 {
        self.highest.wrapping_sub(self.shift)
    }

    /// Which number became `out`. It looks through what is kept: for requests, not for each packet.
    pub(super) fn source_of(&self, out: u64) -> Option<u64> {
        let len = self.ring.len() as u64;
        (0..len).map_while(|back| self.highest.checked_sub(back)).find(|number| {
            matches!(self.get(*number), Some((o, State::Sent | State::Missing)) if o == out)
        })
    }
}
