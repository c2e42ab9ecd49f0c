//! What one connection has received goes out on another by its codec: payload types differ from peer to peer, and what a
//! peer did not agree to is an error rather than another codec's number.

mod common;

use std::time::Duration;

use common::{Pair, config, frames};
use peerage_peerconnection::media::{CodecFormat, CodecRole, MediaKind, RtpCodec};
use peerage_peerconnection::{
    Configuration, Frame, MediaFrame, OutgoingPacket, ReceiveMode, ReceivedPacket,
    TransceiverHandle,
};
use peerage_rtp::payload::PayloadFormat;

/// A connected pair whose `a` sends media of this kind.
struct Link {
    pair: Pair,
    ours: TransceiverHandle,
    theirs: TransceiverHandle,
}

impl Link {
    fn new(seed: u64, kind: MediaKind, config: Configuration) -> Self {
        let mut pair = Pair::with(seed, config.clone(), config);
        let now = pair.now;
        let ours = pair.a.pc.add_track(now, kind, "track", vec!["s".into()]).unwrap();
        pair.negotiate();
        pair.connect();
        let theirs = pair.b.pc.transceivers().next().unwrap().handle;
        Self { pair, ours, theirs }
    }

    /// `b` gives packets out.
    fn of_packets(seed: u64, kind: MediaKind, config: Configuration) -> Self {
        let mut link = Self::new(seed, kind, config);
        link.pair.b.pc.set_receive_mode(link.pair.now, link.theirs, ReceiveMode::Packets).unwrap();
        link
    }

    fn number(&mut self, codec: &RtpCodec) -> u8 {
        let codec = CodecFormat::of(codec).unwrap();
        self.pair.a.pc.sending_payload_type(self.ours, codec).unwrap()
    }

    fn send(&mut self, packet: &OutgoingPacket) -> Result<Option<ReceivedPacket>, String> {
        let now = self.pair.now;
        let sent = self.pair.a.pc.send_rtp(now, self.ours, 0, packet);
        sent.map_err(|error| error.to_string())?;
        self.pair.run_for(Duration::from_millis(100));
        Ok(self.pair.b.pc.poll_rtp())
    }

    fn send_frame(&mut self, frame: &Frame) -> Result<MediaFrame, String> {
        let now = self.pair.now;
        let sent = self.pair.a.pc.send_frame(now, self.ours, 0, frame);
        sent.map_err(|error| error.to_string())?;
        self.pair.run_for(Duration::from_millis(100));
        Ok(MediaFrame::clone(frames(&self.pair.b.events).last().unwrap()))
    }
}

/// Video codecs of a default configuration, in another order and under other numbers.
fn renumbered() -> Configuration {
    let mut config = config();
    let video = &mut config.settings.media.video;
    video.retain(|capability| capability.codec.role() == CodecRole::Media);
    video.reverse();
    // Numbers go round among those that have retransmissions.
    let numbers: Vec<(u8, Option<u8>)> = video.iter().map(|c| (c.payload_type, c.rtx)).collect();
    for (index, capability) in video.iter_mut().enumerate() {
        let (payload_type, rtx) = numbers[(index + 3) % numbers.len()];
        (capability.payload_type, capability.rtx) = (payload_type, rtx);
    }
    config
}

fn video_codecs() -> Vec<RtpCodec> {
    let video = config().settings.media.video;
    let codecs = video.into_iter().map(|capability| capability.codec);
    codecs.filter(|codec| codec.role() == CodecRole::Media).collect()
}

#[test]
fn packets_are_forwarded_under_the_receivers_number_of_their_own_codec() {
    let mut from = Link::of_packets(1, MediaKind::Video, config());
    let mut to = Link::of_packets(2, MediaKind::Video, renumbered());
    let codecs = video_codecs();
    let mut changed = 0;
    for (index, codec) in codecs.iter().enumerate() {
        let (here, there) = (from.number(codec), to.number(codec));
        changed += usize::from(here != there);
        let mut packet = OutgoingPacket::new(vec![0x10, index as u8], index as u32 * 3000);
        packet.payload_type = Some(here);
        let received = from.send(&packet).unwrap().expect("it came");
        assert_eq!((received.payload_type, Some(received.codec)), (here, CodecFormat::of(codec)));
        let forwarded = to.send(&OutgoingPacket::forward(&received)).unwrap().expect("it came");
        assert_eq!(forwarded.payload_type, there, "{}", received.codec);
        assert_eq!(forwarded.codec, received.codec);
        assert_eq!(forwarded.payload, received.payload);
    }
    assert_eq!(codecs.len(), 13, "profiles are told apart");
    assert!(changed > 10, "{changed}");
}

#[test]
fn packets_of_a_codec_that_the_receiver_does_not_take_are_refused() {
    let mut config = config();
    config.settings.media.disable_codec(MediaKind::Video, "H264");
    let profile_2 = |codec: &RtpCodec| codec.parameter("profile-id") == Some("2");
    config.settings.media.video.retain(|capability| !profile_2(&capability.codec));
    let mut from = Link::of_packets(3, MediaKind::Video, common::config());
    let mut to = Link::of_packets(4, MediaKind::Video, config);
    for codec in video_codecs() {
        let mut packet = OutgoingPacket::new(vec![0x10, 1, 2], 0);
        packet.payload_type = Some(from.number(&codec));
        let received = from.send(&packet).unwrap().expect("it came");
        let sent = to.send(&OutgoingPacket::forward(&received));
        if codec.is("H264") || profile_2(&codec) {
            let error = sent.unwrap_err();
            assert!(error.contains("not agreed on with the peer"), "{error}");
            assert!(error.contains(&codec.name.to_uppercase()), "{error}");
        } else {
            assert_eq!(sent.unwrap().unwrap().codec, received.codec);
        }
    }
}

/// A gap is filled by the codec of what stands before it.
#[test]
fn fillers_do_not_change_the_codec() {
    let mut link = Link::of_packets(5, MediaKind::Video, config());
    let vp9 = video_codecs().into_iter().find(|codec| codec.is("VP9")).unwrap();
    let mut packet = OutgoingPacket::new(vec![0x10, 1, 2], 0);
    (packet.codec, packet.sequence) = (CodecFormat::of(&vp9), Some(10));
    assert_eq!(link.send(&packet).unwrap().unwrap().format, PayloadFormat::Vp9);
    let filler = link.send(&OutgoingPacket::filler(11, 0)).unwrap().unwrap();
    assert_eq!((filler.format, filler.payload.len()), (PayloadFormat::Vp9, 0));
}

fn audio(names: &[&str], numbers: u8) -> Configuration {
    let mut config = config();
    let audio = &mut config.settings.media.audio;
    audio.retain(|capability| names.iter().any(|name| capability.codec.is(name)));
    audio.sort_by_key(|capability| names.iter().position(|name| capability.codec.is(name)));
    for (index, capability) in audio.iter_mut().enumerate() {
        capability.payload_type = numbers + index as u8;
    }
    config
}

#[test]
fn frames_are_sent_on_by_their_codec() {
    let mut from = Link::new(6, MediaKind::Audio, audio(&["opus", "PCMU", "G722"], 96));
    let mut to = Link::new(7, MediaKind::Audio, audio(&["G722", "opus"], 110));
    for (payload_type, format, there) in [
        (96, PayloadFormat::Opus, Some(111)),
        (97, PayloadFormat::Pcmu, None),
        (98, PayloadFormat::G722, Some(110)),
    ] {
        let frame = Frame::new(vec![payload_type; 80], 960).with_payload_type(payload_type);
        let received = from.send_frame(&frame).unwrap();
        assert_eq!((received.payload_type, received.codec.payload()), (payload_type, format));
        let sent = to.send_frame(&Frame::from(received));
        match there {
            Some(there) => {
                let sent = sent.unwrap();
                assert_eq!((sent.payload_type, sent.codec.payload()), (there, format));
                assert_eq!(sent.frame.data[..], [payload_type; 80]);
            }
            None => assert!(sent.unwrap_err().contains("PCMU/8000 was not agreed on")),
        }
    }
}

/// Redundancy is each connection's own affair: what it carried goes out as the next one sends its audio.
#[test]
fn frames_of_redundant_audio_are_sent_on_as_what_they_are() {
    let red = || audio(&["red", "opus"], 96);
    let mut from = Link::new(8, MediaKind::Audio, red());
    let received = from.send_frame(&Frame::new(vec![7; 80], 960)).unwrap();
    assert_eq!((received.payload_type, received.codec.payload()), (96, PayloadFormat::Opus));
    let mut plain = Link::new(9, MediaKind::Audio, audio(&["opus"], 120));
    assert_eq!(plain.send_frame(&Frame::from(received.clone())).unwrap().payload_type, 120);
    let mut redundant = Link::new(10, MediaKind::Audio, audio(&["red", "opus"], 105));
    let again = redundant.send_frame(&Frame::from(received)).unwrap();
    assert_eq!((again.payload_type, again.codec.payload()), (105, PayloadFormat::Opus));
    assert_eq!(again.frame.data[..], [7; 80]);
}

/// Blocks of redundant audio have payload types of their own within (RFC 2198 §3).
#[test]
fn packets_of_redundant_audio_are_renumbered_within() {
    let mut from = Link::of_packets(11, MediaKind::Audio, audio(&["red", "opus"], 96));
    let mut to = Link::of_packets(12, MediaKind::Audio, audio(&["red", "opus"], 105));
    // One block of two bytes that is 960 ticks old, then three bytes.
    let block = |number: u8| [0x80 | number, 0x0f, 0, 2, number, 1, 2, 3, 4, 5];
    let mut packet = OutgoingPacket::new(block(97).to_vec(), 960);
    packet.payload_type = Some(96);
    let received = from.send(&packet).unwrap().unwrap();
    assert_eq!(received.payload[..], block(97));
    let forwarded = to.send(&OutgoingPacket::forward(&received)).unwrap().unwrap();
    assert_eq!((forwarded.payload_type, forwarded.format), (105, PayloadFormat::Red));
    assert_eq!(forwarded.payload[..], block(106));
    // What cannot be read goes on as it is.
    let mut packet = OutgoingPacket::new(vec![0x80 | 97, 0, 0], 1920);
    packet.payload_type = Some(96);
    let received = from.send(&packet).unwrap().unwrap();
    let forwarded = to.send(&OutgoingPacket::forward(&received)).unwrap().unwrap();
    assert_eq!(forwarded.payload, received.payload);
    // Redundant audio of another codec is another codec.
    let mut other = audio(&["red", "G722"], 105);
    other.settings.media.audio[0].codec.clock_rate = 8000;
    let mut other = Link::of_packets(13, MediaKind::Audio, other);
    assert!(other.send(&OutgoingPacket::forward(&received)).unwrap_err().contains("agreed"));
}
