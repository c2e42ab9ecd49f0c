//! INIT and INIT ACK, which have one body (RFC 9260 §3.3.2, §3.3.3), and the parameters WebRTC puts in it.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Type = 1 or 2 |  Chunk Flags  |      Chunk Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         Initiate Tag                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           Advertised Receiver Window Credit (a_rwnd)          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Number of Outbound Streams   |   Number of Inbound Streams   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                          Initial TSN                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! /              Optional/Variable-Length Parameters              /
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::forward_tsn::FORWARD_TSN;
use super::idata::I_DATA;
use super::iforward_tsn::I_FORWARD_TSN;
use super::reconfig::RE_CONFIG;
use super::tlv::{
    Malformed, Parameters, UnknownRule, be16, be32, begin_chunk, begin_parameter, end,
};
use crate::serial::Tsn;

pub(crate) const INIT: u8 = 1;
pub(crate) const INIT_ACK: u8 = 2;

const STATE_COOKIE: u16 = 7;
const UNRECOGNIZED_PARAMETER: u16 = 8;
/// RFC 9653 §4.
const ZERO_CHECKSUM_ACCEPTABLE: u16 = 0x8001;
/// RFC 5061 §4.2.7.
const SUPPORTED_EXTENSIONS: u16 = 0x8008;
/// RFC 3758 §3.1.
const FORWARD_TSN_SUPPORTED: u16 = 0xc000;
/// The Error Detection Method Identifier of SCTP over DTLS (RFC 9653 §7).
const EDMID_DTLS: u32 = 1;

/// Parameters of RFC 9260 and RFC 4895 that mean nothing over DTLS: known, so not reported, and skipped.
/// IPv4, IPv6, cookie preservative, ECN capable, host name, supported address types, RANDOM, CHUNKS, HMAC-ALGO, padding,
/// adaptation layer indication.
const IGNORED: [u16; 11] = [5, 6, 9, 0x8000, 11, 12, 0x8002, 0x8003, 0x8004, 0x8005, 0xc006];

/// Most unknown parameters quoted back in an INIT ACK, in bytes: an answer must not grow with the question.
const MAX_REPORT: usize = 256;

/// What an endpoint says it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capabilities {
    pub(crate) partial_reliability: bool,
    pub(crate) reconfig: bool,
    pub(crate) interleaving: bool,
    pub(crate) zero_checksum: bool,
}

/// The body of INIT and INIT ACK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Init<'a> {
    /// INIT ACK rather than INIT.
    pub(crate) ack: bool,
    pub(crate) initiate_tag: u32,
    pub(crate) a_rwnd: u32,
    pub(crate) outbound_streams: u16,
    pub(crate) inbound_streams: u16,
    pub(crate) initial_tsn: Tsn,
    pub(crate) capabilities: Capabilities,
    /// INIT ACK only, and required there.
    pub(crate) cookie: Option<&'a [u8]>,
    /// When parsed: parameters to be reported, whole. When written: each goes into an Unrecognized Parameter.
    pub(crate) unrecognized: Vec<&'a [u8]>,
}

impl<'a> Init<'a> {
    pub(crate) fn parse(ack: bool, value: &'a [u8]) -> Result<Self, Malformed> {
        let fixed =
            value.first_chunk::<16>().ok_or(Malformed("INIT below 20 bytes (RFC 9260 §3.3.2)"))?;
        let mut init = Self {
            ack,
            initiate_tag: be32(fixed, 0).unwrap_or_default(),
            a_rwnd: be32(fixed, 4).unwrap_or_default(),
            outbound_streams: be16(fixed, 8).unwrap_or_default(),
            inbound_streams: be16(fixed, 10).unwrap_or_default(),
            initial_tsn: Tsn(be32(fixed, 12).unwrap_or_default()),
            capabilities: Capabilities::default(),
            cookie: None,
            unrecognized: Vec::new(),
        };
        // RFC 9260 §3.3.2: tag zero and zero streams make the INIT invalid.
        if init.initiate_tag == 0 {
            return Err(Malformed("Initiate Tag is zero (RFC 9260 §3.3.2)"));
        }
        if init.outbound_streams == 0 || init.inbound_streams == 0 {
            return Err(Malformed("no streams (RFC 9260 §3.3.2)"));
        }
        let mut reported = 0;
        let (mut idata, mut i_forward) = (false, false);
        for parameter in Parameters::new(&value[16..]) {
            let parameter = parameter?;
            match parameter.kind {
                STATE_COOKIE => init.cookie = Some(parameter.value),
                FORWARD_TSN_SUPPORTED => init.capabilities.partial_reliability = true,
                SUPPORTED_EXTENSIONS => {
                    for kind in parameter.value {
                        match *kind {
                            RE_CONFIG => init.capabilities.reconfig = true,
                            FORWARD_TSN => init.capabilities.partial_reliability = true,
                            I_DATA => idata = true,
                            I_FORWARD_TSN => i_forward = true,
                            _ => {}
                        }
                    }
                }
                ZERO_CHECKSUM_ACCEPTABLE => {
                    init.capabilities.zero_checksum = be32(parameter.value, 0) == Some(EDMID_DTLS);
                }
                // RFC 9260 §3.2.2: what the peer did not understand needs no action; it did not offer it either.
                UNRECOGNIZED_PARAMETER if ack => {}
                kind if IGNORED.contains(&kind) => {}
                kind => {
                    let rule = UnknownRule::for_parameter(kind);
                    if rule.report && reported + parameter.whole.len() <= MAX_REPORT {
                        reported += parameter.whole.len();
                        init.unrecognized.push(parameter.whole);
                    }
                    if rule.stop {
                        break;
                    }
                }
            }
        }
        // RFC 8260 §2.3: I-DATA with FORWARD TSN needs I-FORWARD-TSN; without partial reliability neither is used.
        init.capabilities.interleaving =
            idata && (i_forward || !init.capabilities.partial_reliability);
        if ack && init.cookie.is_none() {
            return Err(Malformed("INIT ACK without State Cookie (RFC 9260 §3.3.3)"));
        }
        Ok(init)
    }

    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        let start = begin_chunk(buf, if self.ack { INIT_ACK } else { INIT }, 0);
        buf.extend_from_slice(&self.initiate_tag.to_be_bytes());
        buf.extend_from_slice(&self.a_rwnd.to_be_bytes());
        buf.extend_from_slice(&self.outbound_streams.to_be_bytes());
        buf.extend_from_slice(&self.inbound_streams.to_be_bytes());
        buf.extend_from_slice(&self.initial_tsn.0.to_be_bytes());
        let capabilities = self.capabilities;
        if let Some(cookie) = self.cookie {
            let at = begin_parameter(buf, STATE_COOKIE);
            buf.extend_from_slice(cookie);
            end(buf, at);
        }
        if capabilities.zero_checksum {
            let at = begin_parameter(buf, ZERO_CHECKSUM_ACCEPTABLE);
            buf.extend_from_slice(&EDMID_DTLS.to_be_bytes());
            end(buf, at);
        }
        if capabilities.partial_reliability {
            let at = begin_parameter(buf, FORWARD_TSN_SUPPORTED);
            end(buf, at);
        }
        for parameter in &self.unrecognized {
            let at = begin_parameter(buf, UNRECOGNIZED_PARAMETER);
            buf.extend_from_slice(parameter);
            end(buf, at);
        }
        // Last, so that its odd length leaves the padding to the chunk (the padding of the final parameter is not
        // part of the chunk's length, RFC 9260 §3.2).
        let mut extensions = [0; 4];
        let mut count = 0;
        for (offered, kind) in [
            (capabilities.reconfig, RE_CONFIG),
            (capabilities.partial_reliability, FORWARD_TSN),
            (capabilities.interleaving, I_DATA),
            (capabilities.interleaving && capabilities.partial_reliability, I_FORWARD_TSN),
        ] {
            if offered {
                extensions[count] = kind;
                count += 1;
            }
        }
        if count == 0 {
            end(buf, start);
            return;
        }
        let at = begin_parameter(buf, SUPPORTED_EXTENSIONS);
        buf.extend_from_slice(&extensions[..count]);
        let unpadded = buf.len();
        end(buf, at);
        let padding = buf.len() - unpadded;
        buf.truncate(unpadded);
        end(buf, start);
        debug_assert_eq!(buf.len() - unpadded, padding);
    }
}
