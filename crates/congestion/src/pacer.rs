//! Lets packets out at an even pace: what an encoder hands over in one go would fill the queue of the bottleneck.
//!
//! A leaky bucket: what is sent adds to a debt, which the pacing rate pays off; when it is paid, the next packet may go.
//! Audio never waits. Bursts that measure the path go at their own rate. The packets themselves are of any type `T`,
//! a handle as well as a buffer, and stay in the order of their class.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::controller::ProbeCluster;
use crate::report::ProbeClusterId;
use crate::units::{DataRate, DataSize};

/// What a packet carries, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Audio, and anything else that must not wait.
    Audio,
    /// A repeated packet: the receiver is waiting for it.
    Retransmission,
    /// Video.
    Video,
    /// Forward error correction.
    Fec,
    /// Padding.
    Padding,
}

const CLASSES: usize = 5;

/// How a [`Pacer`] behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacerConfig {
    /// So much may be sent ahead of the pace, for timers that are late.
    pub burst: Duration,
    /// What waits is to be gone by then: the pace is raised if it takes that.
    pub queue_limit: Duration,
    /// Most packets waiting in each class.
    pub max_packets: usize,
}

impl Default for PacerConfig {
    /// 5 ms, 2 s, 4,096 packets.
    fn default() -> Self {
        Self {
            burst: Duration::from_millis(5),
            queue_limit: Duration::from_secs(2),
            max_packets: 4_096,
        }
    }
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<T> {
    /// Send this packet.
    Send {
        /// The packet.
        packet: T,
        /// Its class.
        class: Class,
        /// The burst it belongs to, for [`SentPacket::probe`](crate::SentPacket::probe).
        probe: Option<ProbeClusterId>,
    },
    /// Send about so much padding (see [`choose_padding`]), then call [`Pacer::on_padding_sent`] with what it came to,
    /// which may be zero.
    Padding {
        /// How much.
        size: DataSize,
        /// The burst it belongs to.
        probe: Option<ProbeClusterId>,
    },
}

/// Most bursts that wait for their turn.
const MAX_PROBES: usize = 8;
/// A burst that could not be finished by then is given up.
const PROBE_PATIENCE: Duration = Duration::from_millis(500);
/// Even when congested, now and then a packet goes: its report says when that is over.
const KEEP_ALIVE: Duration = Duration::from_millis(500);
/// After a refusal to pad, it is not asked again for this long.
const PADDING_PAUSE: Duration = Duration::from_millis(20);
/// However long the oldest packet has waited, what waits is not sent faster than in this time.
const SHORTEST_DRAIN: Duration = Duration::from_millis(100);
/// What waits beyond this much of the target is a backlog, and how soon it is to be gone.
const BACKLOG: Duration = Duration::from_millis(100);
const BACKLOG_TIME: Duration = Duration::from_millis(500);
/// Padding is asked for in pieces of at most a packet.
const MAX_PADDING: u64 = 1_200;
const MIN_PADDING: u64 = 50;

#[derive(Debug)]
struct Waiting<T> {
    packet: T,
    size: DataSize,
    since: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Probing {
    cluster: ProbeCluster,
    began: Option<Instant>,
    sent: DataSize,
    packets: u32,
}

/// The pacer; see the module's file. Call [`poll`](Self::poll) until `None` after every change and at
/// [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct Pacer<T> {
    config: PacerConfig,
    queues: [VecDeque<Waiting<T>>; CLASSES],
    queued: DataSize,
    /// The same of each class.
    queued_of: [DataSize; CLASSES],
    pacing_rate: DataRate,
    padding_rate: DataRate,
    congested: bool,
    can_pad: bool,
    /// Bits sent ahead of the pace, and of the padding rate.
    debt: f64,
    padding_debt: f64,
    updated: Option<Instant>,
    last_sent: Option<Instant>,
    probes: VecDeque<Probing>,
    no_padding_until: Option<Instant>,
    /// Padding was asked for, for this burst.
    asked: Option<Option<ProbeClusterId>>,
    dropped: u64,
}

impl<T> Pacer<T> {
    /// A pacer at rest: nothing but audio leaves before [`set_rates`](Self::set_rates).
    pub fn new(config: PacerConfig) -> Self {
        Self {
            config,
            queues: Default::default(),
            queued: DataSize::ZERO,
            queued_of: [DataSize::ZERO; CLASSES],
            pacing_rate: DataRate::ZERO,
            padding_rate: DataRate::ZERO,
            congested: false,
            can_pad: false,
            debt: 0.0,
            padding_debt: 0.0,
            updated: None,
            last_sent: None,
            probes: VecDeque::new(),
            no_padding_until: None,
            asked: None,
            dropped: 0,
        }
    }

    /// The rates of [`Target`](crate::Target).
    pub fn set_rates(&mut self, now: Instant, pacing: DataRate, padding: DataRate) {
        self.advance(now);
        self.pacing_rate = pacing;
        self.padding_rate = padding;
    }

    /// [`Target::congested`](crate::Target::congested): while it is set, only audio goes, and a packet now and then.
    pub fn set_congested(&mut self, congested: bool) {
        self.congested = congested;
    }

    /// Whether there is a stream that padding can be sent on. While there is none, bursts wait for media.
    pub fn set_can_pad(&mut self, can_pad: bool) {
        self.can_pad = can_pad;
    }

    /// A packet to send.
    ///
    /// # Errors
    ///
    /// Gives the packet back if [`PacerConfig::max_packets`] of its class wait already.
    pub fn enqueue(
        &mut self,
        now: Instant,
        class: Class,
        size: DataSize,
        packet: T,
    ) -> Result<(), T> {
        let queue = &mut self.queues[class as usize];
        if queue.len() >= self.config.max_packets {
            self.dropped += 1;
            return Err(packet);
        }
        queue.push_back(Waiting { packet, size, since: now });
        self.queued += size;
        self.queued_of[class as usize] += size;
        Ok(())
    }

    /// A burst to send, from [`Controller::poll_probe`](crate::Controller::poll_probe).
    pub fn add_probe(&mut self, cluster: ProbeCluster) {
        if self.probes.len() < MAX_PROBES {
            self.probes.push_back(Probing {
                cluster,
                began: None,
                sent: DataSize::ZERO,
                packets: 0,
            });
        }
    }

    /// Keeps the waiting packets that `keep` says, as when a stream ends.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for (queue, queued) in self.queues.iter_mut().zip(&mut self.queued_of) {
            let mut gone = DataSize::ZERO;
            queue.retain(|waiting| {
                let kept = keep(&waiting.packet);
                if !kept {
                    gone += waiting.size;
                }
                kept
            });
            *queued -= gone;
            self.queued -= gone;
        }
    }

    /// Bytes that wait.
    pub fn queued(&self) -> DataSize {
        self.queued
    }

    /// Bytes of a class that wait.
    pub fn queued_of(&self, class: Class) -> DataSize {
        self.queued_of[class as usize]
    }

    /// Packets that wait.
    pub fn len(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// Packets of a class that wait.
    pub fn len_of(&self, class: Class) -> usize {
        self.queues[class as usize].len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queues.iter().all(VecDeque::is_empty)
    }

    /// Packets refused because too many were waiting.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How long the packet has waited that has waited longest.
    pub fn oldest(&self, now: Instant) -> Duration {
        let since = self.queues.iter().filter_map(|queue| queue.front()).map(|w| w.since).min();
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// How long what waits will take.
    pub fn expected_queue_time(&self) -> Duration {
        self.queued / self.pacing_rate
    }

    /// What to tell encoders, given the target: less than it while more waits than they hand over in 100 ms, so that the
    /// backlog is gone in about half a second.
    pub fn media_rate(&self, target: DataRate) -> DataRate {
        let backlog = self.queued - target * BACKLOG;
        target - backlog / BACKLOG_TIME
    }

    /// The rate it sends at now: the pacing rate, or what it takes to meet [`PacerConfig::queue_limit`].
    pub fn effective_rate(&self, now: Instant) -> DataRate {
        if self.queued.is_zero() {
            return self.pacing_rate;
        }
        let left = self.config.queue_limit.saturating_sub(self.oldest(now));
        let needed = self.queued / left.max(SHORTEST_DRAIN);
        self.pacing_rate.max(needed)
    }

    fn advance(&mut self, now: Instant) {
        // What leaves, leaves in bursts: most calls are of the moment of the call before.
        if self.updated.is_some_and(|at| now <= at) {
            return;
        }
        let since = self.updated.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.updated = Some(now);
        let seconds = since.as_secs_f64();
        self.debt = (self.debt - self.effective_rate(now).as_f64() * seconds).max(0.0);
        self.padding_debt = (self.padding_debt - self.padding_rate.as_f64() * seconds).max(0.0);
    }

    fn account(&mut self, now: Instant, size: DataSize) {
        let bits = size.bits_f64();
        // Half a second at most: who lowers the rate does not stop the stream for longer.
        let most = self.pacing_rate.as_f64() * 0.5 + bits;
        self.debt = (self.debt + bits).min(most);
        self.padding_debt = (self.padding_debt + bits).min(most);
        self.last_sent = Some(now);
    }

    /// What to do now, if anything.
    pub fn poll(&mut self, now: Instant) -> Option<Action<T>> {
        self.advance(now);
        if !self.queues[Class::Audio as usize].is_empty() {
            return self.send(now, Class::Audio, None);
        }
        if self.congested && self.probes.front().is_some_and(|probe| probe.began.is_some()) {
            // It would measure the queue that is being drained, and hold back what keeps reports coming.
            self.probes.pop_front();
        }
        if let Some(action) = self.poll_burst(now) {
            return Some(action);
        }
        if self.probes.front().is_some_and(|probe| probe.began.is_some()) {
            // Packets between those of the burst would spoil it.
            return None;
        }
        if self.congested {
            let class = self.first_waiting()?;
            let due =
                self.last_sent.is_none_or(|at| now.saturating_duration_since(at) >= KEEP_ALIVE);
            return if due { self.send(now, class, None) } else { None };
        }
        if self.debt > self.allowance() {
            return None;
        }
        if let Some(class) = self.first_waiting() {
            return if self.pacing_rate.is_zero() { None } else { self.send(now, class, None) };
        }
        if self.may_pad(now) && !self.padding_rate.is_zero() && self.padding_debt <= 0.0 {
            let size = (self.padding_rate * self.config.burst).as_bytes();
            self.asked = Some(None);
            let size = DataSize::from_bytes(size.clamp(MIN_PADDING, MAX_PADDING));
            return Some(Action::Padding { size, probe: None });
        }
        None
    }

    fn allowance(&self) -> f64 {
        self.pacing_rate.as_f64() * self.config.burst.as_secs_f64()
    }

    fn may_pad(&self, now: Instant) -> bool {
        self.can_pad && self.no_padding_until.is_none_or(|until| now >= until)
    }

    fn first_waiting(&self) -> Option<Class> {
        [Class::Retransmission, Class::Video, Class::Fec, Class::Padding]
            .into_iter()
            .find(|&class| !self.queues[class as usize].is_empty())
    }

    fn send(
        &mut self,
        now: Instant,
        class: Class,
        probe: Option<ProbeClusterId>,
    ) -> Option<Action<T>> {
        let waiting = self.queues[class as usize].pop_front()?;
        self.queued -= waiting.size;
        self.queued_of[class as usize] -= waiting.size;
        self.account(now, waiting.size);
        if probe.is_some() {
            self.count_probe(waiting.size);
        }
        Some(Action::Send { packet: waiting.packet, class, probe })
    }

    fn poll_burst(&mut self, now: Instant) -> Option<Action<T>> {
        if self.congested {
            return None;
        }
        loop {
            let can_pad = self.may_pad(now);
            let media = self.first_waiting();
            let probe = self.probes.front_mut()?;
            match probe.began {
                Some(began) if now.saturating_duration_since(began) > PROBE_PATIENCE => {
                    self.probes.pop_front();
                    continue;
                }
                Some(_) if probe.next_at().is_some_and(|at| now < at) => return None,
                _ => {}
            }
            if media.is_none() && !can_pad {
                // It goes on with the next media, or not at all.
                return None;
            }
            probe.began.get_or_insert(now);
            let id = probe.cluster.id;
            if let Some(class) = media {
                return self.send(now, class, Some(id));
            }
            self.asked = Some(Some(id));
            let left = probe.cluster.min_size - probe.sent;
            // The last of its packets, or a fifth of the burst.
            let fifth =
                probe.cluster.min_size.as_bytes() / u64::from(probe.cluster.min_packets.max(1));
            let size = left.as_bytes().min(fifth.max(200)).clamp(MIN_PADDING, MAX_PADDING);
            return Some(Action::Padding { size: DataSize::from_bytes(size), probe: Some(id) });
        }
    }

    fn count_probe(&mut self, size: DataSize) {
        let Some(probe) = self.probes.front_mut() else { return };
        probe.sent += size;
        probe.packets += 1;
        if probe.sent >= probe.cluster.min_size && probe.packets >= probe.cluster.min_packets {
            self.probes.pop_front();
        }
    }

    /// How much padding was sent in answer to [`Action::Padding`]; zero if there was nothing to send it on.
    pub fn on_padding_sent(&mut self, now: Instant, size: DataSize) {
        let Some(asked) = self.asked.take() else { return };
        if size.is_zero() {
            self.no_padding_until = Some(now + PADDING_PAUSE);
            return;
        }
        self.account(now, size);
        if asked.is_some() {
            self.count_probe(size);
        }
    }

    /// When to call [`poll`](Self::poll) next; `None` if nothing is to be done before the next call to something else.
    /// The answer may lie in the past.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let updated = self.updated?;
        if !self.queues[Class::Audio as usize].is_empty() {
            return Some(updated);
        }
        let media = self.first_waiting().is_some();
        if self.congested {
            let last = self.last_sent.unwrap_or(updated);
            return media.then(|| last + KEEP_ALIVE);
        }
        let padding_from = self.no_padding_until.map_or(updated, |until| until.max(updated));
        if let Some(probe) = self.probes.front()
            && (media || self.can_pad || probe.began.is_some())
        {
            let next = probe.next_at().unwrap_or(updated);
            if media {
                return Some(next);
            }
            let patience =
                probe.began.map(|began| began + PROBE_PATIENCE + Duration::from_millis(1));
            let padding = self.can_pad.then(|| next.max(padding_from));
            return padding.into_iter().chain(patience).min();
        }
        if media {
            if self.pacing_rate.is_zero() {
                return None;
            }
            let over = (self.debt - self.allowance()).max(0.0);
            return Some(updated + time_for(over, self.effective_rate(updated)));
        }
        (self.can_pad && !self.padding_rate.is_zero()).then(|| {
            let paid = updated + time_for(self.padding_debt, self.padding_rate);
            let debt = (self.debt - self.allowance()).max(0.0);
            paid.max(padding_from).max(updated + time_for(debt, self.pacing_rate))
        })
    }
}

impl Probing {
    /// When the next packet of the burst is due.
    fn next_at(&self) -> Option<Instant> {
        self.began.map(|began| began + self.sent / self.cluster.rate)
    }
}

/// How long a debt of so many bits takes, and a little more, so that it is paid by then whatever rounding does.
fn time_for(bits: f64, rate: DataRate) -> Duration {
    if bits <= 0.0 {
        return Duration::ZERO;
    }
    DataSize::from_bytes((bits / 8.0).ceil() as u64) / rate + Duration::from_micros(1)
}

/// What to pad with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Repeat the packet that was offered, over RTX (RFC 4588): it may even be of use.
    Retransmission,
    /// A packet of nothing but so many bytes of padding (RFC 3550 §5.1), at most 255.
    Plain(u8),
}

/// Chooses between repeating a packet of size `offered`, where there is one, and plain padding. A packet is repeated
/// unless it is more than twice what is wanted: padding is never to be the flood.
pub fn choose_padding(wanted: DataSize, offered: Option<DataSize>) -> Padding {
    let most = wanted.as_bytes().saturating_mul(2).max(300);
    match offered {
        Some(size) if !size.is_zero() && size.as_bytes() <= most => Padding::Retransmission,
        _ => Padding::Plain(wanted.as_bytes().clamp(1, 255) as u8),
    }
}

#[cfg(test)]
#[path = "pacer_tests.rs"]
mod tests;
