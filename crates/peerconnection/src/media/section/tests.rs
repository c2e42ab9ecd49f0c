//! Sections read, written and answered: the corpora of browsers and other stacks, and what proptest makes up.

use std::path::PathBuf;

use peerage_sdp::{
    Attribute, Direction, Feedback, MediaDescription, Rid, RidDirection, SessionDescription, Text,
    Word,
};
use proptest::prelude::*;

use super::answer::Answer;
use super::*;
use crate::error::Error;
use crate::media::capabilities::{Capabilities, uri};
use crate::media::codec::{MediaKind, RtpCodec, RtpCodecParameters};
use crate::media::header_extension::{HeaderExtensionIds, RtpHeaderExtension};
use crate::media::matching::{self, Order};
use crate::media::payload_types::PayloadTypes;

fn word(text: &str) -> Word {
    Word::new(text).unwrap()
}

fn text(text: &str) -> Text {
    Text::new(text).unwrap()
}

/// Sections of audio and video of a description.
fn read_all(sdp: &str) -> Result<Vec<RemoteMedia>, Error> {
    let session = SessionDescription::parse(sdp).unwrap();
    let sections = session.sections().enumerate();
    let media = sections.filter(|(_, s)| MediaKind::from_sdp(&s.line.media).is_some());
    media.map(|(index, section)| RemoteMedia::read(section, index)).collect()
}

/// One section behind the lines that a session begins with.
fn read(section: &str) -> Result<RemoteMedia, Error> {
    let mut sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n".to_owned();
    for line in section.lines() {
        sdp.push_str(line.trim());
        sdp.push_str("\r\n");
    }
    read_all(&sdp).map(|mut sections| sections.remove(0))
}

/// What the peer reads of a section of ours.
fn reread(local: &LocalMedia) -> RemoteMedia {
    let mut head = peerage_sdp::Attributes::new();
    head.push(Attribute::Mid(word("0")));
    let media = local.with_head(head);
    let sdp = SessionDescription::new(1, 1).with_media(media).to_string();
    read_all(&sdp).unwrap_or_else(|error| panic!("{error}\n{sdp}")).remove(0)
}

fn intent(capabilities: &Capabilities, kind: MediaKind) -> AnswerIntent<'_> {
    AnswerIntent {
        direction: Direction::SendRecv,
        codecs: capabilities.codecs(kind),
        order: Order::Theirs,
        extensions: capabilities.extensions(kind),
        streams: vec![word("stream")],
        track: None,
        sources: Vec::new(),
        cname: None,
        send_rids: ["4", "5"].map(word).into(),
        max_simulcast_receive: 3,
    }
}

fn answer_to(offer: &RemoteMedia) -> Option<Answer> {
    let capabilities = Capabilities::default();
    let intent = intent(&capabilities, offer.kind);
    answer(offer, intent, &mut PayloadTypes::new(), &mut HeaderExtensionIds::new())
}

/// Our offer of a kind, in both directions.
fn offer_of(kind: MediaKind) -> LocalMedia {
    let capabilities = Capabilities::default();
    let intent = OfferIntent {
        direction: Direction::SendRecv,
        codecs: capabilities.codecs(kind),
        order: Order::Theirs,
        extensions: capabilities.extensions(kind),
    };
    offer(kind, intent, None, &mut PayloadTypes::new(), &mut HeaderExtensionIds::new())
}

fn corpora(folder: &str) -> Option<Vec<(String, String)>> {
    let root = std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let folder = root.join(folder);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: {} is not there", folder.display());
        return None;
    };
    let files = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "sdp"));
    let mut files: Vec<(String, String)> = files
        .map(|entry| {
            let bytes = std::fs::read(entry.path()).unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect();
    files.sort();
    Some(files)
}

fn codec_names(codecs: &[RtpCodecParameters]) -> Vec<String> {
    codecs.iter().map(|codec| format!("{} {}", codec.payload_type, codec.codec.name)).collect()
}

#[test]
fn sections_in_corpora_of_browsers_are_read_and_answered() {
    let Some(files) = corpora("browser-sdp") else { return };
    let mut answered = 0;
    for (name, sdp) in &files {
        let sections = read_all(sdp).unwrap_or_else(|error| panic!("{name}: {error}"));
        check_bundle(&sections).unwrap_or_else(|error| panic!("{name}: {error}"));
        for offer in sections {
            let what = format!("{name} {}", offer.kind);
            assert!(!offer.rejected && offer.rtcp_mux && offer.mid.is_some(), "{what}");
            assert!(!offer.codecs.is_empty(), "{what}");
            assert_eq!(
                offer.has_msid,
                offer.direction.sends() && !offer.streams.is_empty() || offer.track.is_some(),
                "{what}"
            );
            for source in offer.primary_sources() {
                assert!(source.cname.is_some(), "{what}");
                let rtx = offer.rtx_of(source.ssrc);
                assert!(rtx.is_none_or(|rtx| offer.sources.iter().any(|s| s.ssrc == rtx)));
            }
            let Answer { media, agreement } = answer_to(&offer).expect(&what);
            assert_eq!(media.direction, offer.direction.reversed(), "{what}");
            // Each kind of browser has at least one codec with retransmissions in common with us.
            if offer.kind == MediaKind::Video && offer.codecs.iter().any(|c| c.codec.is("rtx")) {
                assert!(agreement.codecs.iter().any(|codec| codec.rtx.is_some()), "{what}");
            }
            // Where nothing was negotiated before, the numbers are the peer's.
            assert!(agreement.codecs.iter().all(|codec| codec.send == codec.receive), "{what}");
            let theirs = reread(&media);
            assert_eq!(theirs.codecs, media.codecs, "{what}");
            assert_eq!(theirs.extensions, media.extensions, "{what}");
            answered += 1;
        }
    }
    assert!(answered >= 39, "only {answered} sections");
}

#[test]
fn what_browsers_say_in_corpora_is_understood() {
    let Some(files) = corpora("browser-sdp") else { return };
    let sections = |name: &str| {
        let sdp = &files.iter().find(|(file, _)| file == name).expect(name).1;
        read_all(sdp).unwrap()
    };

    let chromium = &sections("chromium-av.sdp");
    let (audio, video) = (&chromium[0], &chromium[1]);
    assert_eq!(codec_names(&audio.codecs)[..3], ["111 opus", "63 red", "9 G722"]);
    assert_eq!(audio.codecs[0].codec.channels, Some(2));
    assert_eq!(audio.codecs[0].codec.rtcp_feedback, [Feedback::TransportCc]);
    assert_eq!(audio.streams.len(), 1);
    assert!(audio.track.is_some() && audio.receiver_reference_time && audio.rtcp_rsize);
    assert_eq!((video.sources.len(), video.primary_sources().count()), (2, 1));
    let primary = video.primary_sources().next().unwrap().ssrc;
    assert_eq!(video.rtx_of(primary), Some(video.sources[1].ssrc));
    assert_eq!(video.rtx_of(video.sources[1].ssrc), None);

    for (name, sources) in [("chromium-simulcast.sdp", 0), ("firefox-simulcast.sdp", 6)] {
        let video = &sections(name)[0];
        let layers = video.simulcast.as_ref().expect(name);
        let rids: Vec<&str> = layers.rids(RidDirection::Send).map(Word::as_str).collect();
        assert_eq!(rids, ["q", "h", "f"], "{name}");
        assert!(layers.receive.is_empty());
        assert_eq!(video.sources.len(), sources, "{name}");
        let ours = answer_to(video).unwrap();
        let layers = ours.media.simulcast.as_ref().unwrap();
        assert_eq!(layers.rids(RidDirection::Recv).count(), 3, "{name}");
        let id = |ext: &str| ours.media.extensions.iter().any(|extension| extension.uri == ext);
        assert!(id(uri::RTP_STREAM_ID) && id(uri::MID), "{name}");
    }

    // Without a=msid, the older form tells the streams; port 0 with a=bundle-only is no rejection.
    let gstreamer = &sections("gst-webrtcbin-offer.sdp");
    assert!(gstreamer[0].has_msid && gstreamer[0].streams.len() == 1);
    assert_eq!(gstreamer[0].track.as_deref(), Some("webrtctransceiver0"));
    assert!(gstreamer[1].bundle_only && !gstreamer[1].rejected);
    // A stream of "-" is none.
    let wrtc = &sections("pypi-wrtc-offer.sdp")[0];
    assert!(wrtc.has_msid && wrtc.streams.is_empty() && wrtc.track.is_some());
    // Nothing at all leaves the default stream.
    let recvonly = &sections("chromium-recvonly.sdp")[0];
    assert!(!recvonly.has_msid && recvonly.direction == Direction::RecvOnly);
}

#[test]
fn hostile_corpora_do_no_harm() {
    let mut read = 0;
    for folder in ["libwebrtc/corpora/sdp-corpus", "sdp-transform"] {
        let Some(files) = corpora(folder) else { return };
        for (name, sdp) in &files {
            let Ok(session) = SessionDescription::parse(sdp) else { continue };
            let sections = session.sections().enumerate();
            for offer in sections.filter_map(|(index, s)| RemoteMedia::read(s, index).ok()) {
                read += 1;
                let Some(Answer { media, .. }) = answer_to(&offer) else { continue };
                assert_eq!(reread(&media).codecs, media.codecs, "{folder}/{name}");
            }
        }
    }
    assert!(read >= 80, "only {read} sections");
}

#[test]
fn what_the_rules_demand_is_checked() {
    let fails = |section: &str| match read(section) {
        Err(Error::InvalidDescription { section, reason }) => format!("{section}: {reason}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        fails("m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:v\na=rid:1 send\na=simulcast:send 1;2"),
        "mid v: a=simulcast names 2, which no a=rid explains (RFC 9429 §5.8.3)"
    );
    assert_eq!(
        fails("m=audio 9 UDP/TLS/RTP/SAVPF 0\na=rtcp-mux-only"),
        "m-section 0: a=rtcp-mux-only needs a=rtcp-mux (RFC 9429 §5.8.3)"
    );
    let text = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=image 9 udptl t38\r\n";
    let session = SessionDescription::parse(text).unwrap();
    let error = RemoteMedia::read(session.sections().next().unwrap(), 4).unwrap_err();
    assert_eq!(error.to_string(), "m-section 4: image is neither audio nor video");
}

#[test]
fn a_bundle_gives_numbers_one_meaning() {
    let section = |lines: &str| read(&format!("m=video 9 UDP/TLS/RTP/SAVPF 96 97\n{lines}"));
    let first = section("a=mid:a\na=rtpmap:96 VP8/90000\na=extmap:1 urn:x").unwrap();
    let same = section("a=mid:b\na=rtpmap:96 vp8/90000\na=extmap:1 urn:x\na=extmap:2 urn:y");
    let other_codec = section("a=mid:c\na=rtpmap:96 VP9/90000").unwrap();
    let other_uri = section("a=mid:d\na=rtpmap:96 VP8/90000\na=extmap:1 urn:z").unwrap();
    assert_eq!(check_bundle([&first, &same.unwrap()]), Ok(()));
    let error = check_bundle([&first, &other_codec]).unwrap_err().to_string();
    assert!(error.starts_with("mid c: payload type 96"), "{error}");
    let error = check_bundle([&first, &other_uri]).unwrap_err().to_string();
    assert!(error.starts_with("mid d: header extension 1"), "{error}");
    let rejected = RemoteMedia { rejected: true, ..other_uri };
    assert_eq!(check_bundle([&first, &rejected]), Ok(()));
}

#[test]
fn formats_are_read_as_they_stand() {
    let media = read(
        "m=audio 9 UDP/TLS/RTP/SAVPF 109 0 8 8 9 13 77 109 101
         b=AS:64
         b=TIAS:50000
         a=rtpmap:109 OPUS/48000/2
         a=fmtp:109 maxplaybackrate=48000; stereo=1
         a=rtcp-fb:* nack
         a=rtcp-fb:109 transport-cc
         a=rtcp-fb:109 nack
         a=rtpmap:9 G722/8000/1
         a=rtpmap:101 telephone-event/8000
         a=fmtp:101 0-15
         a=ptime:20
         a=maxptime:59.9
         a=extmap:1/recvonly urn:x
         a=extmap:1 urn:y
         a=extmap:4097 urn:z
         a=extmap:4097 urn:w",
    )
    .unwrap();
    let names = codec_names(&media.codecs);
    assert_eq!(names, ["109 OPUS", "0 PCMU", "8 PCMA", "9 G722", "13 CN", "101 telephone-event"]);
    let opus = &media.codecs[0].codec;
    assert_eq!(opus.mime_type(), "audio/OPUS");
    assert_eq!(opus.parameter("Stereo"), Some("1"));
    assert_eq!(opus.rtcp_feedback, [Feedback::Nack, Feedback::TransportCc]);
    assert_eq!(media.bandwidth, Some(50_000));
    assert_eq!((media.ptime, media.max_ptime), (Some(20), Some(59)));
    let extension = |id, uri, direction| RtpHeaderExtension { id, uri: word(uri), direction };
    assert_eq!(
        media.extensions,
        [
            extension(1, "urn:x", Direction::RecvOnly),
            extension(4097, "urn:z", Direction::SendRecv),
            extension(4097, "urn:w", Direction::SendRecv),
        ]
    );
    assert!(!media.rtcp_mux && !media.rtcp_rsize);
    let media = read("m=audio 9 RTP/AVP 0\nb=AS:64\na=ptime:0").unwrap();
    // 5% to RTCP, and 40 bytes of headers for each of 50 packets.
    assert_eq!((media.bandwidth, media.ptime), (Some(44_800), None));
    let of_as = |kilobits: u64| {
        let section = format!("m=video 9 RTP/AVP 96\nb=AS:{kilobits}\na=rtpmap:96 VP8/90000");
        read(&section).unwrap().bandwidth
    };
    assert_eq!(of_as(500), Some(459_000));
    assert_eq!((of_as(0), of_as(12)), (Some(0), Some(5_700)));
}

#[test]
fn streams_that_cannot_be_used_are_discarded() {
    let media = read(
        "m=video 9 UDP/TLS/RTP/SAVPF 96
         a=rtpmap:96 VP8/90000
         a=rid:a send pt=96;max-width=640
         a=rid:b send pt=97
         a=rid:c send
         a=rid:c recv
         a=rid:d recv max-shoes=2
         a=rid:e send max-shoes=2
         a=rid:f recv max-width=320
         a=simulcast:send a,b;~c;e recv d;f",
    )
    .unwrap();
    let rids: Vec<&str> = media.rids.iter().map(|rid| rid.id.as_str()).collect();
    assert_eq!(rids, ["a", "e", "f"]);
    let simulcast = media.simulcast.unwrap();
    assert!(simulcast.rids(RidDirection::Send).map(Word::as_str).eq(["a", "e"]));
    assert!(simulcast.rids(RidDirection::Recv).map(Word::as_str).eq(["f"]));
}

#[test]
fn simulcast_is_answered_in_the_other_direction() {
    let offer = read(
        "m=video 9 UDP/TLS/RTP/SAVPF 96 98
         a=rtpmap:96 VP8/90000
         a=rtpmap:98 VP9/90000
         a=rid:1 send pt=98,96;max-width=1280
         a=rid:2 send max-width=640;max-fps
         a=rid:3 send
         a=rid:4 recv
         a=rid:5 recv
         a=simulcast:send 1,~2;3 recv ~4;5",
    )
    .unwrap();
    let capabilities = Capabilities::default();
    let answered = |change: fn(&mut AnswerIntent<'_>)| {
        let mut intent = intent(&capabilities, MediaKind::Video);
        change(&mut intent);
        let mut numbers = PayloadTypes::new();
        answer(&offer, intent, &mut numbers, &mut HeaderExtensionIds::new()).unwrap().media
    };
    let lines = |media: &LocalMedia| -> Vec<String> {
        let text = SessionDescription::new(1, 1).with_media(media.to_media_description());
        let text = text.to_string();
        let streams = |line: &&str| line.starts_with("a=rid") || line.starts_with("a=simulcast");
        text.lines().filter(streams).map(str::to_owned).collect()
    };
    let both = answered(|_| {});
    assert_eq!(
        lines(&both),
        [
            "a=rid:1 recv pt=98,96;max-width=1280",
            "a=rid:2 recv max-width=640;max-fps",
            "a=rid:3 recv",
            "a=rid:4 send",
            "a=rid:5 send",
            "a=simulcast:send 4;5 recv 1,2;3",
        ]
    );
    let fewer = answered(|intent| {
        intent.send_rids.truncate(1);
        intent.max_simulcast_receive = 0;
    });
    assert_eq!(lines(&fewer), ["a=rid:4 send", "a=simulcast:send 4"]);
    let receiver = answered(|intent| intent.direction = Direction::RecvOnly);
    assert_eq!(lines(&receiver).last().unwrap(), "a=simulcast:recv 1,2;3");
    assert!(receiver.streams.is_empty());
    let neither = answered(|intent| intent.direction = Direction::Inactive);
    assert_eq!(lines(&neither), Vec::<String>::new());
}

#[test]
fn a_simulcast_is_what_the_answer_leaves_of_it() {
    let rid = |id: &str, parameters: &str| Rid {
        id: word(id),
        direction: RidDirection::Send,
        parameters: text(parameters),
    };
    let stream = |id: &str| SimulcastStream(vec![SimulcastFormat::new(word(id))]);
    let offer = LocalMedia {
        rids: vec![rid("q", "pt=120;max-width"), rid("h", ""), rid("f", "pt=120")],
        simulcast: Some(SimulcastLayers {
            send: vec![stream("q"), stream("h"), stream("f")],
            receive: Vec::new(),
        }),
        ..offer_of(MediaKind::Video)
    };
    let answer = read(
        "m=video 9 UDP/TLS/RTP/SAVPF 110 111
         a=rtpmap:110 VP8/90000
         a=rtpmap:111 VP9/90000
         a=recvonly
         a=rid:q recv pt=110;max-width=320
         a=rid:h recv max-fps=5
         a=rid:f recv pt=111
         a=rid:x recv
         a=simulcast:recv ~q;h;f;x",
    )
    .unwrap();
    let agreement = accept(&offer, &answer).unwrap();
    assert_eq!(agreement.direction, Direction::SendOnly);
    assert_eq!(agreement.rids, [rid("q", "pt=120;max-width=320")]);
    let layers = agreement.simulcast.unwrap();
    assert_eq!(layers.receive, []);
    let paused = SimulcastFormat { rid: word("q"), paused: true };
    assert_eq!(layers.send, [SimulcastStream(vec![paused])]);

    let plain = read("m=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 VP8/90000\na=recvonly").unwrap();
    let agreement = accept(&offer, &plain).unwrap();
    assert_eq!((agreement.rids, agreement.simulcast), (Vec::new(), None));
    for refused in [
        "m=video 0 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 VP8/90000",
        "m=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 theora/90000",
    ] {
        assert_eq!(accept(&offer, &read(refused).unwrap()), None);
    }
}

#[test]
fn directions_of_answers_are_intersected() {
    use Direction::*;
    for (offered, wanted, expected) in [
        (SendRecv, SendRecv, SendRecv),
        (SendOnly, SendRecv, RecvOnly),
        (RecvOnly, SendRecv, SendOnly),
        (SendRecv, RecvOnly, RecvOnly),
        (SendOnly, SendOnly, Inactive),
        (Inactive, SendRecv, Inactive),
    ] {
        let offer = LocalMedia { direction: offered, ..offer_of(MediaKind::Audio) };
        let capabilities = Capabilities::default();
        let intent = AnswerIntent { direction: wanted, ..intent(&capabilities, MediaKind::Audio) };
        let (mut numbers, mut ids) = (PayloadTypes::new(), HeaderExtensionIds::new());
        let answered = answer(&reread(&offer), intent, &mut numbers, &mut ids).unwrap();
        assert_eq!(answered.media.direction, expected);
        // Both ends conclude the same.
        let agreement = accept(&offer, &reread(&answered.media)).unwrap();
        assert_eq!(agreement.direction, expected.reversed());
        assert_eq!(agreement.codecs, answered.agreement.codecs);
        assert_eq!(agreement.extensions, answered.agreement.extensions);
    }
}

#[test]
fn the_lines_stand_in_the_order_of_browsers() {
    let mut offer = offer_of(MediaKind::Video);
    offer.codecs.truncate(4);
    offer.extensions.truncate(2);
    offer.streams = vec![word("s"), word("t")];
    offer.track = Some(word("k"));
    offer.sources = vec![LocalSource { ssrc: 1, rtx: Some(2), fec: None }];
    offer.cname = Some(text("name"));
    insta::assert_snapshot!(written(&offer.to_media_description()));
    offer.sources.clear();
    offer.streams.clear();
    offer.track = None;
    offer.codecs.truncate(1);
    offer.extensions.clear();
    insta::assert_snapshot!(written(&offer.to_media_description()));
}

fn written(media: &MediaDescription) -> String {
    let text = SessionDescription::new(1, 1).with_media(media.clone()).to_string();
    let start = text.find("m=").unwrap();
    text[start..].replace('\r', "")
}

fn direction() -> impl Strategy<Value = Direction> {
    use Direction::*;
    prop::sample::select(vec![SendRecv, SendOnly, RecvOnly, Inactive])
}

fn any_codecs(kind: MediaKind) -> impl Strategy<Value = Vec<RtpCodecParameters>> {
    let feedback = prop::sample::subsequence(
        vec![
            Feedback::Nack,
            Feedback::NackPli,
            Feedback::CcmFir,
            Feedback::TransportCc,
            Feedback::AckCcfb,
            Feedback::TrrInt(100),
            Feedback::Other(Text::new("x y").unwrap()),
        ],
        0..=7,
    );
    let one = (
        0u8..128,
        "[A-Za-z][A-Za-z0-9-]{0,8}",
        1u32..=u32::MAX,
        1u16..=u16::MAX,
        prop::option::of("[a-z]{1,4}=[a-z0-9]{1,4}(;[a-z]{1,4}=[A-Z0-9]{1,9}){0,3}"),
        feedback,
    );
    prop::collection::vec(one, 1..20).prop_map(move |list| {
        let mut codecs: Vec<RtpCodecParameters> = Vec::new();
        for (payload_type, name, clock_rate, channels, fmtp, rtcp_feedback) in list {
            if codecs.iter().all(|codec| codec.payload_type != payload_type) {
                let codec = RtpCodec {
                    kind,
                    name: word(&name),
                    clock_rate,
                    channels: (kind == MediaKind::Audio).then_some(channels),
                    fmtp: fmtp.map(|fmtp| text(&fmtp)),
                    rtcp_feedback,
                };
                codecs.push(RtpCodecParameters { payload_type, codec });
            }
        }
        codecs
    })
}

fn any_extensions() -> impl Strategy<Value = Vec<RtpHeaderExtension>> {
    prop::collection::btree_map(1u16..=255, ("urn:[a-z:-]{1,30}", direction()), 0..20).prop_map(
        |map| {
            let entry = |(id, (uri, direction)): (u16, (String, Direction))| RtpHeaderExtension {
                id,
                uri: word(&uri),
                direction,
            };
            map.into_iter().map(entry).collect()
        },
    )
}

fn any_sources() -> impl Strategy<Value = Vec<LocalSource>> {
    (0usize..4, any::<u32>(), any::<bool>(), any::<bool>()).prop_map(|(count, first, rtx, fec)| {
        let source = |index: usize| {
            let ssrc = first.wrapping_add(3 * index as u32);
            LocalSource {
                ssrc,
                rtx: rtx.then_some(ssrc.wrapping_add(1)),
                fec: fec.then_some(ssrc.wrapping_add(2)),
            }
        };
        (0..count).map(source).collect()
    })
}

fn any_layers() -> impl Strategy<Value = (Vec<Rid>, Option<SimulcastLayers>)> {
    let stream = prop::collection::vec(any::<bool>(), 1..3);
    (prop::collection::vec(stream.clone(), 0..4), prop::collection::vec(stream, 0..4)).prop_map(
        |(send, receive)| {
            let mut rids = Vec::new();
            let mut list = |streams: Vec<Vec<bool>>, direction| {
                streams
                    .into_iter()
                    .map(|formats| {
                        let format = |paused| {
                            let id = word(&format!("r{}", rids.len()));
                            let parameters = text("max-width=640");
                            rids.push(Rid { id: id.clone(), direction, parameters });
                            SimulcastFormat { rid: id, paused }
                        };
                        SimulcastStream(formats.into_iter().map(format).collect())
                    })
                    .collect::<Vec<_>>()
            };
            let send = list(send, RidDirection::Send);
            let receive = list(receive, RidDirection::Recv);
            let layers = SimulcastLayers { send, receive };
            (rids, Some(layers).filter(|layers| !layers.is_empty()))
        },
    )
}

fn any_local() -> impl Strategy<Value = LocalMedia> {
    let kind = prop::sample::select(vec![MediaKind::Audio, MediaKind::Video]);
    let streams = prop::collection::btree_set("[a-z0-9]{1,12}", 0..4);
    (
        kind.prop_flat_map(|kind| (Just(kind), any_codecs(kind))),
        direction(),
        any_extensions(),
        (streams, prop::option::of("[a-z{}-]{2,30}")),
        (any_sources(), "[!-~]{1,20}"),
        any_layers(),
        any::<(bool, bool, bool)>(),
    )
        .prop_map(
            |(
                (kind, codecs),
                direction,
                extensions,
                (streams, track),
                (sources, cname),
                layers,
                flags,
            )| {
                LocalMedia {
                    direction,
                    codecs,
                    extensions,
                    streams: streams.iter().map(|stream| word(stream)).collect(),
                    track: track.map(|track| word(&track)),
                    sources,
                    cname: Some(text(&cname)),
                    rids: layers.0,
                    simulcast: layers.1,
                    rtcp_mux: flags.0,
                    rtcp_rsize: flags.1,
                    receiver_reference_time: flags.2,
                    max_ptime: flags.2.then_some(60),
                    ..LocalMedia::new(kind)
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_is_read_alike(local in any_local()) {
        let remote = reread(&local);
        prop_assert_eq!(remote.kind, local.kind);
        prop_assert_eq!(remote.direction, local.direction);
        prop_assert_eq!(&remote.codecs, &local.codecs);
        prop_assert_eq!(&remote.extensions, &local.extensions);
        prop_assert_eq!((remote.rtcp_mux, remote.rtcp_rsize), (local.rtcp_mux, local.rtcp_rsize));
        prop_assert_eq!(remote.receiver_reference_time, local.receiver_reference_time);
        prop_assert_eq!(remote.lists_extended_reports, local.receiver_reference_time);
        prop_assert_eq!(remote.max_ptime, local.max_ptime);
        prop_assert_eq!(&remote.rids, &local.rids);
        prop_assert_eq!(&remote.simulcast, &local.simulcast);
        if local.direction.sends() {
            prop_assert!(remote.has_msid);
            prop_assert_eq!(&remote.streams, &local.streams);
            prop_assert_eq!(&remote.track, &local.track);
        }
        let ssrcs = local.sources.iter().flat_map(|source| {
            [Some(source.ssrc), source.rtx, source.fec].into_iter().flatten()
        });
        prop_assert!(remote.sources.iter().map(|source| source.ssrc).eq(ssrcs));
        prop_assert_eq!(remote.primary_sources().count(), local.sources.len());
        for source in &local.sources {
            prop_assert_eq!(remote.rtx_of(source.ssrc), source.rtx);
            prop_assert_eq!(remote.fec_of(source.ssrc), source.fec);
        }
        prop_assert!(remote.sources.iter().all(|source| source.cname == local.cname));
    }

    #[test]
    fn both_ends_conclude_the_same(
        kept in prop::collection::vec(any::<bool>(), 13),
        order in prop::collection::vec(any::<u8>(), 13),
        wanted in direction(),
        prefer in any::<bool>(),
    ) {
        let mut capabilities = Capabilities::default();
        let mut numbered: Vec<_> =
            capabilities.video.drain(..).zip(&order).zip(&kept).filter(|(_, kept)| **kept).collect();
        numbered.sort_by_key(|((_, order), _)| **order);
        capabilities.video.extend(numbered.into_iter().map(|((codec, _), _)| codec));

        let offer = offer_of(MediaKind::Video);
        let intent = AnswerIntent {
            direction: wanted,
            order: if prefer { Order::Ours } else { Order::Theirs },
            ..intent(&capabilities, MediaKind::Video)
        };
        let (mut numbers, mut ids) = (PayloadTypes::new(), HeaderExtensionIds::new());
        let answered = answer(&reread(&offer), intent, &mut numbers, &mut ids);
        prop_assert_eq!(answered.is_some(), !capabilities.video.is_empty());
        if let Some(Answer { media, agreement }) = answered {
            let theirs = accept(&offer, &reread(&media)).unwrap();
            prop_assert_eq!(theirs.direction, agreement.direction.reversed());
            prop_assert_eq!(theirs.codecs.len(), agreement.codecs.len());
            for (a, b) in theirs.codecs.iter().zip(&agreement.codecs) {
                prop_assert!(matching::same_format(&a.codec, &b.codec));
                prop_assert_eq!((a.send, a.receive), (b.receive, b.send));
                prop_assert_eq!(a.rtx.map(|x| (x.send, x.receive)), b.rtx.map(|x| (x.receive, x.send)));
            }
        }
    }
}
