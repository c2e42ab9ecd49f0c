//! rtpdump files (rtptools): RTP and RTCP packets with the time at which they came, in milliseconds from the beginning.

use std::{
    io::{Read, Write},
    net::Ipv4Addr,
    time::Duration,
};

use bytes::Bytes;

use super::{error::Error, source::Source};

const FORMAT: &str = "rtpdump";

/// Longest first line.
const MAX_LINE: usize = 256;

/// A packet of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpedPacket {
    /// Time since the beginning of the file.
    pub time: Duration,
    /// Whether it is RTCP.
    pub is_rtcp: bool,
    /// The packet, from its RTP or RTCP header on.
    pub data: Bytes,
}

/// Reads an rtpdump file. After an error nothing more comes.
#[derive(Debug)]
pub struct RtpDumpReader<R> {
    source: Source<R>,
    failed: bool,
}

impl<R: Read> RtpDumpReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// The file is no rtpdump file of version 1.0.
    pub fn new(reader: R) -> Result<Self, Error> {
        let mut source = Source::new(FORMAT, reader);
        let mut line = Vec::new();
        loop {
            let [byte] = source.array("the first line")?;
            if byte == b'\n' {
                break;
            }
            line.push(byte);
            if line.len() > MAX_LINE {
                return Err(source.invalid(0, "the first line does not end"));
            }
        }
        if !line.starts_with(b"#!rtpplay1.0 ") {
            return Err(source.invalid(0, "the file does not begin with #!rtpplay1.0"));
        }
        source.array::<16>("the header")?; // start time, source address and port, padding
        Ok(Self { source, failed: false })
    }

    fn read_packet(&mut self) -> Result<Option<DumpedPacket>, Error> {
        let at = self.source.offset();
        let Some(head) = self.source.array_or_end::<8>("a packet header")? else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
        let Some(size) = length.checked_sub(head.len()) else {
            return Err(self.source.invalid(at, "a packet is shorter than its own header"));
        };
        let milliseconds = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let mut data = Vec::new();
        self.source.append(size, "a packet", &mut data)?;
        Ok(Some(DumpedPacket {
            time: Duration::from_millis(u64::from(milliseconds)),
            // The length of the RTP packet before it was cut; 0 for RTCP.
            is_rtcp: head[2..4] == [0, 0],
            data: data.into(),
        }))
    }
}

impl<R: Read> Iterator for RtpDumpReader<R> {
    type Item = Result<DumpedPacket, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let packet = self.read_packet();
        self.failed = packet.is_err();
        packet.transpose()
    }
}

/// Writes an rtpdump file.
#[derive(Debug)]
pub struct RtpDumpWriter<W> {
    writer: W,
}

impl<W: Write> RtpDumpWriter<W> {
    /// Writes the header. `start`: time since 1970 at which the capture began; address and port are where the packets
    /// came from.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn new(
        mut writer: W,
        start: Duration,
        address: Ipv4Addr,
        port: u16,
    ) -> Result<Self, Error> {
        let mut head = format!("#!rtpplay1.0 {address}/{port}\n").into_bytes();
        head.extend((start.as_secs() as u32).to_be_bytes());
        head.extend(start.subsec_micros().to_be_bytes());
        head.extend(address.octets());
        head.extend(port.to_be_bytes());
        head.extend([0, 0]);
        writer.write_all(&head).map_err(io)?;
        Ok(Self { writer })
    }

    /// Writes a packet.
    ///
    /// # Errors
    ///
    /// The writer fails, or the packet is empty or longer than 65,527 bytes.
    pub fn write_packet(
        &mut self,
        time: Duration,
        is_rtcp: bool,
        data: &[u8],
    ) -> Result<(), Error> {
        let reason = "a packet without bytes, or of more than 65,527";
        let length = u16::try_from(data.len() + 8)
            .ok()
            .filter(|_| !data.is_empty())
            .ok_or(Error::Unwritable { format: FORMAT, reason })?;
        let plain = if is_rtcp { 0 } else { length - 8 };
        let mut head = [0; 8];
        head[..2].copy_from_slice(&length.to_be_bytes());
        head[2..4].copy_from_slice(&plain.to_be_bytes());
        head[4..].copy_from_slice(&(time.as_millis() as u32).to_be_bytes());
        self.writer.write_all(&head).map_err(io)?;
        self.writer.write_all(data).map_err(io)
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// The writer fails.
    pub fn finish(mut self) -> Result<W, Error> {
        self.writer.flush().map_err(io)?;
        Ok(self.writer)
    }
}

fn io(source: std::io::Error) -> Error {
    Error::Io { format: FORMAT, source }
}
