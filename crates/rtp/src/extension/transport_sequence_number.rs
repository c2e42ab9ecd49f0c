//! Transport-wide sequence numbers, by which a receiver reports on every packet of a transport
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2, and its second version of webrtc.org).

use super::kind::ExtensionKind;
use super::value::{HeaderExtension, wrong_length};
use crate::error::Error;

/// The packet's number on its transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportSequenceNumber(pub u16);

impl HeaderExtension<'_> for TransportSequenceNumber {
    const KIND: ExtensionKind = ExtensionKind::TransportSequenceNumber;

    fn parse(data: &[u8]) -> Result<Self, Error> {
        let &[a, b] = data else { return Err(wrong_length(Self::KIND)) };
        Ok(Self(u16::from_be_bytes([a, b])))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

/// What a sender asks to be told at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedbackRequest {
    /// Whether arrival times are wanted, or only which packets arrived.
    pub timestamps: bool,
    /// On how many packets, this one being the last; 15 bits.
    pub packets: u16,
}

/// The packet's number on its transport, with which a sender may ask for feedback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportSequenceNumberV2 {
    /// The number.
    pub sequence_number: u16,
    /// What is asked for.
    pub request: Option<FeedbackRequest>,
}

impl HeaderExtension<'_> for TransportSequenceNumberV2 {
    const KIND: ExtensionKind = ExtensionKind::TransportSequenceNumberV2;

    fn parse(data: &[u8]) -> Result<Self, Error> {
        match *data {
            [a, b] => Ok(Self { sequence_number: u16::from_be_bytes([a, b]), request: None }),
            [a, b, c, d] => {
                let field = u16::from_be_bytes([c, d]);
                let request =
                    FeedbackRequest { timestamps: field & 0x8000 != 0, packets: field & 0x7FFF };
                // A request for no packets is none.
                let request = (request.packets > 0).then_some(request);
                Ok(Self { sequence_number: u16::from_be_bytes([a, b]), request })
            }
            _ => Err(wrong_length(Self::KIND)),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.sequence_number.to_be_bytes());
        if let Some(request) = self.request {
            let field = u16::from(request.timestamps) << 15 | request.packets.min(0x7FFF);
            out.extend_from_slice(&field.to_be_bytes());
        }
    }
}
