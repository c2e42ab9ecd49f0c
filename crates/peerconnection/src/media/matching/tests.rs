//! Negotiation of codecs, in the shapes that browsers write.

use peerage_sdp::{Feedback, Text, Word};

use super::preferences::dictionary_match;
use super::*;
use crate::media::capabilities::Capabilities;
use crate::media::payload_types::same_meaning;

fn named(kind: MediaKind, name: &str, clock_rate: u32, channels: u16, fmtp: &str) -> RtpCodec {
    RtpCodec {
        kind,
        name: Word::new(name).unwrap(),
        clock_rate,
        channels: (kind == MediaKind::Audio).then_some(channels),
        fmtp: Some(fmtp).filter(|fmtp| !fmtp.is_empty()).map(|fmtp| Text::new(fmtp).unwrap()),
        rtcp_feedback: Vec::new(),
    }
}

fn video(payload_type: u8, name: &str, fmtp: &str) -> RtpCodecParameters {
    let mut codec = named(MediaKind::Video, name, 90_000, 1, fmtp);
    if codec.role() == CodecRole::Media {
        codec.rtcp_feedback = vec![Feedback::Nack, Feedback::NackPli, Feedback::TransportCc];
    }
    RtpCodecParameters { payload_type, codec }
}

fn audio(
    payload_type: u8,
    name: &str,
    clock_rate: u32,
    channels: u16,
    fmtp: &str,
) -> RtpCodecParameters {
    let codec = named(MediaKind::Audio, name, clock_rate, channels, fmtp);
    RtpCodecParameters { payload_type, codec }
}

/// `receive/send name fmtp` of each, then its `rtx`.
fn summary(codecs: &[NegotiatedCodec]) -> Vec<String> {
    let line = |negotiated: &NegotiatedCodec| {
        let NegotiatedCodec { codec, receive, send, rtx, .. } = negotiated;
        let fmtp = codec.fmtp.as_deref().unwrap_or("");
        let rtx = rtx.map_or(String::new(), |rtx| format!(" rtx {}/{}", rtx.receive, rtx.send));
        format!("{receive}/{send} {} {fmtp}{rtx}", codec.name)
    };
    codecs.iter().map(line).collect()
}

fn formats(codecs: &[RtpCodecParameters]) -> Vec<u8> {
    codecs.iter().map(|codec| codec.payload_type).collect()
}

fn fmtp_of(codecs: &[RtpCodecParameters], payload_type: u8) -> &str {
    let codec = codecs.iter().find(|codec| codec.payload_type == payload_type).unwrap();
    codec.codec.fmtp.as_deref().unwrap_or("")
}

fn h264(mode: u8, id: &str) -> String {
    format!("level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={id}")
}

#[test]
fn offers_have_the_numbers_that_browsers_use() {
    let capabilities = Capabilities::default();
    let mut numbers = PayloadTypes::new();
    let audio = offer(&capabilities.audio, Order::Theirs, &[], &mut numbers);
    assert_eq!(formats(&audio), [109, 63, 9, 0, 8, 13, 110, 101]);
    assert_eq!(fmtp_of(&audio, 63), "109/109");
    let video = offer(&capabilities.video, Order::Theirs, &[], &mut numbers);
    assert_eq!(formats(&video)[..6], [120, 124, 121, 125, 107, 108]);
    assert_eq!(fmtp_of(&video, 124), "apt=120");
    assert_eq!(video.len(), 29);
    assert_eq!(
        (fmtp_of(&video, 119), formats(&video)[26..].to_vec()),
        ("apt=122", vec![122, 119, 123])
    );
    let mut all = formats(&audio);
    all.extend(formats(&video));
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 37, "every number has one meaning");
    // A second section of the same bundle uses the same numbers.
    assert_eq!(offer(&capabilities.video, Order::Theirs, &[], &mut numbers), video);
}

/// Firefox numbers a section that it adds to a bundle in its own way, whatever the others are numbered like.
#[test]
fn what_firefox_adds_gives_no_number_a_second_meaning() {
    let mut capabilities = Capabilities::default();
    capabilities.enable_flexfec();
    let mut numbers = PayloadTypes::new();
    offer(&capabilities.audio, Order::Theirs, &[], &mut numbers);
    offer(&capabilities.video, Order::Theirs, &[], &mut numbers);
    let added = [
        audio(109, "opus", 48_000, 2, "maxplaybackrate=48000;stereo=1;useinbandfec=1"),
        audio(9, "G722", 8_000, 1, ""),
        audio(0, "PCMU", 8_000, 1, ""),
        audio(8, "PCMA", 8_000, 1, ""),
        audio(101, "telephone-event", 8_000, 1, "0-15"),
        video(120, "VP8", "max-fs=12288;max-fr=60"),
        video(124, "rtx", "apt=120"),
        video(121, "VP9", "max-fs=12288;max-fr=60"),
        video(125, "rtx", "apt=121"),
        video(99, "AV1", ""),
        video(100, "rtx", "apt=99"),
        video(123, "ulpfec", ""),
        video(122, "red", ""),
        video(119, "rtx", "apt=122"),
    ];
    for RtpCodecParameters { payload_type, codec } in added {
        let ours = numbers.get(payload_type);
        assert!(ours.is_none_or(|ours| same_meaning(ours, &codec)), "{payload_type}: {ours:?}");
    }
}

#[test]
fn answers_take_the_numbers_and_the_order_of_the_offer() {
    let capabilities = Capabilities::default();
    let theirs = [
        video(45, "AV1", "level-idx=8;profile=0;tier=1"),
        video(46, "rtx", "apt=45"),
        video(120, "VP8", "max-fs=12288;max-fr=60"),
        video(124, "rtx", "apt=120"),
        video(50, "H264", &h264(1, "42e034")),
        video(121, "VP9", ""),
        video(99, "VP9", "profile-id=1"),
        video(122, "red", ""),
        video(123, "theora", ""),
    ];
    let common = answer(&capabilities.video, Order::Theirs, &theirs, &mut PayloadTypes::new());
    assert_eq!(
        summary(&common),
        [
            "45/45 AV1 level-idx=5;profile=0;tier=0 rtx 46/46".to_owned(),
            "120/120 VP8  rtx 124/124".to_owned(),
            format!("50/50 H264 {}", h264(1, "42e01f")),
            "121/121 VP9 profile-id=0".to_owned(),
            "122/122 red ".to_owned(),
        ]
    );
    assert_eq!(common[1].remote_fmtp.as_deref(), Some("max-fs=12288;max-fr=60"));
    let feedback = [Feedback::TransportCc, Feedback::Nack, Feedback::NackPli];
    assert_eq!(common[1].codec.rtcp_feedback, feedback, "what both know, in our order");
    assert_eq!(formats(&parameters(&common)), [45, 46, 120, 124, 50, 121, 122]);
    assert_eq!(fmtp_of(&parameters(&common), 124), "apt=120");
}

#[test]
fn preferences_of_ours_decide_the_order_of_an_answer() {
    let capabilities = Capabilities::default();
    let theirs =
        [video(96, "VP8", ""), video(98, "VP9", "profile-id=0"), video(97, "rtx", "apt=96")];
    let wanted = [
        named(MediaKind::Video, "vp9", 90_000, 1, "profile-id=0"),
        named(MediaKind::Video, "VP8", 90_000, 1, ""),
    ];
    let checked = check_preferences(&capabilities, MediaKind::Video, &wanted).unwrap();
    let ours = apply_preferences(&capabilities, MediaKind::Video, &checked);
    let common = answer(&ours, Order::Ours, &theirs, &mut PayloadTypes::new());
    assert_eq!(summary(&common), ["98/98 VP9 profile-id=0", "96/96 VP8 "]);
}

#[test]
fn preferences_must_be_capabilities_and_carry_media() {
    let capabilities = Capabilities::default();
    let check = |list: &[RtpCodec]| check_preferences(&capabilities, MediaKind::Video, list);
    let vp8 = named(MediaKind::Video, "VP8", 90_000, 1, "");
    let rtx = named(MediaKind::Video, "rtx", 90_000, 1, "");
    assert_eq!(check(&[]), Ok(Vec::new()));
    assert_eq!(check(&[rtx.clone(), vp8.clone(), vp8.clone()]), Ok(vec![rtx.clone(), vp8.clone()]));
    let unknown = named(MediaKind::Video, "VP8", 48_000, 1, "");
    for wrong in [
        vec![rtx.clone()],
        vec![vp8.clone(), unknown],
        vec![named(MediaKind::Audio, "opus", 48_000, 2, "minptime=10;useinbandfec=1")],
        vec![named(MediaKind::Video, "VP9", 90_000, 1, "")],
        vec![named(MediaKind::Video, "H264", 90_000, 1, &h264(1, "42e034"))],
    ] {
        let error = check(&wrong).unwrap_err();
        assert_eq!(error.name(), "InvalidModificationError", "{error}");
    }
    // Without rtx in the list, nothing is retransmitted; with it, what can be is.
    let left = apply_preferences(&capabilities, MediaKind::Video, std::slice::from_ref(&vp8));
    assert_eq!((left.len(), left[0].rtx), (1, None));
    let left = apply_preferences(&capabilities, MediaKind::Video, &[vp8, rtx]);
    assert_eq!((left.len(), left[0].rtx), (1, Some(124)));
    let all = apply_preferences(&capabilities, MediaKind::Video, &[]);
    assert_eq!(all, capabilities.video);
    // Every capability may be set as it is listed.
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let listed = capabilities.rtp_codecs(kind);
        assert_eq!(check_preferences(&capabilities, kind, &listed), Ok(listed.clone()));
        assert_eq!(apply_preferences(&capabilities, kind, &listed), capabilities.codecs(kind));
    }
}

#[test]
fn codecs_match_to_an_application_by_all_their_parameters() {
    let h = |fmtp: &str| named(MediaKind::Video, "H264", 90_000, 1, fmtp);
    let (low, high) = (h(&h264(1, "42e01f")), h(&h264(1, "42e034")));
    assert!(!dictionary_match(&low, &high, false));
    assert!(dictionary_match(&low, &high, true));
    let reordered = h("profile-level-id=42E01F;packetization-mode=1;level-asymmetry-allowed=1");
    assert!(dictionary_match(&low, &reordered, false));
    assert!(!dictionary_match(&low, &h(""), true));
    let red = |fmtp| named(MediaKind::Audio, "red", 48_000, 2, fmtp);
    assert!(dictionary_match(&red("111/111"), &red("111/111"), false));
    assert!(!dictionary_match(&red("111/111"), &red("96/96"), false));
}

#[test]
fn redundancy_goes_with_what_it_carries() {
    let capabilities = Capabilities::default();
    let offer = |blocks: &str| {
        [audio(63, "red", 48_000, 2, blocks), audio(109, "OPUS", 48_000, 2, "stereo=1")]
    };
    let agreed = |theirs: &[RtpCodecParameters]| {
        let ours = &capabilities.audio;
        summary(&answer(ours, Order::Theirs, theirs, &mut PayloadTypes::new()))
    };
    let opus = "109/109 opus minptime=10;useinbandfec=1";
    assert_eq!(agreed(&offer("109/109")), ["63/63 red 109/109", opus]);
    assert_eq!(agreed(&offer("109/109/109")), ["63/63 red 109/109/109", opus]);
    for wrong in ["", "0/0", "109/x", "63/63", "999"] {
        assert_eq!(agreed(&offer(wrong)), [opus], "{wrong:?}");
    }
}

#[test]
fn a_number_that_means_something_else_is_not_taken() {
    let capabilities = Capabilities::default();
    let mut numbers = PayloadTypes::new();
    let ours = offer(&capabilities.video, Order::Theirs, &[], &mut numbers);
    assert_eq!(fmtp_of(&ours, 121), "profile-id=0");
    // In the peer's next offer, 121 is VP8 and 120 its rtx: we go on receiving VP8 under 120.
    let theirs = [video(121, "VP8", ""), video(120, "rtx", "apt=121"), video(108, "VP9", "")];
    let common = answer(&capabilities.video, Order::Theirs, &theirs, &mut numbers);
    assert_eq!(summary(&common), ["120/121 VP8  rtx 124/120", "121/108 VP9 profile-id=0"]);
    assert_eq!(fmtp_of(&parameters(&common), 124), "apt=120");
}

#[test]
fn numbers_that_look_like_rtcp_are_refused() {
    let capabilities = Capabilities::default();
    let theirs = [video(72, "VP8", ""), video(64, "VP9", ""), video(96, "AV1", "")];
    let common = answer(&capabilities.video, Order::Theirs, &theirs, &mut PayloadTypes::new());
    assert_eq!(summary(&common), ["96/96 AV1 level-idx=5;profile=0;tier=0"]);
    assert!(accept(&theirs, &theirs).iter().all(|codec| codec.send == 96));
}

#[test]
fn answers_may_number_anew() {
    let capabilities = Capabilities::default();
    let mut numbers = PayloadTypes::new();
    let ours = offer(&capabilities.video, Order::Theirs, &[], &mut numbers);
    let theirs = [
        // The numbers of our VP8 and its rtx, for another codec.
        video(120, "VP9", "profile-id=2"),
        video(124, "rtx", "apt=120"),
        video(45, "VP8", ""),
        video(35, "H264", &h264(0, "42e00d")),
        video(99, "rtx", "apt=35"),
        video(36, "AV2", ""),
    ];
    let common = accept(&ours, &theirs);
    assert_eq!(
        summary(&common),
        [
            "107/120 VP9 profile-id=2 rtx 108/124".to_owned(),
            "120/45 VP8 ".to_owned(),
            format!("97/35 H264 {} rtx 98/99", h264(0, "42e01f")),
        ]
    );
    assert_eq!(common[2].remote_fmtp.as_deref(), Some(&*h264(0, "42e00d")));
    assert!(!common[0].codec.rtcp_feedback.contains(&Feedback::GoogRemb));
}

#[test]
fn the_next_offer_keeps_order_and_numbers_of_the_answer() {
    let capabilities = Capabilities::default();
    let mut numbers = PayloadTypes::new();
    let theirs =
        [video(110, "VP9", "profile-id=2"), video(112, "rtx", "apt=110"), video(120, "VP8", "")];
    let common = answer(&capabilities.video, Order::Theirs, &theirs, &mut numbers);
    let next = offer(&capabilities.video, Order::Theirs, &common, &mut numbers);
    assert_eq!(formats(&next)[..5], [110, 112, 120, 124, 121]);
    assert_eq!(fmtp_of(&next, 112), "apt=110");
    assert_eq!(fmtp_of(&next, 124), "apt=120");
    assert_eq!(next.len(), 29);
    let vp8 = next.iter().filter(|codec| codec.codec.is("VP8"));
    assert_eq!(vp8.count(), 1, "nothing is offered twice");
    let preferred = offer(&capabilities.video, Order::Ours, &common, &mut numbers);
    assert_eq!(formats(&preferred)[..6], [120, 124, 121, 125, 110, 112]);
    // And what red carries is found under its new number.
    let mut numbers = PayloadTypes::new();
    let theirs = [audio(111, "opus", 48_000, 2, "")];
    let common = answer(&capabilities.audio, Order::Theirs, &theirs, &mut numbers);
    let next = offer(&capabilities.audio, Order::Theirs, &common, &mut numbers);
    assert_eq!(fmtp_of(&next, 63), "111/111");
}

#[test]
fn h265_and_av1_are_matched_by_profile() {
    let same = |name, a, b| {
        let codec = |fmtp| named(MediaKind::Video, name, 90_000, 1, fmtp);
        same_format(&codec(a), &codec(b))
    };
    assert!(same("H265", "", "level-id=120;profile-id=1;tier-flag=0;tx-mode=SRST"));
    assert!(same("H265", "interop-constraints=B00000000000", "profile-id=1"));
    assert!(!same("H265", "", "profile-id=2"));
    assert!(!same("H265", "", "tier-flag=1"));
    assert!(!same("H265", "", "tx-mode=MRST"));
    assert!(!same("H265", "interop-constraints=B0", "interop-constraints=90"));
    assert!(same("AV1", "", "profile=0;level-idx=19;tier=1"));
    assert!(!same("AV1", "", "profile=1"));
    assert!(!same("AV1", "profile=x", "profile=x"));
    assert!(same("VP9", "", "profile-id=0"));
    assert!(!same("VP9", "profile-id=0", "profile-id=2"));
    assert!(same("VP8", "max-fs=1", "max-fs=2"));
    for (theirs, level) in [("level-id=150", "93"), ("level-id=60", "60"), ("", "93")] {
        let capabilities = Capabilities::default();
        let theirs = [video(49, "H265", theirs)];
        let common = answer(&capabilities.video, Order::Theirs, &theirs, &mut PayloadTypes::new());
        assert_eq!(common[0].codec.parameter("level-id"), Some(level));
    }
}

#[test]
fn a_section_of_helpers_carries_no_media() {
    let capabilities = Capabilities::default();
    let theirs = [audio(101, "telephone-event", 8_000, 1, "0-15"), audio(13, "CN", 8_000, 1, "")];
    let common = answer(&capabilities.audio, Order::Theirs, &theirs, &mut PayloadTypes::new());
    assert_eq!(common.len(), 2);
    assert!(!carries_media(&common));
}
