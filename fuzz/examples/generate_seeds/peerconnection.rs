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
}
