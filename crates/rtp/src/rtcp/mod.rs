//! RTCP (RFC 3550 §6 and its extensions): compound and reduced-size packets (RFC 5506), read packet by packet from an
//! iterator that borrows, and written into the caller's buffer. The same types serve both ways.

mod congestion_control_feedback;
mod extended_report;
mod feedback;
mod goodbye;
mod header;
mod list;
mod remb;
mod report;
mod source_description;
mod transport_feedback;

pub use congestion_control_feedback::{
    CongestionControlFeedback, Ecn, MAX_METRICS_PER_STREAM, PacketMetric, StreamFeedback,
};
pub use extended_report::{DelaySinceReference, ExtendedReport, ReportBlockXr};
pub use feedback::{
    BitrateLimit, FeedbackSources, FullIntraEntry, FullIntraRequest, LostSlice, Nack, NackPair,
    PictureLossIndication, ReferencePictureSelection, SliceLossIndication, Tmmbn, Tmmbr,
};
pub use goodbye::{ApplicationDefined, Goodbye, Other};
pub use header::{RawPacket, validate};
pub use list::{List, WireItem};
pub use remb::Remb;
pub use report::{MAX_REPORT_BLOCKS, ReceiverReport, ReportBlock, SenderInfo, SenderReport};
pub use source_description::{SdesChunk, SdesItem, SdesItems, SdesKind, SourceDescription};
pub use transport_feedback::{
    Arrival, MAX_TRANSPORT_FEEDBACK_LEN, PacketStatus, PacketStatuses, REFERENCE_TIME_WRAP_US,
    TransportFeedback, TransportFeedbackBuilder,
};

use crate::error::Error;
use header::packet_type;

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// What a sender sent and received (RFC 3550 §6.4.1).
    SenderReport(SenderReport<'a>),
    /// What a receiver received (RFC 3550 §6.4.2).
    ReceiverReport(ReceiverReport<'a>),
    /// Names of sources (RFC 3550 §6.5).
    SourceDescription(SourceDescription<'a>),
    /// Sources that end (RFC 3550 §6.6).
    Goodbye(Goodbye<'a>),
    /// An application's own (RFC 3550 §6.7).
    ApplicationDefined(ApplicationDefined<'a>),
    /// Packets asked for again (RFC 4585 §6.2.1).
    Nack(Nack<'a>),
    /// Limits of bitrate (RFC 5104 §4.2.1).
    Tmmbr(Tmmbr<'a>),
    /// Limits of bitrate that are in force (RFC 5104 §4.2.2).
    Tmmbn(Tmmbn<'a>),
    /// Arrivals of a transport's packets (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportFeedback(TransportFeedback<'a>),
    /// Arrivals of streams' packets (RFC 8888).
    CongestionControlFeedback(CongestionControlFeedback<'a>),
    /// A key frame is asked for (RFC 4585 §6.3.1).
    PictureLossIndication(PictureLossIndication),
    /// Parts of pictures were lost (RFC 4585 §6.3.2).
    SliceLossIndication(SliceLossIndication<'a>),
    /// A reference picture is asked for (RFC 4585 §6.3.3).
    ReferencePictureSelection(ReferencePictureSelection<'a>),
    /// Key frames are asked for (RFC 5104 §4.3.1).
    FullIntraRequest(FullIntraRequest<'a>),
    /// An estimate of the path's bitrate (draft-alvestrand-rmcat-remb-03).
    Remb(Remb<'a>),
    /// Reference times and more (RFC 3611).
    ExtendedReport(ExtendedReport<'a>),
    /// A packet of a type or format that is not known here.
    Other(Other<'a>),
}

impl<'a> Packet<'a> {
    /// Reads a packet that was cut out of a compound.
    ///
    /// # Errors
    ///
    /// Where its lengths do not add up or a field has a value it must not have.
    pub fn read(raw: &RawPacket<'a>) -> Result<Self, Error> {
        let (count, body) = (raw.count, raw.body);
        Ok(match (raw.packet_type, count) {
            (packet_type::SENDER_REPORT, _) => Self::SenderReport(SenderReport::read(count, body)?),
            (packet_type::RECEIVER_REPORT, _) => {
                Self::ReceiverReport(ReceiverReport::read(count, body)?)
            }
            (packet_type::SOURCE_DESCRIPTION, _) => {
                Self::SourceDescription(SourceDescription::read(count, body)?)
            }
            (packet_type::GOODBYE, _) => Self::Goodbye(Goodbye::read(count, body)?),
            (packet_type::APPLICATION_DEFINED, _) => {
                Self::ApplicationDefined(ApplicationDefined::read(count, body)?)
            }
            (packet_type::TRANSPORT_FEEDBACK, 1) => Self::Nack(Nack::read(body)?),
            (packet_type::TRANSPORT_FEEDBACK, 3) => Self::Tmmbr(Tmmbr::read(body)?),
            (packet_type::TRANSPORT_FEEDBACK, 4) => Self::Tmmbn(Tmmbn::read(body)?),
            (packet_type::TRANSPORT_FEEDBACK, 11) => {
                Self::CongestionControlFeedback(CongestionControlFeedback::read(body)?)
            }
            (packet_type::TRANSPORT_FEEDBACK, 15) => {
                Self::TransportFeedback(TransportFeedback::read(body)?)
            }
            (packet_type::PAYLOAD_FEEDBACK, 1) => {
                Self::PictureLossIndication(PictureLossIndication::read(body)?)
            }
            (packet_type::PAYLOAD_FEEDBACK, 2) => {
                Self::SliceLossIndication(SliceLossIndication::read(body)?)
            }
            (packet_type::PAYLOAD_FEEDBACK, 3) => {
                Self::ReferencePictureSelection(ReferencePictureSelection::read(body)?)
            }
            (packet_type::PAYLOAD_FEEDBACK, 4) => {
                Self::FullIntraRequest(FullIntraRequest::read(body)?)
            }
            (packet_type::PAYLOAD_FEEDBACK, 15) => {
                Remb::read(body)?.map_or_else(|| Self::Other(Other::from_raw(raw)), Self::Remb)
            }
            (packet_type::EXTENDED_REPORT, _) => Self::ExtendedReport(ExtendedReport::read(body)?),
            _ => Self::Other(Other::from_raw(raw)),
        })
    }

    /// Appends the packet.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::SenderReport(packet) => packet.write(out),
            Self::ReceiverReport(packet) => packet.write(out),
            Self::SourceDescription(packet) => packet.write(out),
            Self::Goodbye(packet) => packet.write(out),
            Self::ApplicationDefined(packet) => packet.write(out),
            Self::Nack(packet) => packet.write(out),
            Self::Tmmbr(packet) => packet.write(out),
            Self::Tmmbn(packet) => packet.write(out),
            Self::TransportFeedback(packet) => packet.write(out),
            Self::CongestionControlFeedback(packet) => packet.write(out),
            Self::PictureLossIndication(packet) => packet.write(out),
            Self::SliceLossIndication(packet) => packet.write(out),
            Self::ReferencePictureSelection(packet) => packet.write(out),
            Self::FullIntraRequest(packet) => packet.write(out),
            Self::Remb(packet) => packet.write(out),
            Self::ExtendedReport(packet) => packet.write(out),
            Self::Other(packet) => packet.write(out),
        }
    }
}

/// Reads the packets of a compound one by one. A packet that is malformed inside is an error and the next follows; where
/// the packets cannot be told apart any more, the error is the last item.
///
/// [`validate`] is stricter: it looks at the compound as a whole.
#[must_use]
pub fn packets(compound: &[u8]) -> Packets<'_> {
    Packets { rest: compound }
}

/// Iterates over the packets of a compound.
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = std::mem::take(&mut self.rest);
        if bytes.is_empty() {
            return None;
        }
        Some(RawPacket::split(bytes).and_then(|(raw, rest)| {
            self.rest = rest;
            Packet::read(&raw)
        }))
    }
}

#[cfg(test)]
mod tests;
