//! Shares the screen, or a window of it, with a peer.
//!
//! `cargo run --features codecs,screen --example screen_share -- [a part of a window's title]`: both ends are in one process.
//! Where there is no screen, it says why, and numbered pictures stand in for it: `xvfb-run` makes one.

mod support;

use std::sync::Arc;
use std::time::Duration;

use peerage::engine::sources;
use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::devices::{DisplayMediaOptions, MediaDevices};
use peerage::media_engine::track::{ContentHint, MediaStream};
use support::{Result, negotiate, next_track, two_peers};

#[tokio::main]
async fn main() -> Result<()> {
    let devices = MediaDevices::new();
    for display in devices.enumerate_displays() {
        println!("can be shared: {} ({})", display.label, display.device_id);
    }
    let surface = std::env::args().nth(1);
    let options = DisplayMediaOptions { surface, ..DisplayMediaOptions::default() };
    let stream = match devices.get_display_media(&options) {
        Ok(stream) => stream,
        Err(error) => {
            println!("{error}");
            MediaStream::new([sources::numbered_pictures(1280, 720, 15.0)?.into()])
        }
    };
    let track = stream.video_tracks().into_iter().next().ok_or("no pictures")?;
    // Text is to stay sharp; that it moves smoothly matters less.
    track.set_content_hint(ContentHint::Text);
    println!("sharing {}: {:?}", track.label(), track.get_settings());

    let codecs = Arc::new(BuiltIn);
    let (sharer, viewer) = two_peers().await?;
    let _sender = sharer.send_track(&track.into(), &[&stream], codecs.clone()).await?;
    negotiate(&sharer, &viewer).await?;
    let received = next_track(&viewer).await?.receive_track(codecs)?;
    let mut pictures = received.track().as_video().ok_or("no pictures")?.sink(2);
    let mut seen = 0;
    let watch = async {
        while seen < 10 {
            let Some(frame) = pictures.recv().await else { break };
            seen += 1;
            if seen == 1 {
                println!("seen: {} x {}", frame.picture.width(), frame.picture.height());
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(20), watch).await;
    sharer.close().await;
    println!("{seen} pictures came");
    assert!(seen == 10, "too few pictures came");
    Ok(())
}
