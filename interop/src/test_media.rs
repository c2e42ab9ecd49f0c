//! Test files, made once in a run by ffmpeg: pictures that tell their own number, and a tone. See "Test pictures" in the
//! README; `pages/media.js` reads them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::Mutex;

/// Frames of a file. The number of each fits the eight cells of a row.
pub(crate) const FRAMES: u32 = 240;

/// Frames a second.
pub(crate) const RATE: u32 = 30;

/// Frames from one keyframe to the next.
pub(crate) const GROUP: u32 = 30;

/// The tone, Hz.
pub(crate) const TONE: f64 = 1000.0;

/// Frames that the colours stay.
const COLOUR_FRAMES: u32 = 15;

const COLUMNS: usize = 8;
const ROWS: usize = 4;

/// Y, Cb, Cr of black and white, and of the colours in their order: red, green, blue, yellow, cyan, magenta (BT.601).
const BLACK: [u8; 3] = [16, 128, 128];
const WHITE: [u8; 3] = [235, 128, 128];
const PALETTE: [[u8; 3]; 6] =
    [[82, 90, 240], [145, 54, 34], [41, 240, 110], [210, 16, 146], [170, 166, 16], [107, 202, 222]];

/// What a file of video shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picture {
    pub width: usize,
    pub height: usize,
    /// Told by the last row.
    pub layer: u8,
    /// Bits a second.
    pub bitrate: u32,
}

/// Speech that others have recorded, 16-bit samples at 16 kHz; `None` where the corpora are not there.
pub(crate) fn speech() -> Option<PathBuf> {
    let corpora = std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora"),
        PathBuf::from,
    );
    let file = corpora.join("libwebrtc/voice_engine/audio_short16.pcm");
    file.is_file().then_some(file)
}

/// Files are made one at a time, and by whoever needs them first.
static MAKING: Mutex<()> = Mutex::const_new(());

/// A file of video in a folder; made if it is not there.
///
/// # Errors
/// When ffmpeg fails; the message has what it said.
pub(crate) async fn video(folder: &Path, codec: &str, picture: Picture) -> Result<PathBuf> {
    let (ending, encoder): (_, &[&str]) = match codec {
        "VP8" => ("ivf", &["libvpx", "-deadline", "realtime", "-cpu-used", "8"]),
        "VP9" => ("ivf", &["libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"]),
        "AV1" => ("obu", &["libaom-av1", "-usage", "realtime", "-cpu-used", "8"]),
        "H264" => (
            "h264",
            &["libx264", "-profile:v", "baseline", "-preset", "ultrafast", "-tune", "zerolatency"],
        ),
        other => bail!("no test file is made in {other}"),
    };
    let name = format!("{}-{}x{}-{}.{ending}", codec, picture.width, picture.height, picture.layer);
    let path = folder.join(name);
    let _making = MAKING.lock().await;
    if path.is_file() {
        return Ok(path);
    }
    let size = format!("{}x{}", picture.width, picture.height);
    let (rate, group, bits) = (RATE.to_string(), GROUP.to_string(), picture.bitrate.to_string());
    let mut arguments =
        vec!["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &size, "-r", &rate, "-i", "-", "-c:v"];
    arguments.extend(encoder);
    arguments.extend(["-b:v", &bits, "-g", &group, "-keyint_min", &group, "-threads", "1"]);
    if codec != "H264" {
        // No frames that are not shown, and none out of order.
        arguments.extend(["-lag-in-frames", "0"]);
    }
    let frames = (0..FRAMES).flat_map(|number| draw(number, picture)).collect();
    ffmpeg(folder, &path, &arguments, frames).await
}

/// The tone, as Opus in Ogg.
///
/// # Errors
/// As [`video`].
pub(crate) async fn tone(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("tone.ogg");
    let _making = MAKING.lock().await;
    if path.is_file() {
        return Ok(path);
    }
    let source = format!("sine=frequency={TONE}:duration=8:sample_rate=48000");
    let arguments = [
        "-f",
        "lavfi",
        "-i",
        &source,
        "-ac",
        "2",
        "-c:a",
        "libopus",
        "-b:a",
        "32k",
        "-frame_duration",
        "20",
    ];
    ffmpeg(folder, &path, &arguments, Vec::new()).await
}

async fn ffmpeg(folder: &Path, path: &Path, arguments: &[&str], input: Vec<u8>) -> Result<PathBuf> {
    tokio::fs::create_dir_all(folder)
        .await
        .with_context(|| format!("cannot create {}", folder.display()))?;
    // A file that is only half there is never found by its name.
    let half =
        path.with_file_name(format!("half-{}", path.file_name().unwrap_or_default().display()));
    let mut program = Command::new("ffmpeg")
        .args(["-v", "error", "-y"])
        .args(arguments)
        .arg(&half)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start ffmpeg")?;
    let mut stdin = program.stdin.take().context("ffmpeg has no standard input")?;
    let feed = async move {
        // An ffmpeg that fails closes its end; what it said tells why.
        let _ = stdin.write_all(&input).await;
    };
    let (output, ()) = tokio::join!(program.wait_with_output(), feed);
    let output = output.context("ffmpeg")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ffmpeg could not make {}: {said}", path.display());
    tokio::fs::rename(&half, path).await.context("cannot rename what ffmpeg made")?;
    Ok(path.to_owned())
}

/// A frame as planar 4:2:0.
fn draw(number: u32, picture: Picture) -> Vec<u8> {
    let mut cells = [[BLACK; COLUMNS]; ROWS];
    let step = (number / COLOUR_FRAMES) as usize;
    for column in 0..COLUMNS {
        let bit = |value: u32| if value >> (COLUMNS - 1 - column) & 1 == 1 { WHITE } else { BLACK };
        let layer = u32::from(picture.layer & 15);
        cells[0][column] = bit(number);
        cells[1][column] = bit(!number);
        cells[2][column] = PALETTE[(step + column) % PALETTE.len()];
        cells[3][column] = bit(layer << 4 | !layer & 15);
    }
    let mut out = Vec::with_capacity(picture.width * picture.height * 3 / 2);
    for (plane, scale) in [(0, 1), (1, 2), (2, 2)] {
        let (width, height) = (picture.width / scale, picture.height / scale);
        for y in 0..height {
            let row = &cells[y * ROWS / height];
            out.extend((0..width).map(|x| row[x * COLUMNS / width][plane]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_tells_its_number_and_its_complement() {
        let picture = Picture { width: 16, height: 8, layer: 0b0101, bitrate: 0 };
        let frame = draw(0b1010_0001, picture);
        assert_eq!(frame.len(), 16 * 8 * 3 / 2);
        // Two pixels a cell, two lines a row.
        let row = |row: usize| -> String {
            let cell = |column: usize| frame[row * 2 * 16 + column * 2];
            (0..8).map(|column| if cell(column) > 128 { '1' } else { '0' }).collect()
        };
        assert_eq!([row(0), row(1), row(3)], ["10100001", "01011110", "01011010"]);
        // 161 / 15 = 10: the colours begin with the fifth, cyan.
        assert_eq!(frame[2 * 2 * 16], PALETTE[4][0]);
        let chroma = 16 * 8;
        assert_eq!(frame[chroma + 2 * 8], PALETTE[4][1]);
    }
}
