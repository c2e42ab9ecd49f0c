//! WebM and Matroska (RFC 9559), written as a stream: a recorder needs neither to seek nor to know when it ends. With a
//! writer that can seek the duration is filled in afterwards.

use std::{
    collections::VecDeque,
    io::{Seek, SeekFrom, Write},
    time::Duration,
};

use bytes::Bytes;
use peerage_rtp::payload::{
    NalUnits, Vp8FrameHeader, Vp9FrameHeader,
    av1::{ObuType, Obus, sequence_header_dimensions},
    h264::sps_dimensions,
};

use super::{
    ebml::{binary, float, master, open, unsigned},
    error::Error,
    ogg_opus::OpusHead,
};

const FORMAT: &str = "Matroska";

/// Element ids (RFC 9559 §5).
pub(super) mod id {
    pub(in crate::files) const EBML: u32 = 0x1A45_DFA3;
    pub(in crate::files) const SEGMENT: u32 = 0x1853_8067;
    pub(in crate::files) const INFO: u32 = 0x1549_A966;
    pub(in crate::files) const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
    pub(in crate::files) const DURATION: u32 = 0x4489;
    pub(in crate::files) const MUXING_APP: u32 = 0x4D80;
    pub(in crate::files) const WRITING_APP: u32 = 0x5741;
    pub(in crate::files) const TRACKS: u32 = 0x1654_AE6B;
    pub(in crate::files) const TRACK_ENTRY: u32 = 0xAE;
    pub(in crate::files) const TRACK_NUMBER: u32 = 0xD7;
    pub(in crate::files) const TRACK_UID: u32 = 0x73C5;
    pub(in crate::files) const TRACK_TYPE: u32 = 0x83;
    pub(in crate::files) const FLAG_LACING: u32 = 0x9C;
    pub(in crate::files) const CODEC_ID: u32 = 0x86;
    pub(in crate::files) const CODEC_PRIVATE: u32 = 0x63A2;
    pub(in crate::files) const CODEC_DELAY: u32 = 0x56AA;
    pub(in crate::files) const SEEK_PRE_ROLL: u32 = 0x56BB;
    pub(in crate::files) const VIDEO: u32 = 0xE0;
    pub(in crate::files) const PIXEL_WIDTH: u32 = 0xB0;
    pub(in crate::files) const PIXEL_HEIGHT: u32 = 0xBA;
    pub(in crate::files) const AUDIO: u32 = 0xE1;
    pub(in crate::files) const SAMPLING_FREQUENCY: u32 = 0xB5;
    pub(in crate::files) const CHANNELS: u32 = 0x9F;
    pub(in crate::files) const BLOCK_GROUP: u32 = 0xA0;
    pub(in crate::files) const BLOCK: u32 = 0xA1;
    pub(in crate::files) const REFERENCE_BLOCK: u32 = 0xFB;
    pub(in crate::files) const CONTENT_ENCODINGS: u32 = 0x6D80;
    pub(in crate::files) const CLUSTER: u32 = 0x1F43_B675;
    pub(in crate::files) const TIMESTAMP: u32 = 0xE7;
    pub(in crate::files) const SIMPLE_BLOCK: u32 = 0xA3;
    pub(in crate::files) const CUES: u32 = 0x1C53_BB6B;
    pub(in crate::files) const CUE_POINT: u32 = 0xBB;
    pub(in crate::files) const CUE_TIME: u32 = 0xB3;
    pub(in crate::files) const CUE_TRACK_POSITIONS: u32 = 0xB7;
    pub(in crate::files) const CUE_TRACK: u32 = 0xF7;
    pub(in crate::files) const CUE_CLUSTER_POSITION: u32 = 0xF1;
    pub(in crate::files) const VOID: u32 = 0xEC;
}

/// A video codec that the file can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatroskaVideo {
    /// VP8: WebM.
    Vp8,
    /// VP9: WebM.
    Vp9,
    /// AV1: WebM.
    Av1,
    /// H.264, frames in Annex B form: Matroska.
    H264,
}

/// What is in the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MatroskaTracks {
    /// Video: codec, width and height. A width of 0 takes the dimensions of the first keyframe.
    pub video: Option<(MatroskaVideo, u16, u16)>,
    /// Opus.
    pub audio: Option<OpusHead>,
}

/// A cluster is written once it is this long, ms; block times reach ±32,767 ms from its beginning.
const CLUSTER_TIME: i64 = 5000;
/// ... or has this many bytes.
const CLUSTER_BYTES: usize = 4 << 20;
/// Audio that may wait for the first video keyframe, bytes; the oldest is dropped, or the file begins without pictures.
const MAX_WAITING: usize = 1 << 20;
/// What each packet that waits takes besides.
const WAITING_PACKET: usize = 64;
/// Room in the head for the description of pictures that come late, bytes.
const LATE_VIDEO: usize = 1024;
/// The shortest that fills what is left of it: an id and a size of eight bytes.
const FILLER: usize = 9;
/// Index entries; later keyframes get none.
const MAX_CUES: usize = 100_000;

const VIDEO_TRACK: u8 = 1;
const AUDIO_TRACK: u8 = 2;

/// Writes a WebM or Matroska file: WebM unless there is H.264.
#[derive(Debug)]
pub struct MatroskaWriter<W> {
    writer: W,
    tracks: MatroskaTracks,
    started: bool,
    /// The file may begin without pictures.
    late_video: bool,
    /// Where there is room for their description, and the description once it is known.
    room_at: Option<u64>,
    description: Option<Vec<u8>>,
    /// Bytes written.
    position: u64,
    /// Where the segment's data begin, and the value of its duration.
    segment_data: u64,
    duration_at: u64,
    /// Audio that waits for the file to begin.
    waiting: VecDeque<(i64, Bytes)>,
    waiting_bytes: usize,
    /// The cluster in hand: its time in ms, and its blocks.
    cluster_time: i64,
    cluster: Vec<u8>,
    /// Time in ms and position in the segment of clusters that begin with a keyframe.
    cues: Vec<(i64, u64)>,
    cluster_is_cue: bool,
    last_time: i64,
    /// Time of the last picture, ms.
    last_video: i64,
}

impl<W: Write> MatroskaWriter<W> {
    /// Begins a file. Nothing is written before the first keyframe, which tells what the head must say.
    ///
    /// # Errors
    ///
    /// There is no track.
    pub fn new(writer: W, tracks: MatroskaTracks) -> Result<Self, Error> {
        if tracks.video.is_none() && tracks.audio.is_none() {
            return Err(unwritable("no track"));
        }
        Ok(Self {
            writer,
            tracks,
            started: false,
            late_video: false,
            room_at: None,
            description: None,
            position: 0,
            segment_data: 0,
            duration_at: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            cluster_time: 0,
            cluster: Vec::new(),
            cues: Vec::new(),
            cluster_is_cue: false,
            last_time: 0,
            last_video: -1,
        })
    }

    /// Pictures may come long after sound, or never: the file begins with sound alone once more of it waits for them than is kept,
    /// and what there is to say of them is put in at the end, by [`finish_seekable`](Self::finish_seekable).
    #[must_use]
    pub fn with_late_video(self) -> Self
    where
        W: Seek,
    {
        Self { late_video: true, ..self }
    }

    /// Writes a video frame. `time`: since the beginning of the file. Frames before the first keyframe are dropped. The
    /// file counts in milliseconds, and no two pictures have the same: one that comes less than that after another is
    /// written with the next.
    ///
    /// # Errors
    ///
    /// The writer fails, there is no video track, or a keyframe has no parameter sets or sequence header, or, after sound, such
    /// large ones that there is no room for them.
    pub fn write_video(
        &mut self,
        time: Duration,
        keyframe: bool,
        data: &[u8],
    ) -> Result<(), Error> {
        let Some((codec, ..)) = self.tracks.video else { return Err(unwritable("no video track")) };
        if !self.started {
            if !keyframe {
                return Ok(());
            }
            self.start(Some(data))?;
        } else if self.room_at.is_some() && self.description.is_none() {
            if !keyframe {
                return Ok(());
            }
            let description = self.describe(data)?;
            if description.len() + FILLER > LATE_VIDEO {
                return Err(unwritable("what there is to say of late pictures is too long"));
            }
            self.description = Some(description);
        }
        // Pictures of a call stand in the order in which they are shown, so time only goes forward.
        let time = milliseconds(time).max(self.last_video + 1);
        self.last_video = time;
        if codec == MatroskaVideo::H264 {
            // RFC 9559 §27.1 (V_MPEG4/ISO/AVC): lengths in place of start codes.
            let mut sized = Vec::with_capacity(data.len() + 16);
            for unit in NalUnits::new(data) {
                sized.extend((unit.len() as u32).to_be_bytes());
                sized.extend_from_slice(unit);
            }
            self.block(VIDEO_TRACK, time, keyframe, &sized)
        } else {
            self.block(VIDEO_TRACK, time, keyframe, data)
        }
    }

    /// Writes an Opus packet. `time`: since the beginning of the file. Before the first video keyframe packets wait; of more than
    /// fill a mebibyte the oldest are dropped, unless there is [late video](Self::with_late_video).
    ///
    /// # Errors
    ///
    /// The writer fails, or there is no audio track.
    pub fn write_audio(&mut self, time: Duration, data: &[u8]) -> Result<(), Error> {
        if self.tracks.audio.is_none() {
            return Err(unwritable("no audio track"));
        }
        let time = milliseconds(time);
        if !self.started {
            if self.tracks.video.is_some() {
                self.waiting.push_back((time, Bytes::copy_from_slice(data)));
                self.waiting_bytes += data.len() + WAITING_PACKET;
                if self.late_video && self.waiting_bytes > MAX_WAITING {
                    return self.start(None);
                }
                while self.waiting_bytes > MAX_WAITING
                    && let Some((_, oldest)) = self.waiting.pop_front()
                {
                    self.waiting_bytes -= oldest.len() + WAITING_PACKET;
                }
                return Ok(());
            }
            self.start(None)?;
        }
        self.block(AUDIO_TRACK, time, true, data)
    }

    /// Ends the file, whose duration stays unknown; players find it by reading on.
    ///
    /// # Errors
    ///
    /// The writer fails, or no keyframe came.
    pub fn finish(mut self) -> Result<W, Error> {
        self.end()?;
        Ok(self.writer)
    }

    /// Ends the file and fills in its duration.
    ///
    /// # Errors
    ///
    /// The writer fails, or no keyframe came.
    pub fn finish_seekable(mut self) -> Result<W, Error>
    where
        W: Seek,
    {
        self.end()?;
        self.writer.seek(SeekFrom::Start(self.duration_at)).map_err(io)?;
        self.writer.write_all(&(self.last_time as f64).to_be_bytes()).map_err(io)?;
        if let (Some(at), Some(mut description)) = (self.room_at, self.description.take()) {
            let rest = (LATE_VIDEO - description.len() - FILLER) as u64;
            description.push(id::VOID as u8);
            description.extend((rest | 1 << 56).to_be_bytes());
            self.writer.seek(SeekFrom::Start(at)).map_err(io)?;
            self.writer.write_all(&description).map_err(io)?;
        }
        self.writer.seek(SeekFrom::End(0)).map_err(io)?;
        self.writer.flush().map_err(io)?;
        Ok(self.writer)
    }

    fn end(&mut self) -> Result<(), Error> {
        if !self.started {
            if self.tracks.video.is_some()
                && self.tracks.audio.is_some()
                && !self.waiting.is_empty()
            {
                // The picture never came; what was heard is kept.
                self.tracks.video = None;
                self.start(None)?;
            } else {
                return Err(unwritable("nothing that decoding can begin with"));
            }
        }
        self.flush_cluster()?;
        let mut out = Vec::new();
        if !self.cues.is_empty() {
            master(&mut out, id::CUES, |cues| {
                for &(time, position) in &self.cues {
                    master(cues, id::CUE_POINT, |point| {
                        unsigned(point, id::CUE_TIME, time.max(0) as u64);
                        master(point, id::CUE_TRACK_POSITIONS, |track| {
                            unsigned(track, id::CUE_TRACK, u64::from(VIDEO_TRACK));
                            unsigned(track, id::CUE_CLUSTER_POSITION, position);
                        });
                    });
                }
            });
        }
        self.write(&out)?;
        self.writer.flush().map_err(io)
    }

    /// The description of pictures, of which the first keyframe tells what the codec wants.
    fn describe(&mut self, frame: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        let Some((codec, width, height)) = &mut self.tracks.video else { return Ok(out) };
        if *width == 0 {
            let known = match codec {
                MatroskaVideo::Vp8 => Vp8FrameHeader::read(frame).and_then(|h| h.dimensions),
                MatroskaVideo::Vp9 => Vp9FrameHeader::read(frame).and_then(|h| h.dimensions),
                MatroskaVideo::Av1 => Obus::new(frame)
                    .filter_map(Result::ok)
                    .find(|obu| obu.header.obu_type == ObuType::SEQUENCE_HEADER)
                    .and_then(|obu| sequence_header_dimensions(obu.payload)),
                MatroskaVideo::H264 => {
                    NalUnits::new(frame).find(|unit| unit[0] & 0x1F == 7).and_then(sps_dimensions)
                }
            };
            (*width, *height) = known.unwrap_or((*width, *height));
        }
        let mut private = Vec::new();
        let codec_id = match codec {
            MatroskaVideo::Vp8 => "V_VP8",
            MatroskaVideo::Vp9 => "V_VP9",
            MatroskaVideo::Av1 => {
                private = av1_configuration(frame)
                    .ok_or(unwritable("an AV1 keyframe without a sequence header"))?;
                "V_AV1"
            }
            MatroskaVideo::H264 => {
                private = avc_configuration(frame)
                    .ok_or(unwritable("an H.264 keyframe without parameter sets"))?;
                "V_MPEG4/ISO/AVC"
            }
        };
        master(&mut out, id::TRACK_ENTRY, |track| {
            track_head(track, VIDEO_TRACK, 1, codec_id, &private);
            master(track, id::VIDEO, |video| {
                unsigned(video, id::PIXEL_WIDTH, u64::from((*width).max(1)));
                unsigned(video, id::PIXEL_HEIGHT, u64::from((*height).max(1)));
            });
        });
        Ok(out)
    }

    /// Writes the head, with the description of the pictures or room for it.
    fn start(&mut self, keyframe: Option<&[u8]>) -> Result<(), Error> {
        let description = keyframe.map(|frame| self.describe(frame)).transpose()?;
        let is_webm = !matches!(self.tracks.video, Some((MatroskaVideo::H264, ..)));
        let doc_type: &[u8] = if is_webm { b"webm" } else { b"matroska" };
        let mut out = Vec::new();
        master(&mut out, id::EBML, |ebml| {
            unsigned(ebml, 0x4286, 1); // EBMLVersion
            unsigned(ebml, 0x42F7, 1); // EBMLReadVersion
            unsigned(ebml, 0x42F2, 4); // EBMLMaxIDLength
            unsigned(ebml, 0x42F3, 8); // EBMLMaxSizeLength
            binary(ebml, 0x4282, doc_type); // DocType
            unsigned(ebml, 0x4287, 4); // DocTypeVersion
            unsigned(ebml, 0x4285, 2); // DocTypeReadVersion
        });
        open(&mut out, id::SEGMENT);
        self.segment_data = out.len() as u64;
        let app = concat!("Peerage ", env!("CARGO_PKG_VERSION"));
        master(&mut out, id::INFO, |info| {
            unsigned(info, id::TIMESTAMP_SCALE, 1_000_000); // ns: times are in ms
            binary(info, id::MUXING_APP, app.as_bytes());
            binary(info, id::WRITING_APP, app.as_bytes());
            // Last, so that its value is where the element ends.
            float(info, id::DURATION, 0.0);
        });
        self.duration_at = out.len() as u64 - 8;
        let tracks = &self.tracks;
        let has_room = description.is_none() && tracks.video.is_some();
        master(&mut out, id::TRACKS, |list| {
            if let Some(description) = &description {
                list.extend_from_slice(description);
            }
            if let Some(head) = &tracks.audio {
                master(list, id::TRACK_ENTRY, |track| {
                    track_head(track, AUDIO_TRACK, 2, "A_OPUS", &head.to_bytes());
                    // In ns: what the decoder needs before its output is right (80 ms, RFC 7845 §4.6).
                    let delay = u64::from(head.pre_skip) * 1_000_000_000 / 48_000;
                    unsigned(track, id::CODEC_DELAY, delay);
                    unsigned(track, id::SEEK_PRE_ROLL, 80_000_000);
                    master(track, id::AUDIO, |audio| {
                        float(audio, id::SAMPLING_FREQUENCY, 48_000.0);
                        unsigned(audio, id::CHANNELS, u64::from(head.channels));
                    });
                });
            }
            if has_room {
                // Last, so that it is where the element ends. Its id and size have three bytes.
                binary(list, id::VOID, &[0; LATE_VIDEO - 3]);
            }
        });
        self.room_at = has_room.then(|| (out.len() - LATE_VIDEO) as u64);
        self.write(&out)?;
        self.started = true;
        self.waiting_bytes = 0;
        for (time, data) in std::mem::take(&mut self.waiting) {
            self.block(AUDIO_TRACK, time, true, &data)?;
        }
        Ok(())
    }

    fn block(&mut self, track: u8, time: i64, keyframe: bool, data: &[u8]) -> Result<(), Error> {
        let begins_picture_group = keyframe && track == VIDEO_TRACK;
        let relative = time - self.cluster_time;
        if begins_picture_group
            || self.cluster.is_empty()
            || !(-CLUSTER_TIME..CLUSTER_TIME).contains(&relative)
            || self.cluster.len() > CLUSTER_BYTES
        {
            self.flush_cluster()?;
            self.cluster_time = time;
            self.cluster_is_cue = begins_picture_group;
        }
        let relative = (time - self.cluster_time) as i16;
        // RFC 9559 §10.2: track number, time, flags (0x80 is a keyframe).
        let mut block = Vec::with_capacity(4 + data.len());
        block.push(0x80 | track);
        block.extend(relative.to_be_bytes());
        block.push(u8::from(keyframe) << 7);
        block.extend_from_slice(data);
        binary(&mut self.cluster, id::SIMPLE_BLOCK, &block);
        self.last_time = self.last_time.max(time);
        Ok(())
    }

    fn flush_cluster(&mut self) -> Result<(), Error> {
        if self.cluster.is_empty() {
            return Ok(());
        }
        if self.cluster_is_cue && self.cues.len() < MAX_CUES {
            self.cues.push((self.cluster_time, self.position - self.segment_data));
        }
        let mut out = Vec::with_capacity(self.cluster.len() + 32);
        let blocks = std::mem::take(&mut self.cluster);
        master(&mut out, id::CLUSTER, |cluster| {
            unsigned(cluster, id::TIMESTAMP, self.cluster_time.max(0) as u64);
            cluster.extend_from_slice(&blocks);
        });
        self.write(&out)
    }

    fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        self.writer.write_all(data).map_err(io)?;
        self.position += data.len() as u64;
        Ok(())
    }
}

fn track_head(out: &mut Vec<u8>, number: u8, kind: u64, codec_id: &str, private: &[u8]) {
    unsigned(out, id::TRACK_NUMBER, u64::from(number));
    unsigned(out, id::TRACK_UID, u64::from(number));
    unsigned(out, id::TRACK_TYPE, kind);
    unsigned(out, id::FLAG_LACING, 0);
    binary(out, id::CODEC_ID, codec_id.as_bytes());
    if !private.is_empty() {
        binary(out, id::CODEC_PRIVATE, private);
    }
}

/// AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1) from a keyframe's parameter sets.
fn avc_configuration(frame: &[u8]) -> Option<Vec<u8>> {
    let units = |unit_type| {
        NalUnits::new(frame)
            .filter(move |unit| unit[0] & 0x1F == unit_type && unit.len() <= usize::from(u16::MAX))
            .take(31)
    };
    let sps = units(7).next().filter(|sps| sps.len() >= 4)?;
    units(8).next()?;
    // Version, profile, compatibility, level, 4-byte lengths, number of sets.
    let mut out = vec![1, sps[1], sps[2], sps[3], 0xFF, 0xE0 | units(7).count() as u8];
    let write = |out: &mut Vec<u8>, unit: &[u8]| {
        out.extend((unit.len() as u16).to_be_bytes());
        out.extend_from_slice(unit);
    };
    units(7).for_each(|unit| write(&mut out, unit));
    out.push(units(8).count() as u8);
    units(8).for_each(|unit| write(&mut out, unit));
    if matches!(sps[1], 100 | 110 | 122 | 144) {
        // 4:2:0 with 8 bits: the one kind that WebRTC has.
        out.extend([0xFC | 1, 0xF8, 0xF8, 0]);
    }
    Some(out)
}

/// AV1CodecConfigurationRecord (AV1 in ISOBMFF §2.3.3): four bytes and the sequence header.
fn av1_configuration(frame: &[u8]) -> Option<Vec<u8>> {
    let mut offset = 0;
    let mut obus = Obus::new(frame);
    while let Some(Ok(obu)) = obus.next() {
        let end = obus.offset();
        if obu.header.obu_type == ObuType::SEQUENCE_HEADER {
            let mut out = vec![0x81];
            out.extend(av1_profile(obu.payload)?);
            out.push(0); // no initial presentation delay
            out.extend_from_slice(&frame[offset..end]);
            return Some(out);
        }
        offset = end;
    }
    None
}

/// seq_profile and seq_level_idx, then tier and colour format, as the record has them. The colour fields are those of
/// 8-bit 4:2:0, the one kind of AV1 that WebRTC negotiates by default.
fn av1_profile(sequence_header: &[u8]) -> Option<[u8; 2]> {
    let &[first, second, ..] = sequence_header else { return None };
    let profile = first >> 5;
    // reduced_still_picture_header: the level follows at once; else, where neither timing nor delay information is
    // present, it stands after the operating point's 12 bits.
    let level = if first & 0x08 != 0 {
        (first & 7) << 2 | second >> 6
    } else if first & 0x04 != 0 {
        0 // with timing information; players read the sequence header itself
    } else {
        let &[_, _, _, fourth, ..] = sequence_header else { return None };
        // 3 bits of profile, 4 flags, 5 bits of count, 12 of operating_point_idc, 5 of level.
        fourth >> 3
    };
    Some([profile << 5 | level & 0x1F, 0b0000_1100])
}

fn milliseconds(time: Duration) -> i64 {
    // What is added to it, and the next picture's, fit as well.
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX).min(i64::MAX / 2)
}

fn unwritable(reason: &'static str) -> Error {
    Error::Unwritable { format: FORMAT, reason }
}

fn io(source: std::io::Error) -> Error {
    Error::Io { format: FORMAT, source }
}
