//! Writes what a peer sends to a WebM file.
//!
//! `cargo run --example record -- [out.webm]`. The peer is in the same process and plays `examples/media`.

mod support;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use peerage::RtpTransceiver;
use peerage::media::MediaKind;
use peerage_media::files::{MatroskaTracks, MatroskaVideo, MatroskaWriter, OpusHead};
use support::{Result, add_video, file, negotiate, next_track, play_sound, play_video, two_peers};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::temp_dir();
    let out =
        std::env::args().nth(1).map_or_else(|| folder.join("peerage-record.webm"), PathBuf::from);
    let (clip, sound) = (file(2, "clip.ivf"), file(3, "tone.ogg"));
    let (player, recorder) = two_peers().await?;
    let video = add_video(&player, &clip).await?;
    let audio = player.add_track(MediaKind::Audio, "sound", vec!["clip".to_owned()]).await?;
    negotiate(&player, &recorder).await?;

    // A width of 0: the first keyframe tells.
    let tracks =
        MatroskaTracks { video: Some((MatroskaVideo::Vp8, 0, 0)), audio: Some(OpusHead::new(2)) };
    let writer = Arc::new(Mutex::new(MatroskaWriter::new(std::fs::File::create(&out)?, tracks)?));
    let mut tasks = Vec::new();
    for _ in 0..2 {
        tasks.push(tokio::spawn(record(next_track(&recorder).await?, Arc::clone(&writer))));
    }
    tokio::try_join!(play_video(&clip, &video, 0), play_sound(&sound, &audio))?;
    for task in tasks {
        let (kind, frames) = task.await??;
        println!("{}: {frames} frames", kind.as_str());
        assert!(frames > 0);
    }
    let writer = Arc::into_inner(writer).ok_or("a task still writes")?;
    writer.into_inner()?.finish_seekable()?;
    println!("wrote {}, {} bytes", out.display(), std::fs::metadata(&out)?.len());
    Ok(())
}

/// Writes the frames of one track, in time with its first one.
async fn record(
    transceiver: RtpTransceiver,
    writer: Arc<Mutex<MatroskaWriter<std::fs::File>>>,
) -> Result<(MediaKind, u32)> {
    let kind = transceiver.kind();
    let rate = if kind == MediaKind::Video { 90_000 } else { 48_000 };
    let (mut first, mut frames) = (None, 0);
    while let Some(received) = support::recv_until_quiet(&transceiver).await {
        let frame = received.frame;
        let since = frame.timestamp.wrapping_sub(*first.get_or_insert(frame.timestamp));
        let time = Duration::from_micros(u64::from(since) * 1_000_000 / rate);
        let mut writer = writer.lock().map_err(|_| "the other task failed")?;
        match kind {
            MediaKind::Video => writer.write_video(time, frame.keyframe, &frame.data)?,
            MediaKind::Audio => writer.write_audio(time, &frame.data)?,
        }
        frames += 1;
    }
    Ok((kind, frames))
}
