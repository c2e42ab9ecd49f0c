//! Fuzz body of m-sections: all that a hostile description can make of them, and the promises about what we answer.

use peerage_sdp::{Direction, SessionDescription, Word};

use super::capabilities::Capabilities;
use super::codec::MediaKind;
use super::header_extension::HeaderExtensionIds;
use super::matching::{NegotiatedCodec, Order};
use super::payload_types::PayloadTypes;
use super::section::{
    Agreement, AnswerIntent, LocalMedia, LocalSource, OfferIntent, RemoteMedia, accept, answer,
    check_bundle, offer, restrictions_are_known,
};

/// A description: each section read, taken as an answer, answered as an offer, and offered again.
pub fn media_sections(data: &[u8]) {
    let Ok(sdp) = std::str::from_utf8(data) else { return };
    let Ok(session) = SessionDescription::parse(sdp) else { return };
    let mut capabilities = Capabilities::default();
    capabilities.enable_flexfec();
    capabilities.enable_ccfb();
    let (mut numbers, mut ids) = (PayloadTypes::new(), HeaderExtensionIds::new());
    let sections = session.sections().enumerate().take(32);
    let offers: Vec<RemoteMedia> =
        sections.filter_map(|(index, section)| RemoteMedia::read(section, index).ok()).collect();
    let _ = check_bundle(&offers);

    let mut written = Vec::new();
    for (index, offered) in offers.iter().enumerate() {
        let (mut fresh, mut fresh_ids) = (PayloadTypes::new(), HeaderExtensionIds::new());
        let ours = offer_of(&capabilities, offered.kind, None, &mut fresh, &mut fresh_ids);
        if let Some(agreement) = accept(&ours, offered) {
            let known = |codec: &NegotiatedCodec| {
                ours.codecs.iter().any(|ours| ours.payload_type == codec.receive)
            };
            assert!(agreement.codecs.iter().all(known), "only what was offered is agreed on");
        }
        let intent = AnswerIntent {
            direction: Direction::SendRecv,
            codecs: capabilities.codecs(offered.kind),
            order: if index % 2 == 0 { Order::Theirs } else { Order::Ours },
            extensions: capabilities.extensions(offered.kind),
            streams: Vec::new(),
            track: None,
            sources: vec![LocalSource { ssrc: 1, rtx: Some(2), fec: None }],
            cname: None,
            send_rids: offered.rids.iter().take(4).map(|rid| rid.id.clone()).collect(),
            max_simulcast_receive: 4,
        };
        let Some(answered) = answer(offered, intent, &mut numbers, &mut ids) else { continue };
        let rids = answered.media.rids.len();
        assert!(rids <= 32 && answered.media.codecs.len() <= 128, "an answer has its bounds");
        written.push(reread(&answered.media));

        let again = offer_of(
            &capabilities,
            offered.kind,
            Some(&answered.agreement),
            &mut numbers,
            &mut ids,
        );
        let again =
            LocalMedia { rids: answered.media.rids, simulcast: answered.media.simulcast, ..again };
        written.push(reread(&again));
    }
    check_bundle(&written).expect("our numbers have one meaning in a bundle");
}

fn offer_of(
    capabilities: &Capabilities,
    kind: MediaKind,
    last: Option<&Agreement>,
    numbers: &mut PayloadTypes,
    ids: &mut HeaderExtensionIds,
) -> LocalMedia {
    let intent = OfferIntent {
        direction: Direction::SendRecv,
        codecs: capabilities.codecs(kind),
        order: Order::Theirs,
        extensions: capabilities.extensions(kind),
    };
    offer(kind, intent, last, numbers, ids)
}

/// What a peer reads of a section of ours, which must be what it says.
fn reread(local: &LocalMedia) -> RemoteMedia {
    let media = local.to_media_description().with(peerage_sdp::Attribute::Mid(Word::from(0u8)));
    let sdp = SessionDescription::new(1, 1).with_media(media).to_string();
    let session = SessionDescription::parse(&sdp).expect("our section parses");
    let section = session.sections().next().expect("one section");
    let remote = RemoteMedia::read(section, 0).expect("our section can be read");
    assert_eq!(remote.codecs, local.codecs);
    assert_eq!(remote.extensions, local.extensions);
    // An answer repeats restrictions that only the peer knows (RFC 8851 §6.3); whoever reads them as an offer refuses them.
    if local.rids.iter().all(restrictions_are_known) {
        assert_eq!(remote.rids, local.rids);
        assert_eq!(remote.simulcast, local.simulcast);
    }
    assert_eq!(remote.direction, local.direction);
    remote
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_crypto::Rng;

    const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
    const SECTIONS: [&str; 4] = [
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100 101 35 63 64 0 127\r\n",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0 8 9 13 110 96 97\r\n",
        "m=audio 0 UDP/TLS/RTP/SAVPF 111 63 96\r\n",
        "m=video 9 UDP/TLS/RTP/SAVPF 97 96 98 35 36\r\n",
    ];
    const NUMBERS: [&str; 8] = ["96", "97", "98", "99", "111", "63", "35", "0"];
    const CODECS: [&str; 10] = [
        "VP8/90000",
        "VP9/90000",
        "H264/90000",
        "rtx/90000",
        "red/90000",
        "opus/48000/2",
        "red/48000/2",
        "telephone-event/8000",
        "AV1/90000",
        "rtx/48000",
    ];
    const PARAMETERS: [&str; 12] = [
        "apt=96",
        "apt=97",
        "apt=98",
        "96/96",
        "111/111/63",
        "profile-id=0",
        "profile-id=2",
        "packetization-mode=1",
        "profile-level-id=42e00b;level-asymmetry-allowed=1",
        "profile-level-id=64001f;packetization-mode=1",
        ";=;;",
        "pt",
    ];
    const LINES: [&str; 16] = [
        "a=sendonly",
        "a=recvonly",
        "a=rid:1 send pt=96,98;max-width=1",
        "a=rid:2 recv pt=97",
        "a=rid:3 recv max-fps",
        "a=rid:4 send",
        "a=rid:4 recv",
        "a=simulcast:send 1,~4 recv 2;3",
        "a=simulcast:recv ~1;1,2",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:4096/sendonly urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:1 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "a=extmap:15/recvonly urn:ietf:params:rtp-hdrext:toffset",
        "a=ssrc-group:FID 1 2 3",
        "a=ssrc:1 msid:- t",
        "a=rtcp-fb:* transport-cc",
    ];

    #[test]
    fn sections_of_pieces_keep_the_promises() {
        let mut rng = Rng::from_seed(7);
        let mut below = |bound: usize| {
            let mut bytes = [0; 4];
            rng.fill(&mut bytes);
            u32::from_le_bytes(bytes) as usize % bound
        };
        for _ in 0..3_000 {
            let mut sdp = HEAD.to_owned();
            for _ in 0..=below(3) {
                sdp.push_str(SECTIONS[below(SECTIONS.len())]);
                let mut once = false;
                for _ in 0..below(16) {
                    let number = NUMBERS[below(NUMBERS.len())];
                    match below(3) {
                        0 => sdp.push_str(&format!("a=rtpmap:{number} {}", CODECS[below(10)])),
                        1 => sdp.push_str(&format!("a=fmtp:{number} {}", PARAMETERS[below(12)])),
                        _ => {
                            let line = LINES[below(LINES.len())];
                            // A second one of these is refused before it gets here.
                            let single = line.ends_with("only") || line.contains("simulcast");
                            sdp.push_str(if single && once { LINES[9] } else { line });
                            once |= single;
                        }
                    }
                    sdp.push_str("\r\n");
                }
            }
            media_sections(sdp.as_bytes());
        }
    }
}
