//! What ffmpeg's filters make of a clip, and what they cost.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use peerage_media::video::I420;

use crate::picture_support::clips::Clip;

/// The clip through a filter, and the CPU time for each picture; `None` where there is no ffmpeg.
pub(crate) fn filter(clip: &Clip, filter: &str) -> Option<(Clip, Duration)> {
    let (pictures, with) = run(clip, filter)?;
    // Reading and writing are no part of it.
    let (_, without) = run(clip, "null")?;
    let each = with.saturating_sub(without) / clip.pictures.len() as u32;
    Some((Clip { name: clip.name, pictures }, each))
}

fn run(clip: &Clip, filter: &str) -> Option<(Vec<I420>, Duration)> {
    let first = &clip.pictures[0];
    let size = format!("{}x{}", first.width(), first.height());
    let mut child = Command::new("ffmpeg")
        .args(["-v", "info", "-nostdin", "-benchmark", "-threads", "1", "-filter_threads", "1"])
        .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", &size, "-i", "-"])
        .args(["-vf", filter, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().expect("piped");
    let pictures = clip.pictures.clone();
    let writer = std::thread::spawn(move || {
        pictures.iter().try_for_each(|picture| input.write_all(picture.as_bytes()))
    });
    let out = child.wait_with_output().expect("ffmpeg ends");
    writer.join().expect("no panic").ok()?;
    let said = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() {
        println!("ffmpeg {filter}: {said}");
        return None;
    }
    let spent = said.rsplit("utime=").next()?.split('s').next()?.parse().ok()?;
    let length = first.as_bytes().len();
    let whole = out.stdout.chunks_exact(length);
    let pictures = whole
        .map(|data| I420::from_planes(first.width(), first.height(), data.to_vec()).expect("whole"))
        .collect();
    Some((pictures, Duration::from_secs_f64(spent)))
}
