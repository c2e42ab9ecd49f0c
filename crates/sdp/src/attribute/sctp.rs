//! Data channels: SCTP over DTLS (RFC 8841), the INIT chunk in advance (draft SNAP), and channels
//! negotiated in the description (RFC 8864).

use crate::scan::{Scan, Scanner, parse_number};
use crate::sink::Sink;
use crate::text::{Text, Word};
use crate::value::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The older way to name the SCTP port, in an `m=` line with `DTLS/SCTP`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SctpMap {
    /// The SCTP port.
    pub port: u16,
    /// `webrtc-datachannel`.
    pub application: Word,
    /// The number of streams, if given.
    pub streams: Option<u32>,
}

impl Value for SctpMap {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<SctpMap> {
        let port = scanner.number_u16("expected an SCTP port from 0 to 65535")?;
        let application = Word::checked(scanner.word("expected an application")?);
        let streams = match scanner.is_done() {
            true => None,
            false => Some(scanner.number_u32("expected a number of streams")?),
        };
        Ok(SctpMap { port, application, streams })
    }

    fn write(&self, out: &mut impl Sink) {
        out.number(self.port.into());
        out.put(" ");
        out.put(&self.application);
        if let Some(streams) = self.streams {
            out.put(" ");
            out.number(streams.into());
        }
    }
}

/// The SCTP INIT chunk, sent in the description to save a round trip (draft-hancke-tsvwg-snap).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SctpInit(pub Vec<u8>);

impl SctpInit {
    /// The longest chunk taken from a description, in bytes.
    pub const MAX_LENGTH: usize = 4096;
}

impl Value for SctpInit {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<SctpInit> {
        const EXPECTED: &str = "expected an INIT chunk in base64";
        let text = scanner.word(EXPECTED)?;
        if text.len() > SctpInit::MAX_LENGTH / 3 * 4 {
            return scanner.fault_at(text, "expected an INIT chunk of at most 4096 bytes");
        }
        match STANDARD.decode(text) {
            Ok(chunk) => Ok(SctpInit(chunk)),
            Err(_) => scanner.fault_at(text, EXPECTED),
        }
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(&STANDARD.encode(&self.0));
    }
}

const STREAM_ID: &str = "expected a stream identifier from 0 to 65535";

/// A data channel negotiated in the description (RFC 8864 §5.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dcmap {
    /// The SCTP stream.
    pub stream: u16,
    /// Label of the channel; none means the empty one.
    pub label: Option<Text>,
    /// Subprotocol of the channel.
    pub subprotocol: Option<Text>,
    /// Whether messages arrive in order; none means yes.
    pub ordered: Option<bool>,
    /// How often a message is retransmitted at most.
    pub max_retransmits: Option<u32>,
    /// How long a message is retransmitted at most, in milliseconds.
    pub max_lifetime: Option<u32>,
    /// Priority of the channel (RFC 8832 §5.1).
    pub priority: Option<u16>,
}

impl Value for Dcmap {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Dcmap> {
        const OPTION: &str = "expected options of a data channel, such as label=\"chat\"";
        let mut map = Dcmap {
            stream: scanner.number_u16(STREAM_ID)?,
            label: None,
            subprotocol: None,
            ordered: None,
            max_retransmits: None,
            max_lifetime: None,
            priority: None,
        };
        scanner.skip_spaces();
        let mut rest = scanner.rest();
        while !rest.is_empty() {
            let Some((name, after)) = rest.split_once('=') else {
                return scanner.fault_at(rest, OPTION);
            };
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => match quoted.split_once('"') {
                    Some(parts) => parts,
                    None => return scanner.fault_at(after, "expected a closing quote"),
                },
                None => after.split_at(after.find(';').unwrap_or(after.len())),
            };
            let number = |maximum: u32| match parse_number(value) {
                Some(number) if number <= maximum.into() => Ok(number as u32),
                _ => scanner.fault_at(value, "expected a number"),
            };
            match name.trim() {
                "label" => map.label = Some(Text::checked(value)),
                "subprotocol" => map.subprotocol = Some(Text::checked(value)),
                "ordered" => match value {
                    "true" => map.ordered = Some(true),
                    "false" => map.ordered = Some(false),
                    _ => return scanner.fault_at(value, "expected true or false"),
                },
                "max-retr" => map.max_retransmits = Some(number(u32::MAX)?),
                "max-time" => map.max_lifetime = Some(number(u32::MAX)?),
                "priority" => map.priority = Some(number(u16::MAX.into())? as u16),
                _ => return scanner.fault_at(name, OPTION),
            }
            rest = after.trim_start();
            match rest.strip_prefix(';') {
                Some(next) => rest = next,
                None if rest.is_empty() => {}
                None => return scanner.fault_at(rest, "expected \";\""),
            }
        }
        // RFC 8864 §5.1.1: maxretr-opt and maxtime-opt are mutually exclusive
        if map.max_retransmits.is_some() && map.max_lifetime.is_some() {
            return scanner.fault("max-retr and max-time exclude each other");
        }
        scanner.take_rest();
        Ok(map)
    }

    fn write(&self, out: &mut impl Sink) {
        out.number(self.stream.into());
        let mut separator = " ";
        let mut option = |out: &mut _, name| {
            Sink::put(out, separator);
            Sink::put(out, name);
            separator = ";";
        };
        if let Some(ordered) = self.ordered {
            option(out, "ordered=");
            out.put(if ordered { "true" } else { "false" });
        }
        for (name, text) in [("subprotocol=", &self.subprotocol), ("label=", &self.label)] {
            if let Some(text) = text {
                option(out, name);
                out.put("\"");
                // A quote would end the string early, and the grammar has no escape for it but
                // percent encoding, which RFC 8864 §5.1.1 prescribes.
                for (i, part) in text.split('"').enumerate() {
                    if i > 0 {
                        out.put("%22");
                    }
                    out.put(part);
                }
                out.put("\"");
            }
        }
        let numbers = [
            ("max-retr=", self.max_retransmits),
            ("max-time=", self.max_lifetime),
            ("priority=", self.priority.map(u32::from)),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                option(out, name);
                out.number(number.into());
            }
        }
    }
}

/// An attribute of the subprotocol of one data channel (RFC 8864 §5.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dcsa {
    /// The SCTP stream.
    pub stream: u16,
    /// The attribute, `name` or `name:value`.
    pub attribute: Text,
}

impl Value for Dcsa {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Dcsa> {
        let stream = scanner.number_u16(STREAM_ID)?;
        if scanner.is_done() {
            return scanner.fault("expected an attribute");
        }
        Ok(Dcsa { stream, attribute: Text::parse(scanner)? })
    }

    fn write(&self, out: &mut impl Sink) {
        out.number(self.stream.into());
        out.put(" ");
        out.put(&self.attribute);
    }
}
