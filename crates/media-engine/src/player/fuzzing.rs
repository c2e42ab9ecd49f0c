//! Bodies of fuzz targets for files that are played, and for files that are recorded and then played.

use std::io::{Cursor, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::file::{MediaFile, MediaFrame};
use super::pace::Pace;
use super::packets::Packets;
use super::{PlayError, PlayErrorKind};
use crate::audio::{AudioBlock, AudioFrame};
use crate::codec::BuiltIn;
use crate::recorder::{Container, RecordError, RecorderOptions, Recording};
use crate::video::{I420, Rotation, VideoFrame};

/// Pieces of a file that are looked at: even the largest pictures then take no minute.
const PIECES: usize = 64;

fn open(data: Vec<u8>) -> Result<MediaFile, PlayError> {
    MediaFile::of(Path::new("fuzz"), Packets::read(Box::new(Cursor::new(data))), &BuiltIn)
}

/// Plays a file of any kind, without its clock. Blocks of sound last 10 ms and follow each other, pictures are of a size that may be,
/// nothing comes after an error, and nothing is waited for longer than is said.
pub fn player(data: &[u8]) {
    const AHEAD: Duration = Duration::from_secs(600);
    let Ok(mut file) = open(data.to_vec()) else { return };
    let (mut pace, mut heard) = (Pace::default(), None);
    for _ in 0..PIECES {
        match file.advance() {
            None => break,
            Some(Ok(None)) => {}
            Some(Ok(Some(frame))) => {
                let before = pace.last();
                assert!(pace.place(frame.time()) <= before + AHEAD);
                match frame {
                    MediaFrame::Audio(frame) => {
                        assert_eq!(frame.block.duration(), AudioBlock::DURATION);
                        assert!(heard.is_none_or(|heard| frame.time > heard), "sound goes back");
                        heard = Some(frame.time);
                    }
                    MediaFrame::Video(frame) => {
                        assert!(frame.picture.width() > 0 && frame.picture.height() > 0);
                    }
                }
            }
            Some(Err(_)) => {
                assert!(file.advance().is_none(), "something came after an error");
                break;
            }
        }
    }
}

/// Records what each four bytes say into a file of the kind that the first byte chooses, and plays it: whatever the sources' clocks,
/// sizes and rates did, what was written is read without an error.
pub fn recording(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let container = [Container::Wav, Container::Y4m, Container::Ogg, Container::WebM];
    let container = container[usize::from(choice % 4)];
    let (audio, video) = (container != Container::Y4m, container == Container::Y4m);
    let options =
        RecorderOptions { frame_rate: u32::from(choice / 4).max(1), ..Default::default() };
    let file = Shared::default();
    let made = Recording::new(file.clone(), container, options, audio, video);
    let mut recording = made.expect("what the container holds");
    let mut now = Instant::now();
    let mut time = Duration::ZERO;
    for call in data.chunks_exact(4).take(PIECES) {
        let [kind, first, second, third] = [call[0], call[1], call[2], call[3]];
        now += Duration::from_millis(u64::from(third) * 4);
        time = match kind >> 5 {
            0 => Duration::MAX,
            1 => Duration::from_secs(u64::from(first) << 40),
            2 => time.saturating_sub(Duration::from_millis(u64::from(first) * 10)),
            _ => time.saturating_add(Duration::from_millis(u64::from(third) * 4)),
        };
        let taken = if audio {
            let rates = [8_000, 11_025, 16_000, 44_100, 48_000, 100, 192_000];
            let rate = rates[usize::from(kind % 7)];
            let channels = usize::from(first % 8) + 1;
            let block = AudioBlock::silence(rate, channels, usize::from(second) * 8);
            recording.audio(&AudioFrame { block, time }, now, &BuiltIn)
        } else {
            let picture = I420::black(u16::from(first % 32) + 1, u16::from(second % 32) + 1);
            let mut frame = VideoFrame::new(picture, time);
            let turns =
                [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];
            frame.rotation = turns[usize::from(kind % 4)];
            recording.video(&frame, now, &BuiltIn)
        };
        match taken {
            Ok(()) => {}
            // There is no codec, or no way from this rate to that of the file.
            Err(RecordError::Codec(_) | RecordError::Rate(_)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    let Ok(summary) = recording.finish() else { return };
    let written = std::mem::take(&mut *file.lock()).into_inner();
    match open(written) {
        Ok(file) => {
            let frames = file.inspect(|frame| assert!(frame.is_ok(), "{frame:?}")).count();
            // Of neither more than a hundred a second.
            assert!(frames as f64 <= summary.duration.as_secs_f64() * 100.0 + 16.0);
        }
        Err(error) => match error.kind() {
            // Rates that tracks do not have, or a build without the codec.
            PlayErrorKind::Rate(_) | PlayErrorKind::Codec(_) => {}
            kind => panic!("{kind}"),
        },
    }
}

/// A file that is read once it is written.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Cursor<Vec<u8>>>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Cursor<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.lock().seek(to)
    }
}

#[cfg(test)]
mod tests {
    use crate::files::fuzzing::inputs;

    #[test]
    fn bodies_hold_on_noise() {
        let mut state = 0x2545_F491_4F6C_DD1Du64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        let heads: [&[u8]; 4] = [
            b"DKIF\0\0\x20\0VP80\x40\x01\xF0\0\x1E\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x03\0\0\0",
            b"RIFF\x40\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1F\0\0\x80\x3E\0\0\x02\0\x10\0data\x20\0\0\0",
            b"YUV4MPEG2 W4 H2 F30:1\nFRAME\n0123456789abFRAME\n",
            b"\x1A\x45\xDF\xA3\x80\x18\x53\x80\x67\xFF\x16\x54\xAE\x6B\x8F\xAE\x8D\xD7\x81\x01\x83\x81\x01\x86\x85V_VP8\x1F\x43\xB6\x75\xFF\xE7\x81\0\xA3",
        ];
        for round in 0..400usize {
            let mut data = heads[round % 4].to_vec();
            data.extend((0..next()).map(|_| next()));
            super::player(&data);
            let mut data = vec![round as u8];
            data.extend((0..next() / 2).map(|_| next()));
            super::recording(&data);
        }
    }

    #[test]
    fn seeds_and_regressions_of_players_hold() {
        inputs::run("media_player", super::player);
    }

    #[test]
    fn seeds_and_regressions_of_recordings_hold() {
        inputs::run("media_recording", super::recording);
    }
}
