//! Opus in Ogg (RFC 7845): `.opus` and `.ogg` files, read packet by packet and written from the frames of a call.

use std::io::{Read, Write};

use bytes::Bytes;
use peerage_rtp::payload::opus::OpusPacket;

use super::{
    error::Error,
    ogg_page::{BEGINS, CONTINUED, ENDS, FORMAT, Page, write_page},
    source::Source,
};

/// Packets larger than this are refused: the largest Opus packet has 61,298 bytes (48 frames of 1,275 and their sizes).
pub const MAX_OPUS_PACKET: usize = 61_440;

/// Tags larger than this are refused; cover pictures live there.
const MAX_TAGS: usize = 16 << 20;

/// The identification header (RFC 7845 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusHead {
    /// Channels, 1 to 255.
    pub channels: u8,
    /// Samples (48 kHz) to drop from the beginning of what is decoded.
    pub pre_skip: u16,
    /// Sampling rate of the original, Hz; for information.
    pub input_sample_rate: u32,
    /// Gain to apply, in 1/256 dB.
    pub output_gain: i16,
    /// Channel mapping family; only family 0 (mono, stereo) is written.
    pub mapping_family: u8,
    /// The channel mapping table of other families, as it stands there.
    pub mapping: Bytes,
}

impl OpusHead {
    /// For the Opus of a call: mono or stereo, nothing to skip but the usual 80 ms of decoder convergence, 3,840
    /// samples, which RFC 7845 §4.2 recommends.
    pub fn new(channels: u8) -> Self {
        Self {
            channels: channels.clamp(1, 2),
            pre_skip: 3840,
            input_sample_rate: 48_000,
            output_gain: 0,
            mapping_family: 0,
            mapping: Bytes::new(),
        }
    }

    /// The header packet. WebM has it too, as the track's private data.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = b"OpusHead\x01".to_vec();
        out.push(self.channels);
        out.extend(self.pre_skip.to_le_bytes());
        out.extend(self.input_sample_rate.to_le_bytes());
        out.extend(self.output_gain.to_le_bytes());
        out.push(self.mapping_family);
        out.extend_from_slice(&self.mapping);
        out
    }

    /// Reads the header packet. `None` if it is none.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let [
            b'O',
            b'p',
            b'u',
            b's',
            b'H',
            b'e',
            b'a',
            b'd',
            version,
            channels,
            s0,
            s1,
            r0,
            r1,
            r2,
            r3,
            g0,
            g1,
            mapping_family,
            rest @ ..,
        ] = packet
        else {
            return None;
        };
        // §5.1: versions up to 15 are compatible. Families other than 0 have a table.
        if version & 0xF0 != 0
            || *channels == 0
            || (*mapping_family == 0 && *channels > 2)
            || (*mapping_family != 0 && rest.len() < 2 + usize::from(*channels))
        {
            return None;
        }
        Some(Self {
            channels: *channels,
            pre_skip: u16::from_le_bytes([*s0, *s1]),
            input_sample_rate: u32::from_le_bytes([*r0, *r1, *r2, *r3]),
            output_gain: i16::from_le_bytes([*g0, *g1]),
            mapping_family: *mapping_family,
            mapping: if *mapping_family == 0 { Bytes::new() } else { Bytes::copy_from_slice(rest) },
        })
    }
}

/// A packet of an Ogg Opus file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OggOpusPacket {
    /// The Opus packet.
    pub data: Bytes,
    /// Samples (48 kHz) before it, from the first packet on.
    pub timestamp: u64,
    /// Samples (48 kHz) it decodes to; 0 if it is no valid Opus packet.
    pub duration: u32,
}

/// Reads an Ogg Opus file packet by packet; other streams multiplexed into it are skipped. After an error nothing more
/// comes.
#[derive(Debug)]
pub struct OggOpusReader<R> {
    pages: Packets<R>,
    head: OpusHead,
    timestamp: u64,
    failed: bool,
}

impl<R: Read> OggOpusReader<R> {
    /// Reads the headers.
    ///
    /// # Errors
    ///
    /// The file has no Opus stream, or its headers are malformed.
    pub fn new(reader: R) -> Result<Self, Error> {
        let mut pages = Packets::new(Source::new(FORMAT, reader));
        let missing = Error::Invalid { format: FORMAT, offset: 0, reason: "no Opus stream" };
        let Some((_, packet)) = pages.next_packet(MAX_TAGS, true)? else { return Err(missing) };
        let Some(head) = OpusHead::parse(&packet) else { return Err(missing) };
        match pages.next_packet(MAX_TAGS, false)? {
            Some((_, tags)) if tags.starts_with(b"OpusTags") => {}
            Some((offset, _)) => {
                let reason = "the second packet is not OpusTags";
                return Err(Error::Invalid { format: FORMAT, offset, reason });
            }
            None => return Err(pages.source.truncated("the comment header")),
        }
        Ok(Self { pages, head, timestamp: 0, failed: false })
    }

    /// The identification header.
    pub fn head(&self) -> &OpusHead {
        &self.head
    }
}

impl<R: Read> Iterator for OggOpusReader<R> {
    type Item = Result<OggOpusPacket, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match self.pages.next_packet(MAX_OPUS_PACKET, false) {
            Ok(packet) => packet.map(|(_, data)| {
                let duration = OpusPacket::read(&data).map_or(0, |packet| packet.samples());
                let timestamp = self.timestamp;
                self.timestamp += u64::from(duration);
                Ok(OggOpusPacket { data: data.into(), timestamp, duration })
            }),
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

/// The packets of the first Opus stream in a file.
#[derive(Debug)]
struct Packets<R> {
    source: Source<R>,
    /// Serial number of the stream, once found.
    serial: Option<u32>,
    page: Option<Page>,
    /// Next segment of the page, and where its bytes begin.
    segment: usize,
    position: usize,
    ended: bool,
}

impl<R: Read> Packets<R> {
    fn new(source: Source<R>) -> Self {
        Self { source, serial: None, page: None, segment: 0, position: 0, ended: false }
    }

    /// The next packet and the offset of the page it begins on. `begins`: the first of the stream.
    fn next_packet(&mut self, limit: usize, begins: bool) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let mut packet = Vec::new();
        let mut offset = None;
        loop {
            if self.page.as_ref().is_none_or(|page| self.segment == page.lacing.len()) {
                if !self.next_page(offset.is_some(), begins)? {
                    return match offset {
                        None => Ok(None),
                        Some(_) => Err(self.source.truncated("a packet")),
                    };
                }
                continue;
            }
            let Some(page) = &self.page else { continue };
            offset.get_or_insert(page.offset);
            let length = usize::from(page.lacing[self.segment]);
            packet.extend_from_slice(&page.body[self.position..self.position + length]);
            self.segment += 1;
            self.position += length;
            if packet.len() > limit {
                let (size, limit) = (packet.len() as u64, limit as u64);
                let (offset, what) = (page.offset, "a packet");
                return Err(Error::TooLarge { format: FORMAT, offset, what, size, limit });
            }
            if length < 255 {
                return Ok(offset.map(|offset| (offset, packet)));
            }
        }
    }

    /// Goes to the next page of the stream. `false` where it ends.
    fn next_page(&mut self, inside_packet: bool, begins: bool) -> Result<bool, Error> {
        while !self.ended {
            let Some(page) = Page::read(&mut self.source)? else { break };
            if begins && self.serial.is_none() {
                if page.flags & BEGINS == 0 {
                    break; // all streams have begun, and none was Opus
                }
                if !page.body.starts_with(b"OpusHead") {
                    continue;
                }
                self.serial = Some(page.serial);
            }
            if self.serial != Some(page.serial) {
                continue;
            }
            if (page.flags & CONTINUED != 0) != inside_packet {
                let reason = "a packet is not continued where it should be, or the reverse";
                return Err(self.source.invalid(page.offset, reason));
            }
            self.ended = page.flags & ENDS != 0;
            self.segment = 0;
            self.position = 0;
            self.page = Some(page);
            return Ok(true);
        }
        self.page = None;
        Ok(false)
    }
}

/// Writes an Ogg Opus file.
#[derive(Debug)]
pub struct OggOpusWriter<W> {
    writer: W,
    serial: u32,
    sequence: u32,
    /// Samples of all packets so far.
    granule: u64,
    lacing: Vec<u8>,
    body: Vec<u8>,
    /// Samples on the page in hand.
    page_samples: u32,
    /// Table of contents of the last packet, for what fills gaps.
    toc: u8,
}

/// A page is written once it has this many samples (RFC 7845 §3 advises against more than a second).
const PAGE_SAMPLES: u32 = 48_000;

/// The longest gap that is filled; longer ones shrink to this: ten minutes.
const MAX_GAP: u64 = 48_000 * 600;

impl<W: Write> OggOpusWriter<W> {
    /// Writes the headers. `serial` should be random where files may be joined.
    ///
    /// # Errors
    ///
    /// The writer fails, or the head is not of mapping family 0.
    pub fn new(writer: W, head: &OpusHead, serial: u32) -> Result<Self, Error> {
        if head.mapping_family != 0 || !(1..=2).contains(&head.channels) {
            let reason = "only mono and stereo (mapping family 0) are written";
            return Err(Error::Unwritable { format: FORMAT, reason });
        }
        let mut out = Self {
            writer,
            serial,
            sequence: 0,
            granule: 0,
            lacing: Vec::new(),
            body: Vec::new(),
            page_samples: 0,
            toc: 0xF8, // CELT, full band, 20 ms, one frame
        };
        // §3: each header has a page of its own.
        out.add(&head.to_bytes(), 0);
        out.write_page(BEGINS)?;
        let vendor = concat!("Peerage ", env!("CARGO_PKG_VERSION"));
        let mut tags = b"OpusTags".to_vec();
        tags.extend((vendor.len() as u32).to_le_bytes());
        tags.extend(vendor.as_bytes());
        tags.extend([0; 4]); // no comments
        out.add(&tags, 0);
        out.write_page(0)?;
        Ok(out)
    }

    /// Writes a packet.
    ///
    /// # Errors
    ///
    /// The writer fails, or the data are no valid Opus packet.
    pub fn write_packet(&mut self, packet: &[u8]) -> Result<(), Error> {
        let reason = "not a valid Opus packet";
        let read = OpusPacket::read(packet)
            .filter(|_| packet.len() <= MAX_OPUS_PACKET)
            .ok_or(Error::Unwritable { format: FORMAT, reason })?;
        self.toc = packet[0];
        self.write_samples(packet, read.samples())
    }

    /// Fills a gap of `samples` (48 kHz), left by lost packets or by silence in which nothing was sent, with frames
    /// without content, which decoders conceal (RFC 7845 §4.1). What is left over below a frame is dropped, and gaps
    /// over ten minutes are shortened to that.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn skip(&mut self, samples: u64) -> Result<(), Error> {
        let filler = [self.toc & !3]; // one frame
        let Some(length) = OpusPacket::read(&filler).map(|packet| packet.samples()) else {
            return Ok(());
        };
        for _ in 0..samples.min(MAX_GAP) / u64::from(length) {
            self.write_samples(&filler, length)?;
        }
        Ok(())
    }

    /// Samples (48 kHz) written so far.
    pub fn samples(&self) -> u64 {
        self.granule
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn finish(mut self) -> Result<W, Error> {
        self.write_page(ENDS)?;
        self.writer.flush().map_err(io)?;
        Ok(self.writer)
    }

    fn write_samples(&mut self, packet: &[u8], samples: u32) -> Result<(), Error> {
        if self.page_samples >= PAGE_SAMPLES || self.lacing.len() + packet.len() / 255 + 1 > 255 {
            self.write_page(0)?;
        }
        self.add(packet, samples);
        Ok(())
    }

    fn add(&mut self, packet: &[u8], samples: u32) {
        // The largest packet takes 241 of a page's 255 segments, so none spans pages.
        self.lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
        self.lacing.push((packet.len() % 255) as u8);
        self.body.extend_from_slice(packet);
        self.page_samples += samples;
        self.granule += u64::from(samples);
    }

    fn write_page(&mut self, flags: u8) -> Result<(), Error> {
        let page =
            write_page(flags, self.granule, self.serial, self.sequence, &self.lacing, &self.body);
        self.writer.write_all(&page).map_err(io)?;
        self.sequence = self.sequence.wrapping_add(1);
        self.lacing.clear();
        self.body.clear();
        self.page_samples = 0;
        Ok(())
    }
}

fn io(source: std::io::Error) -> Error {
    Error::Io { format: FORMAT, source }
}
