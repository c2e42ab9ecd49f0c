//! What hands events and cleartext packets to the application's [`EventSink`] and [`PacketTap`]. Connection and RTP
//! transport share one; while there is neither sink nor tap, each call is a branch, and nothing is made up for it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use peerage_log::{Direction, Estimate, EventSink, LogEvent, PacketTap, Plaintext};
use rustc_hash::FxHashMap;

/// Sources that are remembered as announced. Those of more are announced again.
const MAX_ANNOUNCED: usize = 4096;

/// See the module. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct Log(Option<Arc<Mutex<Observers>>>);

/// Who looks on.
#[derive(Default)]
pub(crate) struct Observers {
    sink: Option<Box<dyn EventSink + Send>>,
    tap: Option<Box<dyn PacketTap + Send>>,
    /// The clock rates of sources that were announced.
    announced: FxHashMap<(Direction, u32), u32>,
    /// What was last told.
    estimate: Option<Estimate>,
}

impl Log {
    /// Whether anybody looks on.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The observers, if there are any.
    pub(crate) fn observers(&self) -> Option<MutexGuard<'_, Observers>> {
        // A sink that panicked is the application's; the connection goes on.
        self.0.as_ref().map(|shared| shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same with another sink.
    pub(crate) fn with_sink(&self, sink: Option<Box<dyn EventSink + Send>>) -> Self {
        let tap = self.observers().and_then(|mut observers| observers.tap.take());
        Self::new(sink, tap)
    }

    /// The same with another tap.
    pub(crate) fn with_tap(&self, tap: Option<Box<dyn PacketTap + Send>>) -> Self {
        let Some(mut observers) = self.observers() else { return Self::new(None, tap) };
        if tap.is_none() && observers.sink.is_none() {
            return Self(None);
        }
        observers.tap = tap;
        self.clone()
    }

    fn new(
        sink: Option<Box<dyn EventSink + Send>>,
        tap: Option<Box<dyn PacketTap + Send>>,
    ) -> Self {
        if sink.is_none() && tap.is_none() {
            return Self(None);
        }
        Self(Some(Arc::new(Mutex::new(Observers { sink, tap, ..Observers::default() }))))
    }

    /// Records an event that is made only if somebody wants it.
    #[inline]
    pub(crate) fn record<'a>(&self, now: Instant, event: impl FnOnce() -> LogEvent<'a>) {
        if self.is_on() {
            self.with(|observers| observers.record(now, &event()));
        }
    }

    /// Does something with the observers, if there are any.
    #[inline]
    pub(crate) fn with(&self, act: impl FnOnce(&mut Observers)) {
        if let Some(mut observers) = self.observers() {
            act(&mut observers);
        }
    }

    /// Hands a cleartext packet to the tap.
    #[inline]
    pub(crate) fn tap(&self, now: Instant, direction: Direction, kind: Plaintext, data: &[u8]) {
        if self.is_on() {
            self.with(|observers| {
                if let Some(tap) = &mut observers.tap {
                    tap.packet(now, direction, kind, data);
                }
            });
        }
    }
}

impl Observers {
    /// Whether events are wanted, or packets alone.
    pub(crate) fn wants_events(&self) -> bool {
        self.sink.is_some()
    }

    pub(crate) fn record(&mut self, now: Instant, event: &LogEvent<'_>) {
        if let Some(sink) = &mut self.sink {
            sink.record(now, event);
        }
    }

    /// Whether a source is new; from now on it is not.
    pub(crate) fn announce(&mut self, direction: Direction, ssrc: u32, clock_rate: u32) -> bool {
        if self.announced.len() >= MAX_ANNOUNCED {
            self.announced.clear();
        }
        self.announced.insert((direction, ssrc), clock_rate).is_none()
    }

    pub(crate) fn is_announced(&self, direction: Direction, ssrc: u32) -> bool {
        self.announced.contains_key(&(direction, ssrc))
    }

    /// The clock rate of a source that was announced.
    pub(crate) fn clock_rate(&self, direction: Direction, ssrc: u32) -> Option<u32> {
        self.announced.get(&(direction, ssrc)).copied()
    }

    /// A source is over.
    pub(crate) fn end(&mut self, now: Instant, direction: Direction, ssrc: u32) {
        if self.announced.remove(&(direction, ssrc)).is_some() {
            self.record(now, &LogEvent::StreamEnded { direction, ssrc });
        }
    }

    /// Ends all sources but those that `stays` names.
    pub(crate) fn end_others(&mut self, now: Instant, stays: impl Fn(Direction, u32) -> bool) {
        let gone = self.announced.keys().filter(|(direction, ssrc)| !stays(*direction, *ssrc));
        let mut gone: Vec<_> = gone.copied().collect();
        gone.sort_unstable_by_key(|(direction, ssrc)| (*direction == Direction::Received, *ssrc));
        for (direction, ssrc) in gone {
            self.end(now, direction, ssrc);
        }
    }

    /// Records an estimate if it differs from the last.
    pub(crate) fn estimate(&mut self, now: Instant, estimate: Estimate) {
        if self.estimate != Some(estimate) {
            self.estimate = Some(estimate);
            self.record(now, &LogEvent::Estimate(estimate));
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("is_on", &self.is_on()).finish()
    }
}
