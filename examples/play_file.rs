//! Plays a picture and a sound file to a peer: encoded frames from IVF and Ogg Opus, sent as they are.
//!
//! `cargo run --example play_file -- [clip.ivf [sound.ogg]]`. The peer is in the same process and tells what arrives; to
//! see it in a browser, exchange descriptions with one as `peerage serve` does.

mod support;

use peerage::RtpTransceiver;
use peerage::media::MediaKind;
use support::{Result, add_video, file, negotiate, next_track, play_sound, play_video, two_peers};

#[tokio::main]
async fn main() -> Result<()> {
    let (clip, sound) = (file(1, "clip.ivf"), file(2, "tone.ogg"));
    let (player, viewer) = two_peers().await?;
    let video = add_video(&player, &clip).await?;
    let audio = player.add_track(MediaKind::Audio, "sound", vec!["clip".to_owned()]).await?;
    negotiate(&player, &viewer).await?;
    let (first, second) = (next_track(&viewer).await?, next_track(&viewer).await?);
    let watching = tokio::spawn(async move { tokio::join!(watch(first), watch(second)) });

    let (frames, _) = tokio::try_join!(play_video(&clip, &video, 0), play_sound(&sound, &audio))?;
    let (one, other) = watching.await?;
    println!("{frames} frames of video were sent");
    // The first frames may be on their way before the viewer has its keys; nothing else may be missing.
    let seen = if one.0 == MediaKind::Video { one.1 } else { other.1 };
    assert!(seen + 3 >= frames, "only {seen} frames of video came");
    player.close().await;
    Ok(())
}

/// Counts what comes, until the file is over.
async fn watch(transceiver: RtpTransceiver) -> (MediaKind, u32) {
    let kind = transceiver.kind();
    let (mut frames, mut bytes) = (0, 0);
    while let Some(received) = support::recv_until_quiet(&transceiver).await {
        if received.frame.keyframe && kind == MediaKind::Video {
            println!("video: a keyframe, {:?}", received.frame.dimensions);
        }
        frames += 1;
        bytes += received.frame.data.len();
    }
    println!("{}: {frames} frames, {bytes} bytes", kind.as_str());
    (kind, frames)
}
