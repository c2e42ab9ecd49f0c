//! Seeds of the targets of peerage-peerconnection: a real offer, the messages of data channels, and scripts.

use std::time::{Duration, Instant, SystemTime};

use peerage_crypto::Rng;
use peerage_peerconnection::{Configuration, DataChannelInit, PeerConnection};

use crate::Sink;

pub(crate) fn write(sink: &Sink) {
    // RFC 8832 §5.1: type, channel type, priority, reliability, lengths of label and protocol, both.
    for (name, kind, parameter) in [("reliable", 0x00, 0u32), ("retransmits", 0x01, 3), ("unordered_timed", 0x82, 500)] {
        let mut open = vec![3, kind, 1, 0];
        open.extend_from_slice(&parameter.to_be_bytes());
        open.extend_from_slice(&[0, 4, 0, 5]);
        open.extend_from_slice(b"chatproto");
        sink.seed("peerconnection_dcep", name, &open);
    }
    sink.seed("peerconnection_dcep", "ack", &[2]);

    let now = Instant::now();
    let wall_clock = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let mut pc = PeerConnection::new(now, Configuration::new(wall_clock), Rng::from_seed(1)).expect("a connection");
    pc.add_local_address(now, "192.0.2.1:5000".parse().expect("an address"));
    pc.create_data_channel(now, "chat", DataChannelInit::default()).expect("a channel");
    pc.set_local_description(now, None).expect("an offer");
    let offer = pc.local_description().expect("it was set").sdp;
    sink.seed("peerconnection_remote_description", "data", offer.as_bytes());
    let media = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:a\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n";
    let head = offer.find("m=").expect("a section");
    let both = format!("{}{media}{}", &offer[..head], &offer[head..]);
    sink.seed("peerconnection_remote_description", "audio_and_data", both.as_bytes());

    // Codecs with rtx, header extensions, a simulcast to answer; then redundancy and the older form of msid.
    let start = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
    let video = "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102\r\na=mid:0\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:10/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:102 H264/90000\r\na=fmtp:102 packetization-mode=1;profile-level-id=42e01f\r\na=rid:1 send pt=96;max-width=640\r\na=rid:2 send\r\na=simulcast:send 1;~2\r\n";
    let audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 8\r\na=mid:1\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:* transport-cc\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=ssrc:5 cname:c\r\na=ssrc:5 msid:s t\r\n";
    sink.seed("peerconnection_media_sections", "video", format!("{start}{video}").as_bytes());
    sink.seed("peerconnection_media_sections", "audio_and_video", format!("{start}{audio}{video}").as_bytes());

    for (name, first) in [("stun", &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..]), ("dtls", &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0])] {
        let mut datagram = first.to_vec();
        datagram.resize(64, 0);
        sink.seed("peerconnection_datagrams", name, &datagram);
    }

    // Bit 7 of a command chooses the end. 0 creates a channel, 2 and 3 set descriptions, 8 hands candidates over.
    let connect = [0, 0, 1, 2, 0x83, 0x82, 3, 8, 0x88];
    for (name, rest) in [
        ("connect", &[][..]),
        ("data", &[10, 0, 4, 10, 0, 200, 0x8a, 0, 1]),
        ("close", &[10, 0, 4, 14, 0, 0x8e, 0]),
        ("restart", &[15, 2, 0x83, 0x82, 3, 8, 0x88, 10, 0, 1]),
        ("rollback", &[2, 5, 0x82, 3, 6]),
        ("glare", &[15, 0x8f, 2, 0x82, 3, 0x83]),
        ("faults", &[16, 0, 0, 16, 1, 0, 16, 2, 0, 10, 0, 9]),
        ("changed_offer", &[2, 0x87, 0, 90, 65, 0x82]),
    ] {
        sink.seed("peerconnection_commands", name, &[&connect[..], rest].concat());
    }

    for (name, frame) in [
        ("vp8_keyframe", &[0, 0x10, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1, 7][..]),
        ("vp8", &[0, 0x11, 0, 0, 7, 7]),
        ("opus", &[2, 0x78, 1, 2]),
    ] {
        sink.seed("peerconnection_clear_prefix", name, frame);
    }
    write_media(sink);
}

/// Scripts of `peerconnection_media`: what is negotiated, then commands with their operands.
fn write_media(sink: &Sink) {
    // Commands: a keyframe and a picture between, in one packet each; time. Bits 0 and 1 of the first operand of a packet are
    // the section (audio, video, layers), 2 and 3 the layer; then come the source, how much the number is ahead, and the
    // payload type by section and place.
    let keyframe = |section: u8, source: u8, ahead: u8| [0, section, source, ahead, section << 6];
    let picture = |section: u8, source: u8, ahead: u8| [0x40, section, source, ahead, section << 6];
    let time = |milliseconds: u8| [29, milliseconds, 0];
    let mut pictures = Vec::new();
    for index in 0..10 {
        pictures.extend(if index % 4 == 0 { keyframe(1, 1, 0) } else { picture(1, 1, 0) });
        pictures.extend(time(20));
    }
    let mut layers = Vec::new();
    for index in 0..12u8 {
        let layer = index % 3;
        layers.extend([if index < 3 { 0 } else { 0x40 }, 2 | (layer + 1) << 2, 4 + layer, 0, 0x80]);
        layers.extend(time(11));
    }
    // A packet is lost on its way (bit 7) before others come.
    pictures.extend([0xc0, 1, 1, 0, 0x40]);
    pictures.extend(picture(1, 1, 0));
    // Three more are missing, which are asked for; then all that was sent is sent again, and under each payload type.
    let mut repeats = pictures.clone();
    repeats.extend(picture(1, 1, 48));
    repeats.extend(time(60));
    for place in 0..12 {
        repeats.extend([5, place, 0x41, 0, place]);
        repeats.extend([5, place, 0x48 | place, 0, place]);
    }
    repeats.extend(time(200));
    // What was sent, in RED; then under other payload types, in more than one block, and spoilt.
    let mut red = pictures.clone();
    for place in 0..12 {
        red.extend([6, place, 0x42]);
        red.extend([6, place, 0x48 | place, 0x66, place, 0x42, 0x84, 0, 0, 4, 0]);
    }
    // Parity, in RED or as a stream of its own: from the first on packets are kept for it. One is lost, and recovered. Then
    // parity comes under other payload types, and spoilt.
    let with_parity = |command: u8, own: u8, inner: u8| {
        let mut script = pictures.clone();
        for _ in 0..2 {
            script.extend([command, 1, 0x40 | own, 0x40 | inner]);
            for index in 0..13 {
                script.extend(if index == 8 { [0xc0, 1, 1, 0, 0x40] } else { picture(1, 1, 0) });
            }
        }
        script.extend([command, 1, 0x40 | own, 0x40 | inner]);
        script.extend(time(50));
        for place in 0..12 {
            script.extend([command, 1, 0x48 | place, 0x40 | inner]);
            script.extend(
                [command | 0xe0, 1, 0x40 | own, 0x40 | inner, place, 1 << (place % 8)].repeat(2),
            );
            script.extend(picture(1, 1, 0));
        }
        script
    };
    let (parity, flexfec) = (with_parity(7, 2, 3), with_parity(8, 4, 4));
    // Frames of ours, and what is said of them: reports by number, then messages of each type about each source.
    let mut feedback = Vec::new();
    for index in 0..30 {
        feedback.extend([if index == 0 { 17 } else { 0x31 }, 1, 40 << 2]);
        feedback.extend([17, 0, 1]);
        feedback.extend(time(20));
        if index % 5 == 4 {
            feedback.extend([13, 12, 12, 0]);
            feedback.extend([4; 12]);
        }
    }
    for kind in 0..8u8 {
        for variant in [0, 1, 4, 11, 15] {
            // The sender, a source of ours, then words with numbers of it.
            feedback.extend([11, variant << 3 | kind, 4, 96, 2, 66, 3, 0, 7, 200, 0, 0, 1, 0]);
        }
        feedback.extend(time(10));
    }
    // RFC 8888: a source of ours, the number of its newest packet but seven, eight metrics.
    let mut by_stream = feedback.clone();
    for source in 0..6 {
        by_stream.extend([11, 11 << 3 | 5, 8, 96, source, 64 + source, 7, 0, 8]);
        by_stream.extend([200, 0x80, 1, 0x80, 1].repeat(5));
        by_stream.extend(time(20));
    }
    let mut application = pictures.clone();
    for (command, first, second) in [
        (20, 1, 1),
        (17, 1, 40),
        (19, 1, 9),
        (21, 1, 1),
        (22, 0, 0),
        (23, 3, 5),
        (26, 0, 0),
        (24, 1, 1),
        (17, 1, 40),
        (24, 1, 0),
        (25, 0, 4),
        (20, 1, 0),
        (27, 0, 0),
        (28, 3, 0xff),
        (26, 0, 0),
    ] {
        application.extend([command, first, second]);
        application.extend(time(30));
        application.extend(picture(1, 1, 0));
    }
    // Sources and numbers without end.
    let mut floods = pictures.clone();
    for first in 0..6 {
        floods.extend([14, 255, first, 0]);
        floods.extend([15, 200, 0x07, 0xff, 1, first, 0, 0x40]);
        floods.extend(time(5));
    }
    for (name, options, script) in [
        ("pictures", 0, &pictures),
        ("layers", 0, &layers),
        ("repeats", 0, &repeats),
        ("red", 0, &red),
        ("parity", 0, &parity),
        ("flexfec", 2, &flexfec),
        ("feedback", 0, &feedback),
        ("feedback_by_stream", 1, &by_stream),
        ("no_reports", 4, &feedback),
        ("cryptex", 8, &layers),
        ("application", 0, &application),
        ("floods", 0, &floods),
    ] {
        sink.seed("peerconnection_media", name, &[&[options], &script[..]].concat());
    }
}
