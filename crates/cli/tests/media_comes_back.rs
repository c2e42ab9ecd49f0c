//! `peerage echo` as a mirror of sound and pictures.

mod common;

use std::time::Duration;

use common::{PATIENCE, Running, post};
use peerage::media::MediaKind;
use peerage::{Configuration, Endpoint, EndpointConfig, Event, Frame, SdpType, SessionDescription};

#[tokio::test(flavor = "multi_thread")]
async fn frames_come_back_as_they_were_sent() {
    let (echo, url) = Running::server(&["echo", "--http", "127.0.0.1:0"]);
    let endpoint = Endpoint::bind(EndpointConfig::loopback()).await.unwrap();
    let pc = endpoint.connect(Configuration::default()).await.unwrap();
    let video = pc.add_track(MediaKind::Video, "camera", vec!["s".to_owned()]).await.unwrap();
    let audio = pc.add_track(MediaKind::Audio, "microphone", vec!["s".to_owned()]).await.unwrap();
    pc.set_local_description(None).await.unwrap();
    pc.gathering_complete().await.unwrap();
    let offer = pc.local_description().unwrap();
    let body = serde_json::json!({ "type": "offer", "sdp": offer.sdp }).to_string();
    let (status, answer) =
        tokio::task::spawn_blocking(move || post(&url, "application/json", &body)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let sdp = answer["sdp"].as_str().unwrap().to_owned();
    pc.set_remote_description(SessionDescription { kind: SdpType::Answer, sdp }).await.unwrap();
    pc.connected().await.unwrap();

    let picture = |index: u32| {
        let mut data = match index.is_multiple_of(10) {
            true => vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01],
            false => vec![0x11, 0, 0],
        };
        data.resize(2000, index as u8);
        data
    };
    let exchange = async {
        // The other end may still be taking the keys when the first ones arrive.
        let mut index = 0;
        let (mut pictures, mut sounds) = (0, 0);
        while pictures < 20 || sounds < 20 {
            video.send_frame(Frame::new(picture(index), index * 3000)).await.unwrap();
            audio.send_frame(Frame::new(vec![index as u8; 60], index * 960)).await.unwrap();
            index += 1;
            let wait = Duration::from_millis(20);
            while let Ok(Some(back)) = tokio::time::timeout(wait, video.recv_frame()).await {
                let sent = back.frame.data.last().copied().unwrap();
                let matches = |index: u32| index as u8 == sent && picture(index) == back.frame.data;
                assert!((0..index).any(matches));
                pictures += 1;
            }
            while let Ok(Some(back)) = tokio::time::timeout(wait, audio.recv_frame()).await {
                assert_eq!(back.frame.data.len(), 60);
                sounds += 1;
            }
        }
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("media comes back");
    let mut comes = Vec::new();
    while let Ok(Some(event)) =
        tokio::time::timeout(Duration::from_millis(50), pc.next_event()).await
    {
        if let Event::Track { streams, .. } = event {
            comes.push(streams);
        }
    }
    assert_eq!(comes, [["mirror"], ["mirror"]], "both in one stream");
    let kinds = [echo.event("track"), echo.event("track")].map(|event| event["kind"].to_string());
    assert!(kinds[0] != kinds[1], "{kinds:?}");
    pc.close().await;
    assert!(video.recv_frame().await.is_none(), "nobody waits for ever");
}
