//! Multicast DNS messages: questions for addresses and the records that answer them (RFC 6762 §18, RFC 1035 §4.1).
//! Other record types are stepped over.

use std::net::IpAddr;

use crate::error::Error;
use crate::mdns::name::Name;

/// Most questions that are read from one message.
pub(crate) const MAX_QUESTIONS: usize = 32;

/// Most records that are read from one message.
pub(crate) const MAX_RECORDS: usize = 64;

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const TYPE_ANY: u16 = 255;
const CLASS_IN: u16 = 1;
/// QU in questions (RFC 6762 §5.4), cache-flush in records (RFC 6762 §10.2).
const TOP_BIT: u16 = 0x8000;
/// QR and AA (RFC 6762 §18.2, §18.4).
const RESPONSE_FLAGS: u16 = 0x8400;

/// A question for addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) name: Name,
    pub(crate) kind: QuestionKind,
    /// The asker would rather have a unicast response.
    pub(crate) unicast: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuestionKind {
    A,
    Aaaa,
    Any,
}

impl QuestionKind {
    pub(crate) fn wants(self, ip: IpAddr) -> bool {
        match self {
            Self::A => ip.is_ipv4(),
            Self::Aaaa => ip.is_ipv6(),
            Self::Any => true,
        }
    }

    fn number(self) -> u16 {
        match self {
            Self::A => TYPE_A,
            Self::Aaaa => TYPE_AAAA,
            Self::Any => TYPE_ANY,
        }
    }
}

/// An address record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: Name,
    pub(crate) address: IpAddr,
    /// Time to live in seconds.
    pub(crate) ttl: u32,
    pub(crate) flush: bool,
}

/// A message, as far as it speaks of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MdnsMessage {
    pub(crate) id: u16,
    pub(crate) response: bool,
    pub(crate) questions: Vec<Question>,
    pub(crate) records: Vec<Record>,
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Error> {
    match bytes.get(at..at + 2) {
        Some(b) => Ok(u16::from_be_bytes([b[0], b[1]])),
        None => Err(Error::InvalidMdns { offset: at, reason: "the message is truncated" }),
    }
}

impl MdnsMessage {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (id, flags) = (u16_at(bytes, 0)?, u16_at(bytes, 2)?);
        // RFC 6762 §18.3, §18.11: messages with another opcode or a response code are ignored.
        if flags & 0x780F != 0 {
            return Err(Error::InvalidMdns {
                offset: 2,
                reason: "the opcode or the response code is not zero",
            });
        }
        let questions = u16_at(bytes, 4)?;
        let records = u32::from(u16_at(bytes, 6)?)
            + u32::from(u16_at(bytes, 8)?)
            + u32::from(u16_at(bytes, 10)?);
        let mut message =
            Self { id, response: flags & 0x8000 != 0, questions: Vec::new(), records: Vec::new() };
        let mut at = 12;
        for _ in 0..questions {
            let (name, end) = Name::read(bytes, at)?;
            let (kind, class) = (u16_at(bytes, end)?, u16_at(bytes, end + 2)?);
            at = end + 4;
            let kind = match kind {
                TYPE_A => QuestionKind::A,
                TYPE_AAAA => QuestionKind::Aaaa,
                TYPE_ANY => QuestionKind::Any,
                _ => continue,
            };
            let internet = matches!(class & !TOP_BIT, CLASS_IN | 255);
            if internet && message.questions.len() < MAX_QUESTIONS {
                message.questions.push(Question { name, kind, unicast: class & TOP_BIT != 0 });
            }
        }
        for _ in 0..records {
            let (name, end) = Name::read(bytes, at)?;
            let (kind, class) = (u16_at(bytes, end)?, u16_at(bytes, end + 2)?);
            let ttl = u32::from(u16_at(bytes, end + 4)?) << 16 | u32::from(u16_at(bytes, end + 6)?);
            let length = usize::from(u16_at(bytes, end + 8)?);
            let data = bytes
                .get(end + 10..end + 10 + length)
                .ok_or(Error::InvalidMdns { offset: end + 8, reason: "the record is truncated" })?;
            at = end + 10 + length;
            let address = match (kind, class & !TOP_BIT) {
                (TYPE_A, CLASS_IN) => <[u8; 4]>::try_from(data).map(IpAddr::from),
                (TYPE_AAAA, CLASS_IN) => <[u8; 16]>::try_from(data).map(IpAddr::from),
                _ => continue,
            };
            let Ok(address) = address else {
                return Err(Error::InvalidMdns {
                    offset: end + 8,
                    reason: "the address has a wrong length",
                });
            };
            if message.records.len() < MAX_RECORDS {
                message.records.push(Record { name, address, ttl, flush: class & TOP_BIT != 0 });
            }
        }
        Ok(message)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let flags = if self.response { RESPONSE_FLAGS } else { 0 };
        let counts = [self.questions.len() as u16, self.records.len() as u16, 0, 0];
        for value in [self.id, flags].into_iter().chain(counts) {
            out.extend_from_slice(&value.to_be_bytes());
        }
        for question in &self.questions {
            question.name.write(out);
            out.extend_from_slice(&question.kind.number().to_be_bytes());
            let class = CLASS_IN | if question.unicast { TOP_BIT } else { 0 };
            out.extend_from_slice(&class.to_be_bytes());
        }
        for record in &self.records {
            record.name.write(out);
            let kind = if record.address.is_ipv4() { TYPE_A } else { TYPE_AAAA };
            let class = CLASS_IN | if record.flush { TOP_BIT } else { 0 };
            out.extend_from_slice(&kind.to_be_bytes());
            out.extend_from_slice(&class.to_be_bytes());
            out.extend_from_slice(&record.ttl.to_be_bytes());
            match record.address {
                IpAddr::V4(ip) => {
                    out.extend_from_slice(&4u16.to_be_bytes());
                    out.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    out.extend_from_slice(&16u16.to_be_bytes());
                    out.extend_from_slice(&ip.octets());
                }
            }
        }
    }
}
