//! WebM and Matroska (RFC 9559), read as a stream: element after element, whether sizes are known or not, as browsers, ffmpeg
//! and [`MatroskaWriter`](super::MatroskaWriter) write them.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;

use super::error::Error;
use super::matroska::id;
use super::source::{MAX_FRAME, Source};

const FORMAT: &str = "Matroska";
/// Descriptions of all tracks larger than this are refused.
const MAX_TRACKS: u64 = 4 << 20;
/// Tracks beyond these are passed over.
const MAX_TRACK_COUNT: usize = 64;
/// Parameter sets of H.264 larger than this are refused: they stand before each keyframe.
const MAX_PARAMETER_SETS: usize = 64 << 10;

/// What a track is coded with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MatroskaCodec {
    /// VP8.
    Vp8,
    /// VP9.
    Vp9,
    /// AV1.
    Av1,
    /// H.264; frames are given in Annex B form, keyframes with their parameter sets.
    H264,
    /// Opus.
    Opus,
    /// Something else, under its name in the file.
    Other(String),
}

/// A track of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct MatroskaTrack {
    /// Its number, by which frames name it.
    pub number: u64,
    /// What it is coded with.
    pub codec: MatroskaCodec,
    /// Width and height of pictures; zero where they are not told.
    pub dimensions: (u32, u32),
    /// Samples a second of sound; zero where they are not told.
    pub sample_rate: u32,
    /// Channels of sound.
    pub channels: u8,
    /// What decoders are to be told first: `OpusHead` of Opus, the configuration record of H.264 and AV1.
    pub private: Bytes,
    /// What is to be left out of the beginning of what is decoded.
    pub codec_delay: Duration,
}

/// A frame of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatroskaFrame {
    /// The number of its track.
    pub track: u64,
    /// When it is shown or heard.
    pub time: Duration,
    /// It can be decoded by itself.
    pub keyframe: bool,
    /// The frame.
    pub data: Bytes,
}

/// Reads frames in the order of the file. After an error nothing more comes.
#[derive(Debug)]
pub struct MatroskaReader<R> {
    source: Source<R>,
    tracks: Vec<Track>,
    described: Vec<MatroskaTrack>,
    /// Nanoseconds of a tick of time.
    scale: u64,
    cluster_time: u64,
    /// The header of an element that was read, and not what is in it.
    next: Option<Element>,
    failed: bool,
}

/// What is needed of a track to give its frames.
#[derive(Debug)]
struct Track {
    number: u64,
    /// H.264: how many bytes lengths have, and the parameter sets in Annex B form.
    avc: Option<(usize, Vec<u8>)>,
}

#[derive(Debug, Clone, Copy)]
struct Element {
    id: u32,
    /// None: not known.
    size: Option<u64>,
    /// Where it begins.
    offset: u64,
}

impl<R: Read> MatroskaReader<R> {
    /// Reads up to the first cluster.
    ///
    /// # Errors
    ///
    /// The file is not Matroska, or describes no tracks before its first frame.
    pub fn new(reader: R) -> Result<Self, Error> {
        let mut source = Source::new(FORMAT, reader);
        match element(&mut source)? {
            Some(Element { id: id::EBML, size: Some(size), .. }) => source.skip(size)?,
            _ => return Err(source.invalid(0, "the file does not begin with an EBML header")),
        }
        let mut reader = Self {
            source,
            tracks: Vec::new(),
            described: Vec::new(),
            scale: 1_000_000,
            cluster_time: 0,
            next: None,
            failed: false,
        };
        loop {
            let Some(found) = element(&mut reader.source)? else {
                return Err(reader.source.truncated("what comes before the first cluster"));
            };
            match found.id {
                id::SEGMENT => {}
                id::INFO => {
                    let info = reader.body(found, MAX_TRACKS, "the information on the segment")?;
                    let scale = child(&info, id::TIMESTAMP_SCALE).map(number);
                    reader.scale = scale.filter(|scale| *scale > 0).unwrap_or(1_000_000);
                }
                id::TRACKS => {
                    let body = reader.body(found, MAX_TRACKS, "the description of tracks")?;
                    let entries = children(&body).filter(|(id, _)| *id == id::TRACK_ENTRY);
                    // There may be several lists of them.
                    let left = MAX_TRACK_COUNT - reader.tracks.len();
                    for (_, entry) in entries.take(left) {
                        reader.track(entry, found.offset)?;
                    }
                }
                id::CLUSTER => {
                    if reader.tracks.is_empty() {
                        let reason = "a cluster comes before any description of tracks";
                        return Err(reader.source.invalid(found.offset, reason));
                    }
                    reader.next = Some(found);
                    return Ok(reader);
                }
                _ => reader.pass(found)?,
            }
        }
    }

    /// The tracks.
    pub fn tracks(&self) -> &[MatroskaTrack] {
        &self.described
    }

    fn track(&mut self, entry: &[u8], offset: u64) -> Result<(), Error> {
        if child(entry, id::CONTENT_ENCODINGS).is_some() {
            let reason = "a track is compressed or encrypted by the container";
            return Err(self.source.invalid(offset, reason));
        }
        let track_number = child(entry, id::TRACK_NUMBER).map_or(0, number);
        let codec = match child(entry, id::CODEC_ID).unwrap_or_default() {
            b"V_VP8" => MatroskaCodec::Vp8,
            b"V_VP9" => MatroskaCodec::Vp9,
            b"V_AV1" => MatroskaCodec::Av1,
            b"V_MPEG4/ISO/AVC" => MatroskaCodec::H264,
            b"A_OPUS" => MatroskaCodec::Opus,
            other => MatroskaCodec::Other(String::from_utf8_lossy(other).into_owned()),
        };
        let private = child(entry, id::CODEC_PRIVATE).unwrap_or_default();
        let avc = match codec {
            MatroskaCodec::H264 => Some(parameter_sets(private).ok_or_else(|| {
                self.source.invalid(
                    offset,
                    "the configuration record of H.264 is malformed, or over 64 KiB",
                )
            })?),
            _ => None,
        };
        let video = child(entry, id::VIDEO).unwrap_or_default();
        let audio = child(entry, id::AUDIO).unwrap_or_default();
        let side = |id| child(video, id).map_or(0, number) as u32;
        let delay = child(entry, id::CODEC_DELAY).map_or(0, number);
        self.described.push(MatroskaTrack {
            number: track_number,
            codec,
            dimensions: (side(id::PIXEL_WIDTH), side(id::PIXEL_HEIGHT)),
            sample_rate: child(audio, id::SAMPLING_FREQUENCY).map_or(0, float),
            channels: child(audio, id::CHANNELS).map_or(1, number) as u8,
            private: Bytes::copy_from_slice(private),
            codec_delay: Duration::from_nanos(delay),
        });
        self.tracks.push(Track { number: track_number, avc });
        Ok(())
    }

    /// What is in an element whose size must be known.
    fn body(&mut self, of: Element, limit: u64, what: &'static str) -> Result<Vec<u8>, Error> {
        let Some(size) = of.size else {
            return Err(self
                .source
                .invalid(of.offset, "an element that must have a size has none"));
        };
        if size > limit {
            let (format, offset) = (FORMAT, of.offset);
            return Err(Error::TooLarge { format, offset, what, size, limit });
        }
        let mut body = Vec::new();
        self.source.append(size as usize, what, &mut body)?;
        Ok(body)
    }

    fn pass(&mut self, over: Element) -> Result<(), Error> {
        match over.size {
            Some(size) => self.source.skip(size),
            None => Err(self.source.invalid(over.offset, "an element of no known size")),
        }
    }

    fn read_frame(&mut self) -> Result<Option<MatroskaFrame>, Error> {
        loop {
            let next = match self.next.take() {
                Some(next) => Some(next),
                None => element(&mut self.source)?,
            };
            let Some(found) = next else { return Ok(None) };
            match found.id {
                // What is in these is read as it comes; where they end does not matter.
                id::SEGMENT | id::CLUSTER => {}
                id::TIMESTAMP => {
                    self.cluster_time = number(&self.body(found, 8, "the time of a cluster")?);
                }
                id::SIMPLE_BLOCK => {
                    let body = self.body(found, MAX_FRAME as u64, "a block")?;
                    let keyframe = body.get(vint_length(&body) + 2).is_some_and(|b| b & 0x80 != 0);
                    if let Some(frame) = self.block(body, keyframe, found.offset)? {
                        return Ok(Some(frame));
                    }
                }
                id::BLOCK_GROUP => {
                    let group = self.body(found, MAX_FRAME as u64, "a group of a block")?;
                    let keyframe = child(&group, id::REFERENCE_BLOCK).is_none();
                    let block = child(&group, id::BLOCK).unwrap_or_default().to_vec();
                    if let Some(frame) = self.block(block, keyframe, found.offset)? {
                        return Ok(Some(frame));
                    }
                }
                _ => self.pass(found)?,
            }
        }
    }

    /// A block (RFC 9559 §10.1): track, time from the cluster's, flags, and a frame. None: of a track that is not described.
    fn block(
        &self,
        body: Vec<u8>,
        keyframe: bool,
        offset: u64,
    ) -> Result<Option<MatroskaFrame>, Error> {
        let Some((track_number, head)) = vint(&body) else {
            return Err(self.source.invalid(offset, "a block without a track"));
        };
        let [high, low, flags, ..] = body[head..] else {
            return Err(self.source.invalid(offset, "a block without a time"));
        };
        let Some(track) = self.tracks.iter().find(|track| track.number == track_number) else {
            return Ok(None);
        };
        if flags & 0x06 != 0 {
            return Err(self.source.invalid(offset, "several frames in one block (lacing)"));
        }
        let ticks =
            self.cluster_time.saturating_add_signed(i64::from(i16::from_be_bytes([high, low])));
        let time = Duration::from_nanos(ticks.saturating_mul(self.scale));
        let mut data = Bytes::from(body).slice(head + 3..);
        if let Some((length, sets)) = &track.avc {
            data = annex_b(&data, *length, if keyframe { sets } else { &[] })
                .ok_or_else(|| self.source.invalid(offset, "a unit of H.264 exceeds its frame"))?;
        }
        Ok(Some(MatroskaFrame { track: track_number, time, keyframe, data }))
    }
}

impl<R: Read> Iterator for MatroskaReader<R> {
    type Item = Result<MatroskaFrame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let frame = self.read_frame();
        self.failed = frame.is_err();
        frame.transpose()
    }
}

/// The header of the next element, or `None` where the file ends.
fn element<R: Read>(source: &mut Source<R>) -> Result<Option<Element>, Error> {
    let offset = source.offset();
    let Some([first]) = source.array_or_end::<1>("an element")? else { return Ok(None) };
    let length = first.leading_zeros();
    if length > 3 {
        return Err(source.invalid(offset, "not the id of an element"));
    }
    let mut id = u32::from(first);
    for _ in 0..length {
        let [byte] = source.array("the id of an element")?;
        id = id << 8 | u32::from(byte);
    }
    let [first] = source.array("the size of an element")?;
    let length = first.leading_zeros();
    if length > 7 {
        return Err(source.invalid(offset, "not the size of an element"));
    }
    let mut size = u64::from(first) & ((1 << (7 - length)) - 1);
    for _ in 0..length {
        let [byte] = source.array("the size of an element")?;
        size = size << 8 | u64::from(byte);
    }
    let unknown = (1_u64 << (7 * (length + 1))) - 1;
    Ok(Some(Element { id, size: (size != unknown).then_some(size), offset }))
}

/// How many bytes a number of variable length has.
fn vint_length(bytes: &[u8]) -> usize {
    bytes.first().map_or(0, |first| first.leading_zeros() as usize + 1)
}

/// A number of variable length (RFC 8794 §4), and how many bytes it has.
fn vint(bytes: &[u8]) -> Option<(u64, usize)> {
    let length = vint_length(bytes);
    let all = bytes.get(..length).filter(|_| (1..=8).contains(&length))?;
    let marked = all.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    Some((marked & !(1 << (7 * length)), length))
}

/// The elements in an element; ends where they are malformed.
fn children(body: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let mut source = Source::new(FORMAT, rest);
        let found = element(&mut source).ok()??;
        let (_, inner) = rest.split_at_checked(source.offset() as usize)?;
        let size = usize::try_from(found.size?).ok()?;
        let (inner, after) = inner.split_at_checked(size)?;
        rest = after;
        Some((found.id, inner))
    })
}

fn child(body: &[u8], wanted: u32) -> Option<&[u8]> {
    children(body).find(|(id, _)| *id == wanted).map(|(_, inner)| inner)
}

fn number(body: &[u8]) -> u64 {
    body.iter().take(8).fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn float(body: &[u8]) -> u32 {
    match *body {
        [a, b, c, d] => f32::from_be_bytes([a, b, c, d]) as u32,
        [a, b, c, d, e, f, g, h] => f64::from_be_bytes([a, b, c, d, e, f, g, h]) as u32,
        _ => 0,
    }
}

/// Of an `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1.2): how many bytes lengths have, and the parameter sets
/// in Annex B form.
fn parameter_sets(record: &[u8]) -> Option<(usize, Vec<u8>)> {
    let length = usize::from(record.get(4)? & 3) + 1;
    let mut out = Vec::new();
    let mut at = 5;
    // Sequence parameter sets, counted in five bits, then picture parameter sets in eight.
    for mask in [0x1F, 0xFF] {
        let count = record.get(at)? & mask;
        at += 1;
        for _ in 0..count {
            let size = usize::from(u16::from_be_bytes([*record.get(at)?, *record.get(at + 1)?]));
            at += 2;
            out.extend([0, 0, 0, 1]);
            out.extend(record.get(at..at + size)?);
            at += size;
            if out.len() > MAX_PARAMETER_SETS {
                return None;
            }
        }
    }
    Some((length, out))
}

/// Start codes in place of lengths, after the parameter sets.
fn annex_b(data: &[u8], length: usize, sets: &[u8]) -> Option<Bytes> {
    let mut out = Vec::with_capacity(sets.len() + data.len() + 16);
    out.extend_from_slice(sets);
    let mut rest = data;
    while !rest.is_empty() {
        let (size, after) = rest.split_at_checked(length)?;
        let (unit, after) = after.split_at_checked(usize::try_from(number(size)).ok()?)?;
        if !unit.is_empty() {
            out.extend([0, 0, 0, 1]);
            out.extend_from_slice(unit);
        }
        rest = after;
    }
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{MatroskaTracks, MatroskaVideo, MatroskaWriter, OpusHead};

    fn vp8(number: u8) -> Vec<u8> {
        let mut frame = match number % 10 {
            0 => vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01],
            _ => vec![0x11, 0, 0],
        };
        frame.push(number);
        frame
    }

    #[test]
    fn what_is_written_is_read() {
        let tracks = MatroskaTracks {
            video: Some((MatroskaVideo::Vp8, 0, 0)),
            audio: Some(OpusHead::new(2)),
        };
        let mut writer = MatroskaWriter::new(std::io::Cursor::new(Vec::new()), tracks).unwrap();
        for number in 0..250_u8 {
            let time = Duration::from_millis(u64::from(number) * 40);
            writer.write_video(time, number % 10 == 0, &vp8(number)).unwrap();
            writer.write_audio(time, &[0xF8, number]).unwrap();
        }
        let file = writer.finish_seekable().unwrap().into_inner();
        let mut reader = MatroskaReader::new(&file[..]).unwrap();
        let [video, audio] = reader.tracks() else { panic!("{:?}", reader.tracks()) };
        assert_eq!((&video.codec, video.dimensions), (&MatroskaCodec::Vp8, (640, 360)));
        assert_eq!(
            (&audio.codec, audio.channels, audio.sample_rate),
            (&MatroskaCodec::Opus, 2, 48_000)
        );
        assert_eq!(OpusHead::parse(&audio.private).unwrap(), OpusHead::new(2));
        let numbers = (video.number, audio.number);
        for number in 0..250_u8 {
            let time = Duration::from_millis(u64::from(number) * 40);
            let (track, keyframe) = (numbers.0, number % 10 == 0);
            let frame = reader.next().unwrap().unwrap();
            assert_eq!(frame, MatroskaFrame { track, time, keyframe, data: vp8(number).into() });
            let frame = reader.next().unwrap().unwrap();
            assert_eq!(
                (frame.track, frame.time, &frame.data[..]),
                (numbers.1, time, &[0xF8, number][..])
            );
        }
        assert!(reader.next().is_none());
        // A file that is cut off gives what is there, and then says where it ends.
        let mut cut = MatroskaReader::new(&file[..file.len() / 2]).unwrap();
        let read = cut.by_ref().take_while(Result::is_ok).count();
        assert!((100..400).contains(&read), "{read}");
        assert!(cut.next().is_none());
    }

    #[test]
    fn h264_comes_with_start_codes_and_parameter_sets() {
        let tracks = MatroskaTracks { video: Some((MatroskaVideo::H264, 16, 16)), audio: None };
        let mut writer = MatroskaWriter::new(Vec::new(), tracks).unwrap();
        let sets = [&[0, 0, 0, 1, 0x67, 0x42, 0, 0x1F][..], &[0, 0, 0, 1, 0x68, 9]].concat();
        let idr = [0, 0, 0, 1, 0x65, 1, 2, 3];
        let (keyframe, delta) = ([&sets[..], &idr].concat(), [0, 0, 0, 1, 0x41, 7]);
        writer.write_video(Duration::ZERO, true, &keyframe).unwrap();
        writer.write_video(Duration::from_millis(33), false, &delta).unwrap();
        let file = writer.finish().unwrap();
        let frames: Vec<_> = MatroskaReader::new(&file[..]).unwrap().map(Result::unwrap).collect();
        assert!(
            frames[0].keyframe
                && frames[0].data.starts_with(&sets)
                && frames[0].data.ends_with(&idr)
        );
        assert_eq!(frames[1].data[..], delta);
    }

    #[test]
    fn blocks_in_groups_tell_keyframes_by_what_they_refer_to() {
        use crate::files::ebml::{binary, master, open, unsigned};
        let mut file = Vec::new();
        master(&mut file, id::EBML, |_| {});
        open(&mut file, id::SEGMENT);
        master(&mut file, id::TRACKS, |tracks| {
            master(tracks, id::TRACK_ENTRY, |entry| {
                unsigned(entry, id::TRACK_NUMBER, 1);
                binary(entry, id::CODEC_ID, b"V_THEORA");
            });
        });
        open(&mut file, id::CLUSTER);
        unsigned(&mut file, id::TIMESTAMP, 1000);
        for refers in [false, true] {
            master(&mut file, id::BLOCK_GROUP, |group| {
                binary(group, id::BLOCK, &[0x81, 0xFF, 0xFF, 0, 5]);
                if refers {
                    unsigned(group, id::REFERENCE_BLOCK, 1);
                }
            });
        }
        binary(&mut file, id::SIMPLE_BLOCK, &[0x81, 0, 0, 0x06, 5]);
        let mut reader = MatroskaReader::new(&file[..]).unwrap();
        assert_eq!(reader.tracks()[0].codec, MatroskaCodec::Other("V_THEORA".to_owned()));
        let (one, other) = (reader.next().unwrap().unwrap(), reader.next().unwrap().unwrap());
        assert_eq!((one.keyframe, other.keyframe), (true, false));
        assert_eq!((one.time, &one.data[..]), (Duration::from_millis(999), &[5][..]));
        let error = reader.next().unwrap().unwrap_err().to_string();
        assert!(error.contains("lacing") && reader.next().is_none(), "{error}");
        assert!(MatroskaReader::new(&b"RIFF"[..]).is_err());
    }
}
