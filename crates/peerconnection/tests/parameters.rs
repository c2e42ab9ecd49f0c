//! `getParameters` and `setParameters` (webrtc-pc §5.2, §5.3): what was negotiated is told, and encodings are changed in
//! transactions.

mod common;

use common::{Pair, config, negotiate};
use peerage_peerconnection::media::{MediaKind, RtpCodecParameters, RtpHeaderExtension, uri};
use peerage_peerconnection::{RtpEncodingParameters, RtpSendParameters, TransceiverInit};
use peerage_rtp::payload::h264::ProfileLevelId;
use peerage_sdp::{Direction, Text};

#[test]
fn what_was_negotiated_is_told_each_way() {
    let mut theirs = config();
    // The peer decodes level 4.2, and numbers its codecs otherwise.
    let video = theirs.settings.media.video.iter_mut();
    for codec in video.map(|capability| &mut capability.codec).filter(|c| c.is("H264")) {
        codec.fmtp =
            codec.fmtp.as_ref().map(|t| Text::new(&t.replace("42e01f", "42e02a")).unwrap());
    }
    let Pair { now, mut a, mut b, .. } = Pair::with(80, config(), theirs);
    let handle = a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
    let before = a.pc.get_parameters(now, handle).unwrap();
    assert!(before.codecs.is_empty() && before.header_extensions.is_empty());
    assert_eq!(before.encodings.len(), 1);

    a.pc.set_local_description(now, None).unwrap();
    b.pc.set_remote_description(now, a.pc.local_description().unwrap()).unwrap();
    b.pc.set_local_description(now, None).unwrap();
    let mut answer = b.pc.local_description().unwrap();
    // It takes send times and sends none, and has a number of its own for VP8.
    answer.sdp = answer.sdp.replace("a=extmap:2 ", "a=extmap:2/recvonly ");
    let rtpmap = answer.sdp.lines().find(|line| line.ends_with(" VP8/90000")).unwrap();
    let ours = rtpmap["a=rtpmap:".len()..].split(' ').next().unwrap().to_owned();
    for (before, after) in [(" ", " "), ("apt=", "\r"), ("a=rtpmap:", " "), ("fb:", " ")] {
        let renumbered = format!("{before}39{after}");
        answer.sdp = answer.sdp.replace(&format!("{before}{ours}{after}"), &renumbered);
    }
    a.pc.set_remote_description(now, answer).unwrap();

    let sent = a.pc.get_parameters(now, handle).unwrap();
    let received = a.pc.get_receive_parameters(handle).unwrap();
    // VP8 and what follows it.
    let vp8 = |codecs: &[RtpCodecParameters]| {
        let at = codecs.iter().position(|codec| codec.codec.is("VP8")).unwrap();
        let rtx = codecs[at + 1].codec.fmtp.as_deref().unwrap_or_default().to_owned();
        (codecs[at].payload_type, rtx)
    };
    assert_eq!(vp8(&sent.codecs), (39, "apt=39".to_owned()));
    assert_eq!(vp8(&received.codecs), (ours.parse().unwrap(), format!("apt={ours}")));
    let levels = |codecs: &[RtpCodecParameters]| {
        let h264 = codecs.iter().filter(|codec| codec.codec.is("H264"));
        let ids = h264.filter_map(|codec| ProfileLevelId::from_fmtp(codec.codec.fmtp.as_deref()?));
        ids.map(|id| id.to_string()).collect::<Vec<_>>()
    };
    assert!(levels(&sent.codecs).contains(&"42e02a".to_owned()), "{:?}", levels(&sent.codecs));
    assert!(!levels(&received.codecs).contains(&"42e02a".to_owned()));
    let has = |list: &[RtpHeaderExtension]| {
        list.iter().any(|extension| *extension.uri == *uri::ABS_SEND_TIME)
    };
    assert!(has(&sent.header_extensions) && !has(&received.header_extensions));
    assert!(sent.header_extensions.iter().all(|e| e.direction != Direction::RecvOnly));
    assert!(sent.rtcp.reduced_size && sent.rtcp.cname.is_some());
    assert_eq!(received.rtcp.cname, None);
}

#[test]
fn encodings_are_changed_in_transactions() {
    let Pair { now, mut a, mut b, .. } = Pair::new(81);
    let init = TransceiverInit {
        send_encodings: ["q", "f"].map(RtpEncodingParameters::new).into(),
        ..TransceiverInit::default()
    };
    let handle = a.pc.add_transceiver(now, MediaKind::Video, init).unwrap();
    negotiate(now, &mut a, &mut b);
    let mut parameters = a.pc.get_parameters(now, handle).unwrap();
    parameters.encodings[1].max_bitrate = Some(500_000);
    a.pc.set_parameters(now, handle, parameters.clone()).unwrap();
    let encodings = &a.pc.transceiver(handle).unwrap().sender.encodings;
    assert_eq!(encodings[1].max_bitrate, Some(500_000));
    let again = a.pc.set_parameters(now, handle, parameters.clone()).unwrap_err();
    assert_eq!(again.name(), "InvalidStateError", "{again}");

    let fresh = a.pc.get_parameters(now, handle).unwrap();
    let stale = a.pc.set_parameters(now, handle, parameters).unwrap_err();
    assert_eq!(stale.name(), "InvalidModificationError", "{stale}");
    let changes: [fn(&mut RtpSendParameters); 6] = [
        |p| drop(p.codecs.pop()),
        |p| drop(p.header_extensions.pop()),
        |p| p.rtcp.reduced_size = false,
        |p| p.encodings[0].rid.push('x'),
        |p| p.encodings.reverse(),
        |p| drop(p.encodings.pop()),
    ];
    for change in changes {
        let mut changed = fresh.clone();
        change(&mut changed);
        let error = a.pc.set_parameters(now, handle, changed).unwrap_err();
        assert_eq!(error.name(), "InvalidModificationError", "{error}");
        assert!(!error.to_string().contains("construction"), "{error}");
    }
    // What was refused has not used the transaction up.
    a.pc.set_parameters(now, handle, fresh).unwrap();
    // A negotiation ends it (webrtc-pc §4.4.1.5).
    let before = a.pc.get_parameters(now, handle).unwrap();
    negotiate(now, &mut a, &mut b);
    let error = a.pc.set_parameters(now, handle, before).unwrap_err();
    assert_eq!(error.name(), "InvalidStateError", "{error}");
}
