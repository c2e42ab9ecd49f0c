//! `RTCRtpSendParameters` and `RTCRtpReceiveParameters` (webrtc-pc §5.2.1 to §5.2.6): what was negotiated, and what of it the
//! application may change. The connection makes them when it is asked, from the transceiver's last agreement.

use peerage_sdp::{Direction, Text};

use super::{RtpEncodingParameters, Transceiver};
use crate::media::{
    Agreement, NegotiatedCodec, PacketTimes, RtpCodec, RtpCodecParameters, RtpHeaderExtension,
    RtxPayloadTypes, codec_parameters,
};

/// `RTCRtpSendParameters`: what a sender sends, and how. Of these the encodings may be changed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RtpSendParameters {
    /// `transactionId`: tells the last parameters that were handed out from earlier ones.
    pub transaction_id: String,
    /// `encodings`: the layers, one without simulcast.
    pub encodings: Vec<RtpEncodingParameters>,
    /// `codecs`: those that the peer takes, in its order of preference and under its payload types, `rtx` among them.
    /// `fmtp` is the peer's: the level of H.264 in it is the highest that the peer decodes. Empty before a negotiation.
    pub codecs: Vec<RtpCodecParameters>,
    /// `headerExtensions`: those that packets carry.
    pub header_extensions: Vec<RtpHeaderExtension>,
    /// `rtcp`.
    pub rtcp: RtcpParameters,
    /// How long packets of this media are to last, as the peer would have it: for whoever encodes audio.
    pub packet_times: PacketTimes,
}

/// `RTCRtpReceiveParameters`: what a receiver takes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RtpReceiveParameters {
    /// `codecs`: those that were agreed on, under our payload types and with our parameters, `rtx` among them. Empty before
    /// a negotiation.
    pub codecs: Vec<RtpCodecParameters>,
    /// `headerExtensions`: those that packets of the peer may carry.
    pub header_extensions: Vec<RtpHeaderExtension>,
    /// `rtcp`; of receivers it has no `cname`.
    pub rtcp: RtcpParameters,
}

/// `RTCRtcpParameters`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtcpParameters {
    /// The canonical name of our sources (RFC 7022).
    pub cname: Option<String>,
    /// Whether RTCP may be sent in reduced size (RFC 5506).
    pub reduced_size: bool,
}

/// The extensions of one direction.
fn extensions(
    agreed: Option<&Agreement>,
    way: impl Fn(Direction) -> bool,
) -> Vec<RtpHeaderExtension> {
    let all = agreed.map_or(&[][..], |agreed| &agreed.extensions);
    all.iter().filter(|extension| way(extension.direction)).cloned().collect()
}

/// Codecs as the peer numbers and describes them.
fn sent_codecs(agreed: &Agreement) -> Vec<RtpCodecParameters> {
    let turned = agreed.codecs.iter().map(|negotiated| NegotiatedCodec {
        codec: RtpCodec { fmtp: negotiated.remote_fmtp.clone(), ..negotiated.codec.clone() },
        receive: negotiated.send,
        rtx: negotiated.rtx.map(|rtx| RtxPayloadTypes { receive: rtx.send, send: rtx.receive }),
        ..negotiated.clone()
    });
    codec_parameters(&turned.collect::<Vec<_>>())
}

impl Transceiver {
    /// `RTCRtpSender.getParameters`, with a new transaction.
    pub(crate) fn send_parameters(
        &self,
        transaction_id: String,
        cname: &Text,
    ) -> RtpSendParameters {
        let agreed = self.agreed.as_deref();
        RtpSendParameters {
            transaction_id,
            encodings: self.sender.encodings.clone(),
            codecs: agreed.map(sent_codecs).unwrap_or_default(),
            header_extensions: extensions(agreed, Direction::sends),
            rtcp: RtcpParameters {
                cname: Some(cname.to_string()),
                reduced_size: agreed.is_some_and(|agreed| agreed.rtcp_rsize),
            },
            packet_times: agreed.map(|agreed| agreed.packet_times).unwrap_or_default(),
        }
    }

    /// `RTCRtpReceiver.getParameters`.
    pub(crate) fn receive_parameters(&self) -> RtpReceiveParameters {
        let agreed = self.agreed.as_deref();
        RtpReceiveParameters {
            codecs: agreed.map(|agreed| codec_parameters(&agreed.codecs)).unwrap_or_default(),
            header_extensions: extensions(agreed, Direction::receives),
            rtcp: RtcpParameters {
                cname: None,
                reduced_size: agreed.is_some_and(|agreed| agreed.rtcp_rsize),
            },
        }
    }
}

impl RtpSendParameters {
    /// Whether nothing differs from `last` but what may be changed (webrtc-pc §5.2, setParameters, step 7).
    pub(crate) fn check_read_only(&self, last: &Self) -> Result<(), &'static str> {
        let same = [
            ("transaction_id", self.transaction_id == last.transaction_id),
            ("codecs", self.codecs == last.codecs),
            ("header_extensions", self.header_extensions == last.header_extensions),
            ("rtcp", self.rtcp == last.rtcp),
            ("packet_times", self.packet_times == last.packet_times),
        ];
        match same.into_iter().find(|(_, same)| !same) {
            Some((field, _)) => Err(field),
            None => Ok(()),
        }
    }
}
