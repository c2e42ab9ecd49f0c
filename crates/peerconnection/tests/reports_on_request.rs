//! Transport-wide reports that the sender asks for (webrtc.org transport-wide-cc-02): negotiated, asked for, answered, and enough
//! for congestion control.

mod common;

use std::time::Duration;

use common::call::Call;
use common::{Pair, config};
use peerage_netsim::{LinkConfig, Queue, Rate};
use peerage_peerconnection::Configuration;
use peerage_peerconnection::media::{MediaKind, uri};

/// How the first version is called.
const FIRST: &str = uri::TRANSPORT_CC;
const SECOND: &str = uri::TRANSPORT_CC_02;

fn on_request() -> Configuration {
    let mut config = config();
    config.settings.media.enable_transport_cc_02();
    config
}

/// The second version alone.
fn only_on_request() -> Configuration {
    let mut config = on_request();
    let media = &mut config.settings.media;
    for extensions in [&mut media.audio_extensions, &mut media.video_extensions] {
        extensions.retain(|extension| *extension.uri != *FIRST);
    }
    config
}

/// Which versions an offer and its answer have.
fn versions(a: Configuration, b: Configuration) -> [[bool; 2]; 2] {
    let Pair { now, mut a, mut b, .. } = Pair::with(310, a, b);
    a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
    common::negotiate(now, &mut a, &mut b);
    [&a, &b].map(|peer| {
        let sdp = peer.pc.local_description().unwrap().sdp;
        [FIRST, SECOND].map(|uri| sdp.lines().any(|line| line.ends_with(uri)))
    })
}

#[test]
fn one_version_is_agreed_on() {
    assert_eq!(versions(config(), config()), [[true, false]; 2], "not offered by default");
    assert_eq!(versions(on_request(), config()), [[true, true], [true, false]]);
    assert_eq!(versions(on_request(), on_request()), [[true, true], [false, true]]);
    assert_eq!(versions(only_on_request(), config()), [[false, true], [false, true]]);
}

#[test]
fn the_rate_of_the_path_is_found_by_what_is_asked_for() {
    let path = LinkConfig::new()
        .rate(Rate::kbit(1_000))
        .delay(Duration::from_millis(25))
        .queue(Queue::bytes(62_500));
    for (a, b) in [(only_on_request(), config()), (on_request(), on_request())] {
        let mut call = Call::new(311, a, b, path.clone());
        call.run(Duration::from_secs(10));
        let seen = call.run(Duration::from_secs(20));
        let used = seen.video_kbps() / 1_000.0;
        assert!(used > 0.65, "{used:.2} of it is video");
        assert!(seen.queue_mean() < Duration::from_millis(60), "{:?}", seen.queue_mean());
        assert!(seen.audio_frames + 10 > seen.audio_sent, "{seen:?}");
    }
}
