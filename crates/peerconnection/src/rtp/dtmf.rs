//! Telephone events in RTP (RFC 4733): tones played out on a stream of ours, and those that a stream of the peer's
//! reports. The clock is the audio's; where the peer takes events at another rate only, durations are told in that
//! (§2.1 asks for one clock, and browsers do the same).

use std::time::{Duration, Instant};

use peerage_congestion::Class;
use peerage_rtp::payload::telephone_event::{
    EventChange, EventReceiver, EventReport, EventSender, dtmf_event,
};
use peerage_rtp::payload::{AssemblerConfig, FrameAssembler};
use peerage_rtp::{RtpPacket, RtpTimestamp};
use smallvec::SmallVec;

use super::routing::ReceivedCodec;
use super::send::EventCodec;
use super::{RtpEvent, RtpTransport};
use crate::dtmf::{DtmfEvent, Tones};
use crate::transceiver::TransceiverHandle;

/// Between updates of an event: what audio packets usually last (RFC 4733 §2.5.1.2), and at most half the gap, so that
/// the end is told three times before the next tone begins.
const UPDATE_INTERVAL: Duration = Duration::from_millis(20);
/// What a comma stands for (webrtc-pc §7.2).
const PAUSE: Duration = Duration::from_secs(2);
/// Power of our tones, in dB below 1 mW (RFC 4733 §2.3.4).
const VOLUME: u8 = 10;
/// Reports of one packet that are looked at: there is more than one only where events follow without a pause
/// (RFC 4733 §2.5.1.5), and each may become an event for the application.
const MAX_REPORTS: usize = 4;
/// An event of which nothing is heard for so long is over.
const SILENCE: Duration = Duration::from_millis(500);

/// `RTCDTMFSender` while it plays.
pub(super) struct Playout {
    transceiver: TransceiverHandle,
    tones: Tones,
    /// When the next character is looked at ("DTMF playout task steps", webrtc-pc §7.2).
    next_step: Instant,
    tone: Option<Tone>,
}

impl Playout {
    /// Whether a tone of it sounds on a transceiver now.
    pub(super) fn sounds_on(&self, now: Instant, transceiver: TransceiverHandle) -> bool {
        self.transceiver == transceiver && self.tone.as_ref().is_some_and(|tone| now < tone.until)
    }
}

/// A tone whose packets are under way.
struct Tone {
    /// Counts from 0 in the events' clock.
    sender: EventSender,
    codec: EventCodec,
    began: Instant,
    /// Timestamp on the wire at which it began, in the audio's clock.
    timestamp: u32,
    audio_rate: u32,
    /// When the tone is over; audio is silent until then.
    until: Instant,
}

impl Tone {
    /// When the next packet is due.
    fn due(&self) -> Option<Instant> {
        let ticks = u64::from(self.sender.next_at()?);
        let nanos = (ticks * 1_000_000_000).div_ceil(u64::from(self.codec.clock_rate.max(1)));
        Some(self.began + Duration::from_nanos(nanos))
    }

    /// The moment in the events' clock.
    fn ticks(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.began).as_nanos();
        (since * u128::from(self.codec.clock_rate) / 1_000_000_000) as u32
    }
}

/// So many ticks of a clock.
fn ticks(duration: Duration, clock_rate: u32) -> u32 {
    (duration.as_millis() as u64 * u64::from(clock_rate) / 1000) as u32
}

impl RtpTransport {
    /// Plays tones on the first encoding of a transceiver, after the one that is being played.
    pub(crate) fn insert_dtmf(
        &mut self,
        now: Instant,
        transceiver: TransceiverHandle,
        tones: Tones,
    ) {
        let playing = self.playouts.iter_mut().find(|p| p.transceiver == transceiver);
        match playing {
            // Step 17: the task that is scheduled finds the new ones.
            Some(playout) => playout.tones = tones,
            None if tones.buffer.is_empty() => {}
            None => {
                self.playouts.push(Playout { transceiver, tones, next_step: now, tone: None });
            }
        }
    }

    /// `toneBuffer`.
    pub(crate) fn tone_buffer(&self, transceiver: TransceiverHandle) -> &str {
        let playout = self.playouts.iter().find(|p| p.transceiver == transceiver);
        playout.map_or("", |playout| &playout.tones.buffer)
    }

    /// Ends the playing of those that may not send any more, without a word.
    pub(crate) fn retain_dtmf(&mut self, can_send: impl Fn(TransceiverHandle) -> bool) {
        self.playouts.retain(|playout| can_send(playout.transceiver));
    }

    /// Whether there are tones to be sent.
    pub(crate) fn plays_dtmf(&self) -> bool {
        !self.playouts.is_empty()
    }

    /// Whether a tone sounds on a stream of ours: audio gives way to it.
    pub(super) fn is_tone_playing(&self, now: Instant, transceiver: TransceiverHandle) -> bool {
        self.playouts.iter().any(|playout| playout.sounds_on(now, transceiver))
    }

    /// When tones are to be looked at again.
    pub(super) fn dtmf_timeout(&self) -> Option<Instant> {
        let playing = self.playouts.iter().map(|playout| {
            let due = playout.tone.as_ref().and_then(Tone::due);
            due.map_or(playout.next_step, |due| due.min(playout.next_step))
        });
        playing.chain(self.next_event_end).min()
    }

    /// Sends what is due of tones, goes on to the next ones, and ends events that the peer fell silent on.
    pub(super) fn handle_dtmf(&mut self, now: Instant) {
        let mut index = 0;
        while index < self.playouts.len() {
            match self.play(now, index) {
                true => index += 1,
                false => drop(self.playouts.swap_remove(index)),
            }
        }
        if self.next_event_end.is_some_and(|at| at <= now) {
            self.end_silent_events(now);
        }
    }

    /// One playout; `false` once it is over.
    fn play(&mut self, now: Instant, index: usize) -> bool {
        loop {
            let playout = &mut self.playouts[index];
            let step = playout.next_step <= now;
            if let Some(tone) = &mut playout.tone {
                // What is left of a tone when the next begins is sent at once.
                let until = if step { u32::MAX / 2 } else { tone.ticks(now) };
                let Some(stream) = self.senders.of_encoding(playout.transceiver, 0) else {
                    return false;
                };
                while let Some(mut packet) = tone.sender.poll(until) {
                    // From the events' clock to the audio's.
                    let since = u64::from(packet.timestamp) * u64::from(tone.audio_rate)
                        / u64::from(tone.codec.clock_rate.max(1));
                    packet.timestamp = tone.timestamp.wrapping_add(since as u32);
                    let payload_type = tone.codec.payload_type;
                    let packet = stream.event(now, payload_type, &packet);
                    if let Some(rate) =
                        self.rate.as_deref_mut().filter(|rate| rate.has_room(Class::Audio))
                    {
                        rate.enqueue(now, packet);
                    }
                }
                if step || tone.sender.is_idle() {
                    playout.tone = None;
                }
            }
            if !step {
                return true;
            }
            let transceiver = playout.transceiver;
            if playout.tones.buffer.is_empty() {
                self.events.push_back(RtpEvent::ToneChange { transceiver, tone: None });
                return false;
            }
            let character = playout.tones.buffer.remove(0);
            match dtmf_event(character) {
                None => playout.next_step = now + PAUSE,
                Some(code) => {
                    let Some(stream) = self.senders.of_encoding(transceiver, 0) else {
                        return false;
                    };
                    let Some(codec) = stream.event_codec() else { return false };
                    let (timestamp, audio_rate) = stream.timestamp_at(now);
                    let Tones { duration, gap, .. } = playout.tones;
                    let interval = UPDATE_INTERVAL.min(gap / 2);
                    let mut sender = EventSender::new(ticks(interval, codec.clock_rate));
                    sender.start(code, VOLUME, 0, ticks(duration, codec.clock_rate));
                    let until = now + duration;
                    playout.next_step = until + gap;
                    playout.tone =
                        Some(Tone { sender, codec, began: now, timestamp, audio_rate, until });
                }
            }
            self.events.push_back(RtpEvent::ToneChange { transceiver, tone: Some(character) });
        }
    }

    /// Moves what a stream of the peer's reports on, after a packet.
    pub(super) fn take_dtmf(&mut self, now: Instant, index: usize) {
        let stream = &mut self.receivers[index];
        let transceiver = stream.transceiver();
        let Some(events) = stream.telephone_events() else { return };
        if events.heard.is_some() {
            self.next_event_end.get_or_insert(now + SILENCE);
        }
        for change in events.changes.drain(..) {
            self.events.push_back(RtpEvent::Dtmf(report(
                transceiver,
                &events.codec,
                events.volume,
                change,
            )));
        }
    }

    fn end_silent_events(&mut self, now: Instant) {
        self.next_event_end = None;
        for stream in &mut self.receivers {
            let transceiver = stream.transceiver();
            let Some(events) = stream.telephone_events() else { continue };
            let Some(heard) = events.heard else { continue };
            let end = heard + SILENCE;
            if end > now {
                self.next_event_end = Some(self.next_event_end.map_or(end, |next| next.min(end)));
                continue;
            }
            events.heard = None;
            // Any moment after the last report will do.
            let after = events.last.0.wrapping_add(1 << 30);
            if let Some(change) = events.receiver.end_if_silent(after, 0) {
                let event = report(transceiver, &events.codec, events.volume, change);
                self.events.push_back(RtpEvent::Dtmf(event));
            }
        }
    }
}

fn report(
    transceiver: TransceiverHandle,
    codec: &ReceivedCodec,
    volume: u8,
    change: EventChange,
) -> DtmfEvent {
    let (code, duration) = match change {
        EventChange::Started { event, .. } => (event, None),
        EventChange::Ended { event, duration, .. } => {
            let nanos = u64::from(duration) * 1_000_000_000 / u64::from(codec.clock_rate.max(1));
            (event, Some(Duration::from_nanos(nanos)))
        }
    };
    DtmfEvent { transceiver, code, volume, duration }
}

/// The telephone events of one stream of the peer's.
pub(super) struct TelephoneEvents {
    pub(super) codec: ReceivedCodec,
    /// Each packet is a frame too, for applications that pass them on.
    pub(super) assembler: FrameAssembler,
    receiver: EventReceiver,
    changes: SmallVec<[EventChange; 2]>,
    volume: u8,
    /// The timestamp of the last packet.
    last: RtpTimestamp,
    /// When something was heard last of an event that has not ended.
    heard: Option<Instant>,
}

impl TelephoneEvents {
    pub(super) fn new(codec: ReceivedCodec) -> Self {
        Self {
            codec,
            assembler: FrameAssembler::new(codec.format, AssemblerConfig::default()),
            receiver: EventReceiver::new(),
            changes: SmallVec::new(),
            volume: 0,
            last: RtpTimestamp(0),
            heard: None,
        }
    }

    /// Takes a packet; what cannot be read is no event.
    pub(super) fn handle(&mut self, now: Instant, packet: &RtpPacket<'_>) {
        let payload = packet.payload();
        let payload = &payload[..payload.len().min(MAX_REPORTS * EventReport::LEN)];
        let Ok(changes) = self.receiver.handle(packet.timestamp().0, payload) else { return };
        self.last = packet.timestamp();
        for change in &changes {
            match change {
                EventChange::Started { volume, .. } => {
                    self.volume = *volume;
                    self.heard = Some(now);
                }
                EventChange::Ended { .. } => self.heard = None,
            }
        }
        if self.heard.is_some() {
            self.heard = Some(now);
        }
        self.changes.extend(changes);
    }
}
