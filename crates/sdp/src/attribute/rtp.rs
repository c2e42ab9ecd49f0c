//! How RTP is used: formats and their parameters (RFC 8866), feedback (RFC 4585, 5104, 8888),
//! header extensions (RFC 8285), the RTCP port (RFC 3605) and the direction.

use crate::address::NetworkAddress;
use crate::scan::{Scan, Scanner, parse_number};
use crate::sink::Sink;
use crate::text::{Text, Word};
use crate::value::{Value, choice_type};

/// The largest RTP payload type.
const MAX_PAYLOAD_TYPE: u64 = 127;
const PAYLOAD_TYPE: &str = "expected a payload type from 0 to 127";

/// The codec behind a payload type (RFC 8866 §6.6).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rtpmap {
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// Name of the codec; compare without regard to case.
    pub encoding: Word,
    /// The RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Encoding parameters: for audio, the number of channels.
    pub parameters: Option<Word>,
}

impl Rtpmap {
    /// The number of channels; 1 where nothing is said (RFC 8866 §6.6).
    pub fn channels(&self) -> u32 {
        self.parameters.as_deref().and_then(|text| text.parse().ok()).unwrap_or(1)
    }
}

impl Value for Rtpmap {
    #[inline]
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Rtpmap> {
        let payload_type = scanner.number(MAX_PAYLOAD_TYPE, PAYLOAD_TYPE)? as u8;
        scanner.skip_spaces();
        let encoding = scanner.until(b'/', "expected an encoding name")?;
        if !scanner.eat(b'/') {
            return scanner.fault("expected \"/\" and a clock rate");
        }
        const CLOCK_RATE: &str = "expected a clock rate in Hz";
        let rate = scanner.until(b'/', CLOCK_RATE)?;
        let Some(clock_rate) = parse_number(rate).and_then(|rate| u32::try_from(rate).ok()) else {
            return scanner.fault_at(rate, CLOCK_RATE);
        };
        let parameters = match scanner.eat(b'/') {
            true => Some(Word::checked(scanner.until(b' ', "expected encoding parameters")?)),
            false => None,
        };
        Ok(Rtpmap { payload_type, encoding: Word::checked(encoding), clock_rate, parameters })
    }

    fn write(&self, out: &mut impl Sink) {
        out.number(self.payload_type.into());
        out.put(" ");
        out.put(&self.encoding);
        out.put("/");
        out.number(self.clock_rate.into());
        if let Some(parameters) = &self.parameters {
            out.put("/");
            out.put(parameters);
        }
    }
}

/// Parameters of a format (RFC 8866 §6.15).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fmtp {
    /// The format of the `m=` line; for RTP, the payload type.
    pub format: Word,
    /// The parameters, as the format defines them; see [`parameters`](Fmtp::parameters).
    pub text: Text,
}

impl Fmtp {
    /// The payload type, where the format is one.
    pub fn payload_type(&self) -> Option<u8> {
        parse_number(&self.format).filter(|&n| n <= MAX_PAYLOAD_TYPE).map(|n| n as u8)
    }

    /// The parameters in the usual form `name=value;name=value`, spaces around them dropped.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        parameters(&self.text)
    }

    /// The value of the parameter `name`, compared without regard to case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters().find(|(n, _)| n.eq_ignore_ascii_case(name)).and_then(|(_, value)| value)
    }
}

/// Splits `name=value;name` lists.
pub(crate) fn parameters(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(|part| {
        match part.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (part, None),
        }
    })
}

impl Value for Fmtp {
    #[inline]
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Fmtp> {
        let format = Word::checked(scanner.word("expected a format")?);
        Ok(Fmtp { format, text: Text::checked(scanner.take_rest()) })
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(&self.format);
        if !self.text.is_empty() {
            out.put(" ");
            out.put(&self.text);
        }
    }
}

/// RTCP feedback that may be sent (RFC 4585 §4.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RtcpFb {
    /// The payload type, or `None` for `*`, all of them.
    pub payload_type: Option<u8>,
    /// The feedback.
    pub feedback: Feedback,
}

/// A kind of RTCP feedback.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Feedback {
    /// `nack`: generic negative acknowledgement (RFC 4585 §6.2.1).
    Nack,
    /// `nack pli`: picture loss indication (RFC 4585 §6.3.1).
    NackPli,
    /// `nack sli`: slice loss indication (RFC 4585 §6.3.2).
    NackSli,
    /// `nack rpsi`: reference picture selection (RFC 4585 §6.3.3).
    NackRpsi,
    /// `ack rpsi`: reference picture selection, positive (RFC 4585 §6.3.3).
    AckRpsi,
    /// `ack ccfb`: congestion control feedback (RFC 8888 §6).
    AckCcfb,
    /// `ccm fir`: full intra request (RFC 5104 §4.3.1).
    CcmFir,
    /// `ccm tmmbr`: temporary maximum media bit rate (RFC 5104 §4.2.1).
    CcmTmmbr,
    /// `ccm tstn`: temporal-spatial trade-off (RFC 5104 §4.3.2).
    CcmTstn,
    /// `goog-remb`: receiver estimated maximum bit rate.
    GoogRemb,
    /// `transport-cc`: transport-wide congestion control.
    TransportCc,
    /// `trr-int`: least interval between regular reports, in milliseconds (RFC 4585 §4.2).
    TrrInt(u32),
    /// Any other, as it came.
    Other(Text),
}

impl Feedback {
    #[inline]
    fn keywords(&self) -> Option<&'static str> {
        Some(match self {
            Feedback::Nack => "nack",
            Feedback::NackPli => "nack pli",
            Feedback::NackSli => "nack sli",
            Feedback::NackRpsi => "nack rpsi",
            Feedback::AckRpsi => "ack rpsi",
            Feedback::AckCcfb => "ack ccfb",
            Feedback::CcmFir => "ccm fir",
            Feedback::CcmTmmbr => "ccm tmmbr",
            Feedback::CcmTstn => "ccm tstn",
            Feedback::GoogRemb => "goog-remb",
            Feedback::TransportCc => "transport-cc",
            Feedback::TrrInt(_) | Feedback::Other(_) => return None,
        })
    }
}

impl Value for RtcpFb {
    #[inline]
    fn parse(scanner: &mut Scanner<'_>) -> Scan<RtcpFb> {
        let payload = scanner.word(PAYLOAD_TYPE)?;
        let payload_type = match payload {
            "*" => None,
            _ => match parse_number(payload) {
                Some(number) if number <= MAX_PAYLOAD_TYPE => Some(number as u8),
                _ => return scanner.fault_at(payload, PAYLOAD_TYPE),
            },
        };
        if scanner.is_done() {
            return scanner.fault("expected a kind of feedback, such as nack");
        }
        let text = scanner.take_rest();
        let feedback = match text {
            "nack" => Feedback::Nack,
            "nack pli" => Feedback::NackPli,
            "nack sli" => Feedback::NackSli,
            "nack rpsi" => Feedback::NackRpsi,
            "ack rpsi" => Feedback::AckRpsi,
            "ack ccfb" => Feedback::AckCcfb,
            "ccm fir" => Feedback::CcmFir,
            "ccm tmmbr" => Feedback::CcmTmmbr,
            "ccm tstn" => Feedback::CcmTstn,
            "goog-remb" => Feedback::GoogRemb,
            "transport-cc" => Feedback::TransportCc,
            _ => match text.strip_prefix("trr-int ").and_then(parse_number) {
                Some(interval) if interval <= u32::MAX.into() => Feedback::TrrInt(interval as u32),
                _ => Feedback::Other(Text::checked(text)),
            },
        };
        Ok(RtcpFb { payload_type, feedback })
    }

    fn write(&self, out: &mut impl Sink) {
        match self.payload_type {
            Some(payload_type) => out.number(payload_type.into()),
            None => out.put("*"),
        }
        out.put(" ");
        match &self.feedback {
            Feedback::TrrInt(interval) => {
                out.put("trr-int ");
                out.number((*interval).into());
            }
            Feedback::Other(text) => out.put(text),
            known => out.put(known.keywords().unwrap_or_default()),
        }
    }
}

/// An RTP header extension and the identifier it goes by (RFC 8285 §5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Extmap {
    /// The identifier: 1 to 14 fits the one-byte form, up to 255 the two-byte form; 4096 to 4351
    /// stand in for identifiers yet to be assigned (RFC 8285 §5).
    pub id: u16,
    /// The direction, where it is narrower than that of the media.
    pub direction: Option<Direction>,
    /// What the extension is.
    pub uri: Word,
    /// Its attributes, as the extension defines them; empty if none.
    pub attributes: Text,
}

impl Value for Extmap {
    #[inline]
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Extmap> {
        const ID: &str = "expected an identifier from 1 to 65535";
        scanner.skip_spaces();
        let text = scanner.until(b'/', ID)?;
        let id = match parse_number(text) {
            Some(id @ 1..=0xffff) => id as u16,
            _ => return scanner.fault_at(text, ID),
        };
        let direction = match scanner.eat(b'/') {
            true => Some(Direction::parse(scanner)?),
            false => None,
        };
        let uri = Word::checked(scanner.word("expected the URI of a header extension")?);
        Ok(Extmap { id, direction, uri, attributes: Text::checked(scanner.take_rest()) })
    }

    fn write(&self, out: &mut impl Sink) {
        out.number(self.id.into());
        if let Some(direction) = self.direction {
            out.put("/");
            out.put(direction.as_str());
        }
        out.put(" ");
        out.put(&self.uri);
        if !self.attributes.is_empty() {
            out.put(" ");
            out.put(&self.attributes);
        }
    }
}

choice_type! {
    /// The direction of media, as seen by who wrote the description (RFC 8866 §6.7).
    Direction, "expected sendrecv, sendonly, recvonly or inactive";
    /// Both ways; what holds where nothing is said.
    SendRecv = "sendrecv",
    /// Only sends.
    SendOnly = "sendonly",
    /// Only receives.
    RecvOnly = "recvonly",
    /// Neither.
    Inactive = "inactive",
}

impl Direction {
    /// Whether the writer of the description sends.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the writer of the description receives.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The direction as the other side sees it.
    pub fn reversed(self) -> Direction {
        match self {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            both => both,
        }
    }
}

/// The RTCP port, and address where it differs (RFC 3605 §2.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rtcp {
    /// The port.
    pub port: u16,
    /// The address, if not that of `c=`.
    pub address: Option<NetworkAddress>,
}

impl Value for Rtcp {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Rtcp> {
        let port = scanner.number_u16("expected a port from 0 to 65535")?;
        let address = match scanner.is_done() {
            true => None,
            false => Some(NetworkAddress::parse(scanner)?),
        };
        Ok(Rtcp { port, address })
    }

    fn write(&self, out: &mut impl Sink) {
        out.number(self.port.into());
        if let Some(address) = &self.address {
            out.put(" ");
            address.write(out);
        }
    }
}
