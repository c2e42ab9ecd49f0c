//! Plays a media file to a peer: decoded, encoded anew as the connection allows, in real time.
//!
//! `cargo run --features codecs --example play_media_file -- [film.webm]`: WebM, Matroska, IVF, Ogg, WAV or Y4M. Player and
//! viewer are in one process.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::player::{MediaPlayer, PlayerOptions};
use peerage::media_engine::track::SinkError;
use support::{Result, file, negotiate, next_track, two_peers};

#[tokio::main]
async fn main() -> Result<()> {
    let path = file(1, "clip.ivf");
    let codecs = Arc::new(BuiltIn);
    let (sender, viewer) = two_peers().await?;

    // Over and over until we are connected, so that a short file is not over before anybody sees it.
    let options = PlayerOptions::default().with_looped(true);
    let mut player = MediaPlayer::open(&path, options, codecs.clone())?;
    let stream = player.stream().clone();
    let mut senders = Vec::new();
    for track in stream.tracks() {
        println!("{}: {} {:?}", track.label(), track.kind().as_str(), track.get_settings());
        senders.push(sender.send_track(&track, &[&stream], codecs.clone()).await?);
    }
    negotiate(&sender, &viewer).await?;
    let received = next_track(&viewer).await?.receive_track(codecs)?;

    let track = received.track().clone();
    let seen = tokio::task::spawn_blocking(move || {
        let (mut seen, end) = (0, Instant::now() + Duration::from_secs(4));
        let wait = Duration::from_millis(100);
        let mut video = track.as_video().map(|video| video.sink(4));
        let mut audio = track.as_audio().map(|audio| audio.sink(100));
        while Instant::now() < end {
            let taken = match (&mut video, &mut audio) {
                (Some(video), _) => video.recv_timeout(wait).map(drop),
                (_, Some(audio)) => audio.recv_timeout(wait).map(drop),
                _ => return seen,
            };
            match taken {
                Ok(()) => seen += 1,
                Err(SinkError::Empty) => {}
                Err(_) => return seen,
            }
        }
        seen
    });
    let seen = seen.await?;
    let kind = received.track().kind().as_str();
    println!("{seen} frames of {kind} came of {}", path.display());
    tokio::task::spawn_blocking(move || player.stop()).await?;
    sender.close().await;
    assert!(seen > 10, "nothing was seen or heard");
    Ok(())
}
