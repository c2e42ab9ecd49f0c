//! JSEP with media: two applications call whatever they like, in any order, and their signalling is either orderly, with
//! perfect negotiation at both ends (webrtc-pc §10.7), or hands over stale and foreign descriptions. Orderly ends must
//! understand each other: no description is refused, negotiation comes to an end, and then both agree on all.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::End;
use crate::config::BundlePolicy;
use crate::jsep::RemoteDescription;
use crate::media::{Capabilities, MediaKind};
use crate::{
    DataChannelInit, Event, Frame, OfferOptions, ReceiveMode, RtpEncodingParameters, SdpType,
    SessionDescription, SignalingState, TransceiverDirection, TransceiverHandle, TransceiverInit,
};

/// Commands that are looked at.
const MAX_STEPS: usize = 256;
/// Transceivers that an application makes: more only cost time.
const MAX_MADE: usize = 24;
/// Offers of both ends until they must agree.
const MAX_ROUNDS: usize = 12;

/// One application.
struct Party {
    end: End,
    polite: bool,
    /// `negotiationneeded` fired since the last offer.
    needs: bool,
    inbox: VecDeque<SessionDescription>,
    /// The last description sent, for signalling that is not orderly.
    sent: Option<SessionDescription>,
    names: u32,
}

/// Commands at two ends; the first byte says whether signalling is orderly.
pub fn negotiations(data: &[u8]) {
    let mut input = data.iter().copied();
    let orderly = input.next().unwrap_or(0) & 1 == 0;
    let now = Instant::now();
    let mut parties = [Party::new(now, 1, true), Party::new(now, 2, false)];
    for _ in 0..MAX_STEPS {
        let Some(command) = input.next() else { break };
        let [a, b] = &mut parties;
        let (party, other) = if command & 0x80 == 0 { (a, b) } else { (b, a) };
        match orderly {
            true => party.run(command & 0x1f, other, &mut input),
            false => party.run_freely(command & 0x1f, other, &mut input),
        }
        for party in &mut parties {
            party.drain();
            party.check();
        }
    }
    if orderly {
        settle(&mut parties);
    }
    for party in &mut parties {
        party.end.pc.close(party.end.now);
        party.drain();
        assert!(party.end.pc.poll_timeout().is_none(), "a closed connection wants nothing more");
    }
}

/// Lets both ends negotiate until neither wants to any more; then they must agree.
fn settle(parties: &mut [Party; 2]) {
    for _ in 0..MAX_ROUNDS {
        let [a, b] = parties;
        while !(a.inbox.is_empty() && b.inbox.is_empty()) || a.has_to_answer() || b.has_to_answer()
        {
            a.take_message();
            a.answer(b, false);
            b.take_message();
            b.answer(a, false);
        }
        a.drain();
        b.drain();
        if !a.needs && !b.needs {
            agree(a, b);
            return;
        }
        if a.needs {
            a.offer(b);
        }
        if b.needs {
            b.offer(a);
        }
    }
    panic!("negotiation has no end");
}

fn agree(a: &Party, b: &Party) {
    for party in [a, b] {
        assert_eq!(party.end.pc.signaling_state(), SignalingState::Stable);
    }
    let sections = |description: Option<SessionDescription>| {
        description.map_or(0, |description| description.sdp.matches("\r\nm=").count())
    };
    let (ours, theirs) = (&a.end.pc, &b.end.pc);
    let counts = [
        ours.current_local_description(),
        ours.current_remote_description(),
        theirs.current_local_description(),
        theirs.current_remote_description(),
    ]
    .map(sections);
    assert!(counts.iter().all(|count| *count == counts[0]), "sections: {counts:?}");
    for (this, that) in [(ours, theirs), (theirs, ours)] {
        for transceiver in this.transceivers() {
            let Some(mid) = &transceiver.mid else {
                // It waits for nothing: what was never offered is not wanted.
                panic!("{:?} was never offered", transceiver.handle);
            };
            let twin = that.transceivers().find(|twin| twin.mid.as_ref() == Some(mid));
            let twin = twin.unwrap_or_else(|| panic!("no section {mid} at the other end"));
            assert_eq!(transceiver.kind, twin.kind, "section {mid}");
            let (Some(own), Some(other)) = (transceiver.current_direction, twin.current_direction)
            else {
                panic!("section {mid} is not agreed on");
            };
            assert_eq!(
                (own.sends(), own.receives()),
                (other.receives(), other.sends()),
                "section {mid}"
            );
            // What each wants it has as far as the other wants it too.
            assert!(!own.sends() || transceiver.direction.sends(), "section {mid}");
            assert!(!own.receives() || transceiver.direction.receives(), "section {mid}");
            let both = transceiver.direction.sends() && twin.direction.receives();
            assert_eq!(own.sends(), both, "section {mid}: {transceiver:?} and {twin:?}");
        }
    }
}

impl Party {
    fn new(now: Instant, seed: u64, polite: bool) -> Self {
        Self {
            end: End::new(now, seed),
            polite,
            needs: false,
            inbox: VecDeque::new(),
            sent: None,
            names: 0,
        }
    }

    fn drain(&mut self) {
        let End { pc, now, outbox, .. } = &mut self.end;
        let mut buf = Vec::new();
        while pc.poll_transmit(*now, &mut buf).is_some() {
            buf.clear();
        }
        outbox.clear();
        while let Some(event) = pc.poll_event() {
            self.needs |= event == Event::NegotiationNeeded;
        }
    }

    /// What always holds.
    fn check(&self) {
        let pc = &self.end.pc;
        let mut mids: Vec<&str> = Vec::new();
        let mut last = None;
        for transceiver in pc.transceivers() {
            assert!(last < Some(transceiver.handle), "in the order they were made");
            last = Some(transceiver.handle);
            if let Some(mid) = &transceiver.mid
                && transceiver.direction != TransceiverDirection::Stopped
            {
                assert!(!mids.contains(&mid.as_str()), "section {mid} belongs to two");
                mids.push(mid.as_str());
            }
        }
        for description in [pc.local_description(), pc.remote_description()].into_iter().flatten() {
            let SessionDescription { kind, sdp } = description;
            let (capabilities, policy) = (Capabilities::default(), BundlePolicy::default());
            let read = RemoteDescription::parse(kind, sdp, &capabilities, policy);
            assert!(read.is_ok(), "{:?}", read.err());
        }
    }

    // --- orderly signalling ---

    fn send(&mut self, other: &mut Self) {
        let description = self.end.pc.local_description().expect("it was set");
        self.sent = Some(description.clone());
        other.inbox.push_back(description);
    }

    fn offer(&mut self, other: &mut Self) {
        if self.end.pc.signaling_state() != SignalingState::Stable {
            return;
        }
        self.needs = false;
        self.end.pc.set_local_description(self.end.now, None).expect("an offer can be made");
        self.send(other);
    }

    /// Takes the next message. Of two offers at once the polite end takes the other's, and the impolite one goes on with its
    /// own.
    fn take_message(&mut self) {
        let Some(description) = self.inbox.pop_front() else { return };
        let (pc, now) = (&mut self.end.pc, self.end.now);
        let collides =
            description.kind == SdpType::Offer && pc.signaling_state() != SignalingState::Stable;
        if collides && !self.polite {
            return;
        }
        let sdp = description.sdp.clone();
        if let Err(error) = pc.set_remote_description(now, description) {
            panic!("{error}\n{sdp}");
        }
    }

    fn has_to_answer(&self) -> bool {
        matches!(
            self.end.pc.signaling_state(),
            SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPrAnswer
        )
    }

    fn answer(&mut self, other: &mut Self, provisional: bool) {
        if !self.has_to_answer() {
            return;
        }
        let (pc, now) = (&mut self.end.pc, self.end.now);
        if provisional {
            let answer = pc.create_answer(now).expect("an answer can be made");
            let answer = SessionDescription { kind: SdpType::PrAnswer, ..answer };
            pc.set_local_description(now, Some(answer)).expect("what was made can be set");
        } else {
            pc.set_local_description(now, None).expect("an offer can be answered");
        }
        self.send(other);
    }

    fn run(&mut self, command: u8, other: &mut Self, input: &mut impl Iterator<Item = u8>) {
        match command {
            0..=2 => self.offer(other),
            3..=5 => self.take_message(),
            6 | 7 => self.answer(other, false),
            8 => self.answer(other, true),
            9 => {
                // An offer that nobody has seen is taken back.
                if self.end.pc.signaling_state() == SignalingState::Stable {
                    let (pc, now) = (&mut self.end.pc, self.end.now);
                    pc.set_local_description(now, None).expect("an offer can be made");
                    let rollback = SessionDescription::rollback();
                    pc.set_local_description(now, Some(rollback)).expect("and taken back");
                }
            }
            10 => {
                // An offer of the peer's is taken back, and comes again.
                let (pc, now) = (&mut self.end.pc, self.end.now);
                if pc.signaling_state() == SignalingState::HaveRemoteOffer {
                    let offer = pc.remote_description().expect("it is pending");
                    let rollback = SessionDescription::rollback();
                    pc.set_remote_description(now, rollback).expect("an offer can be taken back");
                    pc.set_remote_description(now, offer).expect("and come again");
                }
            }
            _ => self.use_media(command, input),
        }
    }

    // --- signalling without order ---

    fn run_freely(&mut self, command: u8, other: &mut Self, input: &mut impl Iterator<Item = u8>) {
        let (pc, now) = (&mut self.end.pc, self.end.now);
        match command {
            0..=2 => {
                if pc.set_local_description(now, None).is_ok() {
                    self.sent = pc.local_description();
                }
            }
            3..=5 => {
                let _ = other.sent.clone().map(|sent| pc.set_remote_description(now, sent));
            }
            6 => {
                let kinds = [SdpType::Offer, SdpType::PrAnswer, SdpType::Answer];
                let kind = kinds[usize::from(input.next().unwrap_or(0)) % 3];
                let own = if command & 0x40 == 0 { other.sent.clone() } else { self.sent.clone() };
                if let Some(description) = own {
                    let description = SessionDescription { kind, ..description };
                    let _ = pc.set_remote_description(now, description);
                }
            }
            7 => drop(pc.set_local_description(now, Some(SessionDescription::rollback()))),
            8 => drop(pc.set_remote_description(now, SessionDescription::rollback())),
            9 => {
                if let Ok(answer) = pc.create_answer(now) {
                    let answer = SessionDescription { kind: SdpType::PrAnswer, ..answer };
                    if pc.set_local_description(now, Some(answer)).is_ok() {
                        self.sent = pc.local_description();
                    }
                }
            }
            10 => {
                if let Ok(offer) = pc.create_offer(now, OfferOptions { ice_restart: true }) {
                    let _ = pc.set_local_description(now, Some(offer));
                }
            }
            _ => self.use_media(command, input),
        }
    }

    // --- what applications do beside it ---

    fn name(&mut self) -> String {
        self.names += 1;
        format!("{}{}", if self.polite { "p" } else { "i" }, self.names)
    }

    fn pick(&self, byte: u8) -> Option<TransceiverHandle> {
        let count = self.end.pc.transceivers().count().max(1);
        self.end.pc.transceivers().nth(usize::from(byte) % count).map(|t| t.handle)
    }

    fn use_media(&mut self, command: u8, input: &mut impl Iterator<Item = u8>) {
        let (first, second) = (input.next().unwrap_or(0), input.next().unwrap_or(0));
        let kind = if first & 1 == 0 { MediaKind::Audio } else { MediaKind::Video };
        let directions = [
            TransceiverDirection::SendRecv,
            TransceiverDirection::SendOnly,
            TransceiverDirection::RecvOnly,
            TransceiverDirection::Inactive,
        ];
        let direction = directions[usize::from(second) % 4];
        let full = self.end.pc.transceivers().count() >= MAX_MADE;
        let picked = self.pick(first);
        let name = self.name();
        let (pc, now) = (&mut self.end.pc, self.end.now);
        match (command, picked) {
            (11 | 12, _) if !full => drop(pc.add_track(now, kind, name, vec!["s".into()])),
            (13 | 14, _) if !full => {
                let layers = match second & 0x0c {
                    0 => ["q", "h", "f"].map(RtpEncodingParameters::new).into(),
                    _ => Vec::new(),
                };
                let init = TransceiverInit {
                    direction,
                    send_encodings: layers,
                    track: (second & 0x10 == 0).then_some(name),
                    ..TransceiverInit::default()
                };
                let _ = pc.add_transceiver(now, kind, init);
            }
            (15, Some(handle)) => drop(pc.remove_track(now, handle)),
            (16 | 17, Some(handle)) => drop(pc.set_direction(now, handle, direction)),
            (18, Some(handle)) => drop(pc.stop_transceiver(now, handle)),
            (19, Some(handle)) => {
                let kind = pc.transceiver(handle).map_or(MediaKind::Audio, |t| t.kind);
                let mut codecs = pc.configuration().settings.media.rtp_codecs(kind);
                let turn = usize::from(second) % codecs.len().max(1);
                codecs.rotate_left(turn);
                // The first of ours stay: ends without a codec in common reject the section.
                let keeps = codecs.iter().any(|codec| codec.is("opus") || codec.is("VP8"));
                if keeps {
                    let _ = pc.set_codec_preferences(now, handle, &codecs);
                }
            }
            (20, Some(handle)) => {
                let mut encodings =
                    pc.transceiver(handle).expect("picked").sender.encodings.clone();
                for encoding in &mut encodings {
                    encoding.active = second & 1 == 0;
                    encoding.max_bitrate = (second & 2 == 0).then_some(100_000);
                    encoding.scale_resolution_down_by = Some(f64::from(second) / 64.0);
                }
                let _ = pc.set_encodings(now, handle, encodings);
            }
            (21, Some(handle)) => drop(pc.replace_track(now, handle, Some(name))),
            (22, Some(handle)) => drop(pc.set_streams(now, handle, vec![name])),
            (23, Some(handle)) => {
                let frame = Frame::new(vec![0x10; 40 * usize::from(second)], u32::from(second));
                let _ = pc.send_frame(now, handle, usize::from(second) % 3, &frame);
            }
            (24, Some(handle)) => {
                let mode = [ReceiveMode::Frames, ReceiveMode::Packets][usize::from(second & 1)];
                let _ = pc.set_receive_mode(now, handle, mode);
            }
            (25, Some(handle)) => pc.request_keyframe(now, handle),
            (26, _) => drop(pc.create_data_channel(now, "x", DataChannelInit::default())),
            (27, _) => pc.restart_ice(now),
            (28, _) => drop(pc.create_offer(now, OfferOptions { ice_restart: first & 1 == 0 })),
            (29, _) => drop(pc.get_stats(now)),
            _ => {
                self.end.now += Duration::from_millis(u64::from(first));
                let now = self.end.now;
                if pc.poll_timeout().is_some_and(|at| at <= now) {
                    pc.handle_timeout(now);
                }
            }
        }
    }
}
