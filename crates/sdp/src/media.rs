//! A media description: the `m=` line and what belongs to it (RFC 8866 §5.14).

use crate::address::NetworkAddress;
use crate::attribute::Attribute;
use crate::attributes::Attributes;
use crate::field::Field;
use crate::scan::{Scan, Scanner, is_token, parse_number};
use crate::session::Bandwidth;
use crate::sink::Sink;
use crate::text::{Text, Words};
use crate::value::{Value, keyword_type, parse_token};
use std::ops::{Deref, DerefMut};

/// A media description, also called an m-section.
///
/// Its attributes can be asked of it directly: `media.mid()`, `media.candidates()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaDescription {
    /// The `m=` line.
    pub line: Field<MediaLine>,
    /// `i=`: a title.
    pub title: Option<Text>,
    /// `c=`: addresses, usually one.
    pub connections: Vec<Field<NetworkAddress>>,
    /// `b=`: bandwidths.
    pub bandwidths: Vec<Field<Bandwidth>>,
    /// `k=`: obsolete, kept as it came.
    pub key: Option<Text>,
    /// The attributes.
    pub attributes: Attributes,
}

/// The `m=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaLine {
    /// The kind of media.
    pub media: MediaKind,
    /// The port; 0 means rejected or disabled, or, with `a=bundle-only`, that of the bundle.
    pub port: u16,
    /// The number of ports, where it is given.
    pub port_count: Option<u32>,
    /// The protocol.
    pub protocol: Protocol,
    /// The formats: payload types for RTP, `webrtc-datachannel` for data channels.
    pub formats: Words,
}

keyword_type! {
    /// The kind of media (RFC 8866 §5.14).
    MediaKind, "expected a kind of media, such as audio";
    /// Audio.
    Audio = "audio",
    /// Video.
    Video = "video",
    /// Data of an application; in WebRTC, data channels.
    Application = "application",
    /// Text.
    Text = "text",
    /// Messages.
    Message = "message",
    /// Images, such as fax.
    Image = "image",
}

keyword_type! {
    /// The protocol of an `m=` line.
    Protocol, "expected a protocol, such as UDP/TLS/RTP/SAVPF";
    /// RTP over DTLS-SRTP with feedback (RFC 5764 §8).
    UdpTlsRtpSavpf = "UDP/TLS/RTP/SAVPF",
    /// Data channels over UDP (RFC 8841 §4.1).
    UdpDtlsSctp = "UDP/DTLS/SCTP",
    /// Data channels over TCP (RFC 8841 §4.1).
    TcpDtlsSctp = "TCP/DTLS/SCTP",
    /// Data channels, older form.
    DtlsSctp = "DTLS/SCTP",
    /// RTP over DTLS-SRTP over TCP with feedback (RFC 7850).
    TcpTlsRtpSavpf = "TCP/DTLS/RTP/SAVPF",
    /// RTP over DTLS-SRTP (RFC 5764 §8).
    UdpTlsRtpSavp = "UDP/TLS/RTP/SAVP",
    /// RTP over SRTP with feedback (RFC 5124).
    RtpSavpf = "RTP/SAVPF",
    /// RTP over SRTP (RFC 3711).
    RtpSavp = "RTP/SAVP",
    /// RTP with feedback (RFC 4585).
    RtpAvpf = "RTP/AVPF",
    /// RTP (RFC 3551).
    RtpAvp = "RTP/AVP",
}

impl Protocol {
    /// Whether it carries RTP.
    pub fn is_rtp(&self) -> bool {
        self.as_str().to_ascii_uppercase().split('/').any(|part| part == "RTP")
    }

    /// Whether it carries SCTP over DTLS.
    pub fn is_sctp(&self) -> bool {
        matches!(self, Protocol::UdpDtlsSctp | Protocol::TcpDtlsSctp | Protocol::DtlsSctp)
    }
}

impl MediaLine {
    /// The payload types, for RTP.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.formats
            .iter()
            .filter_map(|format| parse_number(format).filter(|&n| n <= 127).map(|n| n as u8))
    }
}

impl Value for MediaLine {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<MediaLine> {
        let media = parse_token(scanner, "expected a kind of media, such as audio")?;
        const PORT: &str = "expected a port from 0 to 65535";
        scanner.skip_spaces();
        let port_text = scanner.until(b'/', PORT)?;
        let Some(port) = parse_number(port_text).and_then(|port| u16::try_from(port).ok()) else {
            return scanner.fault_at(port_text, PORT);
        };
        const COUNT: &str = "expected a number of ports";
        let port_count = match scanner.eat(b'/') {
            false => None,
            true => {
                let text = scanner.until(b' ', COUNT)?;
                match parse_number(text).and_then(|count| u32::try_from(count).ok()) {
                    Some(count @ 1..) => Some(count),
                    _ => return scanner.fault_at(text, COUNT),
                }
            }
        };
        let protocol = scanner.word("expected a protocol, such as UDP/TLS/RTP/SAVPF")?;
        if !protocol.split('/').all(is_token) {
            return scanner.fault_at(protocol, "expected a protocol, such as UDP/TLS/RTP/SAVPF");
        }
        let protocol = Protocol::from_word(protocol);
        if scanner.is_done() {
            return scanner.fault("expected at least one format");
        }
        let formats = scanner.take_rest();
        if protocol.is_rtp() {
            // A payload type out of range would alias another once it is put into seven bits.
            for format in formats.split([' ', '\t']).filter(|format| !format.is_empty()) {
                if parse_number(format).is_none_or(|number| number > 127) {
                    return scanner.fault_at(format, "expected payload types from 0 to 127");
                }
            }
        }
        Ok(MediaLine {
            media: MediaKind::from_word(media),
            port,
            port_count,
            protocol,
            formats: Words::checked(formats),
        })
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(self.media.as_str());
        out.put(" ");
        out.number(self.port.into());
        if let Some(count) = self.port_count {
            out.put("/");
            out.number(count.into());
        }
        out.put(" ");
        out.put(self.protocol.as_str());
        out.put(" ");
        out.put(&self.formats);
    }
}

impl MediaDescription {
    /// A media description without attributes, with `c=IN IP4 0.0.0.0` as RFC 9429 §5.2.1 wants it
    /// where no candidate is known.
    pub fn new(media: MediaKind, port: u16, protocol: Protocol, formats: Words) -> Self {
        let line = MediaLine { media, port, port_count: None, protocol, formats };
        let mut media = MediaDescription::from_line(line.into());
        media.connections.push(NetworkAddress::UNSPECIFIED.into());
        media
    }

    /// The media description for data channels: `m=application 9 UDP/DTLS/SCTP webrtc-datachannel`
    /// (RFC 9429 §5.2.1). Port 9 says that candidates will tell the real one.
    pub fn data_channels() -> MediaDescription {
        let formats = Words::checked("webrtc-datachannel");
        MediaDescription::new(MediaKind::Application, 9, Protocol::UdpDtlsSctp, formats)
    }

    /// The same `m=` line with port 0 and no attributes: the answer that rejects this section
    /// (RFC 3264 §6). The caller adds `a=mid`.
    pub fn rejected(&self) -> MediaDescription {
        let line = MediaLine { port: 0, port_count: None, ..MediaLine::clone(&self.line) };
        let mut media = MediaDescription::from_line(line.into());
        media.connections.push(NetworkAddress::UNSPECIFIED.into());
        media
    }

    pub(crate) fn from_line(line: Field<MediaLine>) -> MediaDescription {
        MediaDescription {
            line,
            title: None,
            connections: Vec::new(),
            bandwidths: Vec::new(),
            key: None,
            attributes: Attributes::new(),
        }
    }

    /// Adds an attribute and returns the description, for chains.
    #[must_use]
    pub fn with(mut self, attribute: impl Into<Attribute>) -> MediaDescription {
        self.attributes.push(attribute);
        self
    }

    /// Whether the section is rejected or disabled: port 0 without `a=bundle-only`
    /// (RFC 3264 §6, RFC 9143 §7.2.1).
    pub fn is_rejected(&self) -> bool {
        self.line.port == 0 && !self.attributes.bundle_only()
    }

    /// Whether this is a section of data channels that the crate's users can answer:
    /// `UDP/DTLS/SCTP`, `TCP/DTLS/SCTP` or `DTLS/SCTP`.
    pub fn is_data_channels(&self) -> bool {
        self.line.media == MediaKind::Application && self.line.protocol.is_sctp()
    }

    pub(crate) fn write(&self, out: &mut impl Sink) {
        out.put("m=");
        self.line.write(out);
        out.put("\r\n");
        write_text(out, "i=", &self.title);
        for connection in &self.connections {
            out.put("c=");
            connection.write(out);
            out.put("\r\n");
        }
        for bandwidth in &self.bandwidths {
            out.put("b=");
            bandwidth.write(out);
            out.put("\r\n");
        }
        write_text(out, "k=", &self.key);
        self.attributes.write(out);
    }
}

pub(crate) fn write_text(out: &mut impl Sink, kind: &str, text: &Option<Text>) {
    if let Some(text) = text {
        out.put(kind);
        out.put(text);
        out.put("\r\n");
    }
}

impl Deref for MediaDescription {
    type Target = Attributes;
    fn deref(&self) -> &Attributes {
        &self.attributes
    }
}

impl DerefMut for MediaDescription {
    fn deref_mut(&mut self) -> &mut Attributes {
        &mut self.attributes
    }
}
