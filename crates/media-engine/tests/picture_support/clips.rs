//! Clips to work on: our own scenes, and those of the corpora where they and ffmpeg are.

use std::path::{Path, PathBuf};
use std::process::Command;

use peerage_media::video::I420;

use super::scene;

/// Pictures one after another.
#[derive(Clone)]
pub(crate) struct Clip {
    /// What it is called in tables.
    pub(crate) name: &'static str,
    /// All of a size.
    pub(crate) pictures: Vec<I420>,
}

impl Clip {
    /// Our own scene: a room with someone who speaks, text, texture, and a ball that flies.
    pub(crate) fn room(width: u16, height: u16, count: u32) -> Self {
        let room = scene::Room::new(width, height);
        Self { name: "room (ours)", pictures: (0..count).map(|n| room.picture(n)).collect() }
    }

    /// Texture over which the camera moves.
    pub(crate) fn pan(width: u16, height: u16, count: u32) -> Self {
        let room = scene::Room::new(width, height);
        Self {
            name: "pan over texture (ours)",
            pictures: (0..count).map(|n| room.pan(n)).collect(),
        }
    }

    /// One of the corpora; `None`, and says so, where it or ffmpeg is missing.
    pub(crate) fn of_corpus(
        name: &'static str,
        file: &str,
        (width, height): (u16, u16),
        from: u32,
        count: u32,
    ) -> Option<Self> {
        let corpora = std::env::var_os("PEERAGE_CORPORA").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
            PathBuf::from,
        );
        let path = corpora.join("video").join(file);
        if !path.is_file() {
            println!("skipped: no {}", path.display());
            return None;
        }
        let out = Command::new("ffmpeg")
            .args(["-v", "error", "-threads", "1", "-i"])
            .arg(&path)
            .args(["-vf", &format!("trim=start_frame={from},setpts=PTS-STARTPTS")])
            .args(["-frames:v", &count.to_string(), "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
            .output();
        let Ok(out) = out else {
            println!("skipped: no ffmpeg");
            return None;
        };
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let length = I420::black(width, height).as_bytes().len();
        let pictures = out.stdout.chunks_exact(length);
        let pictures = pictures
            .map(|data| I420::from_planes(width, height, data.to_vec()).expect("a picture"));
        Some(Self { name, pictures: pictures.collect() })
    }

    /// Each picture made worse.
    pub(crate) fn degraded(&self, mut how: impl FnMut(&mut I420)) -> Self {
        let mut pictures = self.pictures.clone();
        pictures.iter_mut().for_each(&mut how);
        Self { name: self.name, pictures }
    }
}
