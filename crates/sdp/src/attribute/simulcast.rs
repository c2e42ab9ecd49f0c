//! Simulcast (RFC 8853) and the RTP stream identifiers it is told by (RFC 8851).

use crate::attribute::rtp::parameters;
use crate::scan::{Scan, Scanner, parse_number};
use crate::sink::Sink;
use crate::text::{Text, Word};
use crate::value::{Value, choice_type};

/// An RTP stream and what restricts it (RFC 8851 §4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rid {
    /// The stream's identifier: letters, digits, `-` and `_`.
    pub id: Word,
    /// Who sends the stream.
    pub direction: RidDirection,
    /// Payload types and restrictions, `pt=96,97;max-width=640`; empty if none.
    pub parameters: Text,
}

choice_type! {
    /// Who sends a stream, as seen by who wrote the description.
    RidDirection, "expected send or recv";
    /// The writer.
    Send = "send",
    /// The reader.
    Recv = "recv",
}

impl Rid {
    /// The payload types the stream is restricted to; none means all.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> {
        let list = parameters(&self.parameters).find(|(name, _)| *name == "pt");
        list.and_then(|(_, value)| value)
            .unwrap_or_default()
            .split(',')
            .filter_map(|pt| parse_number(pt).filter(|&pt| pt <= 127).map(|pt| pt as u8))
    }

    /// All restrictions, `pt` among them, as `(name, value)`.
    pub fn restrictions(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        parameters(&self.parameters)
    }

    /// A restriction with a numeric value, such as `max-width`.
    pub fn restriction(&self, name: &str) -> Option<u64> {
        self.restrictions().find(|(n, _)| *n == name).and_then(|(_, value)| parse_number(value?))
    }
}

const RID: &str = "expected a stream identifier of letters, digits, - and _";

fn is_rid(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

impl Value for Rid {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Rid> {
        let id = scanner.word(RID)?;
        if !is_rid(id) {
            return scanner.fault_at(id, RID);
        }
        Ok(Rid {
            id: Word::checked(id),
            direction: RidDirection::parse(scanner)?,
            parameters: Text::parse(scanner)?,
        })
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(&self.id);
        out.put(" ");
        out.put(self.direction.as_str());
        if !self.parameters.is_empty() {
            out.put(" ");
            out.put(&self.parameters);
        }
    }
}

/// The streams of a simulcast, each way (RFC 8853 §5.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Simulcast {
    /// Streams that the writer of the description sends.
    pub send: Option<SimulcastStreams>,
    /// Streams that it receives.
    pub recv: Option<SimulcastStreams>,
}

/// Simulcast streams in order of preference, each with its alternatives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SimulcastStreams(Word);

/// One of the alternatives of a simulcast stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SimulcastFormat<'a> {
    /// The identifier that `a=rid` explains.
    pub rid: &'a str,
    /// Whether the stream starts paused.
    pub paused: bool,
}

impl SimulcastStreams {
    /// Takes the text form, such as `1,~4;2;3`.
    ///
    /// # Errors
    /// [`Error::InvalidText`](crate::Error::InvalidText) if it is not of that form.
    pub fn new(text: &str) -> Result<SimulcastStreams, crate::Error> {
        match is_stream_list(text) {
            true => Ok(SimulcastStreams(Word::checked(text))),
            false => Err(crate::Error::invalid_text(text, STREAMS)),
        }
    }

    /// The streams, each a list of alternatives.
    pub fn iter(&self) -> impl Iterator<Item = impl Iterator<Item = SimulcastFormat<'_>>> {
        self.0.split(';').map(|stream| {
            stream.split(',').map(|rid| match rid.strip_prefix('~') {
                Some(rid) => SimulcastFormat { rid, paused: true },
                None => SimulcastFormat { rid, paused: false },
            })
        })
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const STREAMS: &str = "expected stream identifiers, such as 1,~4;2;3";

fn is_stream_list(text: &str) -> bool {
    text.split([';', ',']).all(|rid| is_rid(rid.strip_prefix('~').unwrap_or(rid)))
}

impl Value for Simulcast {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Simulcast> {
        let mut simulcast = Simulcast { send: None, recv: None };
        loop {
            let place = scanner.clone();
            let list = match RidDirection::parse(scanner)? {
                RidDirection::Send => &mut simulcast.send,
                RidDirection::Recv => &mut simulcast.recv,
            };
            if list.is_some() {
                return place.fault("each direction may be given once");
            }
            let text = scanner.word(STREAMS)?;
            if !is_stream_list(text) {
                return scanner.fault_at(text, STREAMS);
            }
            *list = Some(SimulcastStreams(Word::checked(text)));
            if scanner.is_done() {
                return Ok(simulcast);
            }
        }
    }

    fn write(&self, out: &mut impl Sink) {
        if let Some(send) = &self.send {
            out.put("send ");
            out.put(&send.0);
        }
        if let Some(recv) = &self.recv {
            out.put(if self.send.is_some() { " recv " } else { "recv " });
            out.put(&recv.0);
        }
    }
}
