//! Tracks on a connection: pictures are encoded by what the connection asks for, sent, decoded, and come out of the peer's track;
//! what ends on one side ends on the other, and leaves no thread behind.

#![cfg(feature = "engine")]

mod common;
#[path = "common/numbered.rs"]
mod numbered;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{negotiate, pair, within};
use numbered::{Camera, Factory, next_track};
use peerage::media::MediaKind;
use peerage::media_engine::codec::CodecFactory;
use peerage::media_engine::track::{MediaStream, ReadyState};
use peerage::media_engine::video::Plane;
use peerage::stats::OutboundRtpStreamStats;
use peerage::{PeerConnection, RtpEncodingParameters, TransceiverInit};

#[tokio::test(flavor = "multi_thread")]
async fn pictures_go_from_track_to_track() {
    let codecs = Factory(Arc::default());
    let (one, other) = pair().await;
    let camera = Camera::begin();
    let stream = MediaStream::new([camera.source.track().into()]);
    let sender =
        one.send_track(&stream.tracks()[0], &[&stream], Arc::new(codecs.clone())).await.unwrap();
    negotiate(&one, &other).await;
    let receiver = next_track(&other).await.receive_track(Arc::new(codecs.clone())).unwrap();
    let mut sink = receiver.track().as_video().unwrap().sink(64);
    let mut seen = Vec::new();
    while seen.len() < 10 {
        let picture = within("pictures", sink.recv()).await.expect("the track is live");
        seen.push(picture.picture.plane(Plane::Y)[0]);
    }
    assert!(seen.windows(2).all(|two| two[0] < two[1]), "in order, each once: {seen:?}");
    assert!(codecs.0.bitrate.load(Ordering::Relaxed) > 0, "the encoder knows its rate");

    // A keyframe that the peer asks for is made, without a look at the events.
    let before = codecs.0.keyframes.load(Ordering::Relaxed);
    receiver.transceiver().request_keyframe().await.unwrap();
    within("a keyframe", async {
        while codecs.0.keyframes.load(Ordering::Relaxed) == before {
            within("pictures", sink.recv()).await.expect("the track is live");
        }
    })
    .await;
    assert!(!receiver.track().muted());
    let statistics = sender.statistics();
    assert!(statistics.encoded >= 10 && statistics.failed == 0, "{statistics:?}");
    let statistics = receiver.statistics();
    assert!(statistics.played >= 10 && statistics.failed == 0, "{statistics:?}");

    // Another track takes its place without negotiation.
    let second = Camera::begin();
    sender.replace_track(Some(&second.source.track().into())).unwrap();
    within("the other camera", async {
        let mut last = *seen.last().unwrap();
        loop {
            let picture = sink.recv().await.expect("the track is live");
            let number = picture.picture.plane(Plane::Y)[0];
            if number < last {
                break;
            }
            last = number;
        }
    })
    .await;

    // The track of the peer ends with the connection.
    one.close().await;
    other.close().await;
    within("the end", async { while sink.recv().await.is_some() {} }).await;
    assert_eq!(receiver.track().ready_state(), ReadyState::Ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_is_dropped_does_not_hold_the_connection() {
    let codecs: Arc<dyn CodecFactory> = Arc::new(Factory(Arc::default()));
    let (one, other) = pair().await;
    let camera = Camera::begin();
    let sender = one.send_track(&camera.source.track().into(), &[], codecs.clone()).await.unwrap();
    negotiate(&one, &other).await;
    let receiver = next_track(&other).await.receive_track(codecs).unwrap();
    let mut sink = receiver.track().as_video().unwrap().sink(64);
    within("a picture", sink.recv()).await.expect("the track is live");
    // All that the application has of one end goes; threads do not keep it.
    drop((sender, one));
    within("the source to be unwanted", async {
        while camera.source.is_wanted() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Two layers of one camera, each by an encoder of its own, and what getStats tells of them.
#[tokio::test(flavor = "multi_thread")]
async fn each_layer_of_a_simulcast_is_encoded_in_its_size() {
    let (one, other) = pair().await;
    let camera = Camera::begin();
    let encodings = vec![RtpEncodingParameters::new("low"), RtpEncodingParameters::new("high")];
    let init = TransceiverInit { send_encodings: encodings, ..TransceiverInit::send_only() };
    let transceiver = one.add_transceiver(MediaKind::Video, init).await.unwrap();
    let track = camera.source.track().into();
    let sender = transceiver.send_track(&track, Arc::new(Factory(Arc::default()))).unwrap();
    negotiate(&one, &other).await;
    let layers = within("both layers", async {
        loop {
            let stats = one.get_stats().await.unwrap();
            let encoded = |stream: &&OutboundRtpStreamStats| {
                stream.frame_width.is_some() && stream.encoder_implementation.is_some()
            };
            let layers: Vec<_> = stats.outbound_rtp().filter(encoded).cloned().collect();
            if layers.len() == 2 {
                break layers;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for layer in layers {
        let size = (layer.frame_width.unwrap(), layer.frame_height.unwrap());
        let expected = if layer.rid.as_deref() == Some("low") { (2, 1) } else { (4, 2) };
        assert_eq!(size, expected, "{layer:?}");
        assert_eq!(layer.encoder_implementation.as_deref(), Some("numbers"));
        assert!(layer.total_encode_time.is_some() && layer.key_frames_encoded >= Some(1));
    }
    assert_eq!(sender.statistics().failed, 0);
}

/// A call of numbered pictures and a tone by the codecs that are built in.
#[cfg(all(feature = "opus", feature = "vpx"))]
struct Call {
    one: PeerConnection,
    other: PeerConnection,
    stream: MediaStream,
    senders: Vec<peerage::engine::TrackSender>,
    receivers: Vec<peerage::engine::TrackReceiver>,
}

#[cfg(all(feature = "opus", feature = "vpx"))]
async fn call() -> Call {
    use peerage::engine::sources;
    use peerage::media_engine::codec::BuiltIn;

    let codecs: Arc<dyn CodecFactory> = Arc::new(BuiltIn);
    let (one, other) = pair().await;
    let camera = sources::numbered_pictures(160, 96, 25.0).unwrap();
    let microphone = sources::tone(500.0).unwrap();
    let stream = MediaStream::new([camera.into(), microphone.into()]);
    let mut senders = Vec::new();
    for track in stream.tracks() {
        senders.push(one.send_track(&track, &[&stream], codecs.clone()).await.unwrap());
    }
    negotiate(&one, &other).await;
    let mut receivers = Vec::new();
    for _ in 0..2 {
        let transceiver = next_track(&other).await;
        receivers.push(transceiver.receive_track(codecs.clone()).unwrap());
    }
    Call { one, other, stream, senders, receivers }
}

/// Sound and pictures by the codecs that are built in: what is drawn is read again, and the tone is heard.
#[cfg(all(feature = "opus", feature = "vpx"))]
#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_read_and_a_tone_is_heard_at_the_other_end() {
    use peerage::media_engine::audio::AudioBlock;
    use peerage::media_engine::video::pattern::NumberedPicture;

    let Call { one: _one, other: _other, stream, senders, receivers } = call().await;
    let video = receivers.iter().find_map(|one| one.track().as_video()).unwrap();
    let audio = receivers.iter().find_map(|one| one.track().as_audio()).unwrap();
    let (mut seen, mut heard) = (video.sink(300), audio.sink(300));
    let mut last = None;
    for _ in 0..20 {
        let picture = within("a picture", seen.recv()).await.expect("the track is live");
        let reading = NumberedPicture::read(&picture.picture);
        let number = reading.number.expect("the number can be read");
        assert_eq!(reading.colours, 8, "of picture {number}");
        assert!(last.is_none_or(|last| last < number), "{number} came after {last:?}");
        last = Some(number);
    }
    // The tone, once it sounds: it goes through zero a thousand times a second.
    let mut loud = 0;
    within("the tone", async {
        while loud < 50 {
            let frame = heard.recv().await.expect("the track is live");
            assert_eq!(frame.block.duration(), AudioBlock::DURATION);
            let channels = frame.block.channels();
            let left: Vec<f32> = frame.block.samples().iter().step_by(channels).copied().collect();
            let crossings = left.windows(2).filter(|two| two[0] * two[1] < 0.0).count();
            let level = left.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
            loud += u32::from((9..=11).contains(&crossings) && (0.2..0.3).contains(&level));
        }
    })
    .await;
    drop((senders, stream));
}

/// What the threads that play have counted is in the statistics of the connection, under the W3C's names; what is asked of the
/// receiver reaches them; and sound goes with redundancy, since both ends can.
#[cfg(all(feature = "opus", feature = "vpx"))]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_played_is_counted_and_kept_together() {
    use peerage::stats::{InboundRtpStreamStats, Stats};

    let Call { one, other: _other, stream, senders, receivers } = call().await;
    let is_video =
        |receiver: &&peerage::engine::TrackReceiver| receiver.track().as_video().is_some();
    let video = receivers.iter().find(is_video).unwrap();
    let audio = receivers.iter().find(|one| !is_video(one)).unwrap();
    async fn inbound(of: &peerage::engine::TrackReceiver) -> Option<InboundRtpStreamStats> {
        let stats = of.transceiver().receiver_stats().await.unwrap();
        stats.inbound_rtp().next().cloned()
    }
    // Until sender reports have told of both clocks, and the tone is heard as loud as it is.
    let loud = |level: Option<f64>| level.is_some_and(|level| (0.15..0.2).contains(&level));
    let (seen, heard) = within("both to be played and timed", async {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let both = (inbound(video).await, inbound(audio).await);
            if let (Some(seen), Some(heard)) = both
                && seen.estimated_playout_timestamp.is_some()
                && heard.estimated_playout_timestamp.is_some()
                && seen.frames_decoded >= Some(5)
                && heard.total_samples_received > Some(24_000)
                && loud(heard.audio_level)
            {
                break (seen, heard);
            }
        }
    })
    .await;
    assert!(seen.key_frames_decoded >= Some(1), "{seen:?}");
    assert!(seen.frames_rendered.unwrap() <= seen.frames_decoded.unwrap());
    assert!(seen.decoder_implementation.as_ref().unwrap().contains("libvpx"), "{seen:?}");
    assert!(seen.qp_sum.is_some() && seen.total_decode_time > Some(0.0), "{seen:?}");
    assert_eq!((seen.frame_width, seen.frame_height), (Some(160), Some(96)));
    assert!(seen.jitter_buffer_emitted_count >= seen.frames_decoded.map(u64::from), "{seen:?}");
    assert!(seen.total_processing_delay >= seen.jitter_buffer_delay, "{seen:?}");
    assert!(heard.jitter_buffer_emitted_count > Some(0), "{heard:?}");
    // Both by the sender's clock, which is that of today.
    let apart =
        seen.estimated_playout_timestamp.unwrap() - heard.estimated_playout_timestamp.unwrap();
    assert!(apart.abs() < 60_000.0, "{apart} ms");

    // The application wants more to be held back.
    let wanted = Duration::from_millis(700);
    for receiver in [video, audio] {
        receiver.transceiver().set_jitter_buffer_target(Some(wanted)).await.unwrap();
    }
    within("the target to be held", async {
        let mut before = (seen.clone(), heard.clone());
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = (inbound(video).await.unwrap(), inbound(audio).await.unwrap());
            let mean = |now: &InboundRtpStreamStats, before: &InboundRtpStreamStats| {
                let total = now.jitter_buffer_target_delay? - before.jitter_buffer_target_delay?;
                let count = now.jitter_buffer_emitted_count? - before.jitter_buffer_emitted_count?;
                (count > 0).then(|| total / count as f64)
            };
            let means = (mean(&now.0, &before.0), mean(&now.1, &before.1));
            if means.0 >= Some(0.69) && means.1 >= Some(0.69) {
                break;
            }
            before = now;
        }
    })
    .await;

    // The sending end: each packet of sound brings the one before, and the source is heard.
    let stats = one.get_stats().await.unwrap();
    let sent = stats.outbound_rtp().find(|stream| stream.kind.as_str() == "audio").unwrap();
    let Some(Stats::Codec(codec)) = stats.get(sent.codec_id.as_deref().unwrap()) else {
        panic!("no codec")
    };
    assert_eq!(codec.mime_type, "audio/red");
    let source = stats.media_sources().find(|source| source.kind.as_str() == "audio").unwrap();
    assert!(loud(source.audio_level), "{source:?}");
    drop((senders, stream));
}
