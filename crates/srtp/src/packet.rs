//! As much of the RTP and RTCP headers as protection must know (RFC 3550 §5.1, §5.3.1, §6.4). The packet itself is never
//! copied; a header here is a handful of offsets.

/// Bytes of the RTP header before any contributing sources.
pub(crate) const RTP_FIXED_LEN: usize = 12;
/// Bytes of an RTCP header that stay in the clear: the first packet's header and its SSRC (RFC 3711 §3.4).
pub(crate) const RTCP_CLEAR_LEN: usize = 8;
/// Bytes of the E flag and the SRTCP index.
pub(crate) const RTCP_INDEX_LEN: usize = 4;
/// The longest packet that is protected or accepted, in bytes, with all that protection adds: what UDP can carry.
pub(crate) const MAX_PACKET_LEN: usize = 65_535;
/// Packets whose tags are computed at once; larger batches are taken in parts.
pub(crate) const BATCH: usize = 8;

/// Where things are in an RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RtpHeader {
    pub(crate) ssrc: u32,
    pub(crate) sequence_number: u16,
    /// Bytes of the list of contributing sources.
    pub(crate) csrc_len: usize,
    pub(crate) extension: Option<Extension>,
    /// Where the payload begins.
    pub(crate) len: usize,
}

/// Where the header extension is, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    /// "Defined by profile": 0xBEDE and 0x100n of RFC 8285, or something else.
    pub(crate) profile: u16,
    /// Where its four bytes of header begin.
    pub(crate) at: usize,
}

impl RtpHeader {
    /// Reads the header, every length of which lies within `packet`.
    #[inline]
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let fixed = packet.first_chunk::<RTP_FIXED_LEN>()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let csrc_len = 4 * usize::from(fixed[0] & 0x0f);
        let at = RTP_FIXED_LEN + csrc_len;
        let (extension, len) = if fixed[0] & 0x10 == 0 {
            (None, at)
        } else {
            let header = packet.get(at..)?.first_chunk::<4>()?;
            let words = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let profile = u16::from_be_bytes([header[0], header[1]]);
            (Some(Extension { profile, at }), at + 4 + 4 * words)
        };
        (len <= packet.len()).then_some(Self {
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            sequence_number: u16::from_be_bytes([fixed[2], fixed[3]]),
            csrc_len,
            extension,
            len,
        })
    }
}

/// The SSRC of an RTCP packet, which may be compound; `None` if it is too short for one or of another version.
#[inline]
pub(crate) fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    let header = packet.first_chunk::<RTCP_CLEAR_LEN>()?;
    (header[0] >> 6 == 2).then(|| u32::from_be_bytes([header[4], header[5], header[6], header[7]]))
}
