//! The packet index of a stream: a sequence number of 16 bits and the rollover counter above it (RFC 3711 §3.3.1).

/// Indices of RTP have 48 bits.
pub(crate) const RTP_INDEX_END: u64 = 1 << 48;
/// Indices of RTCP have 31 bits.
pub(crate) const RTCP_INDEX_END: u64 = 1 << 31;

/// The index closest to `highest` among those that end in `sequence_number` (RFC 3711 §3.3.1 and appendix A). May be
/// [`RTP_INDEX_END`] or more when the rollover counter ran out.
pub(crate) fn estimate(highest: u64, sequence_number: u16) -> u64 {
    const HALF: u64 = 1 << 15;
    const ROUND: u64 = 1 << 16;
    let index = highest & !(ROUND - 1) | u64::from(sequence_number);
    if index + HALF < highest {
        index + ROUND
    } else if index > highest + HALF && index >= ROUND {
        // Before the first round there is nothing, so there the index stays as it is.
        index - ROUND
    } else {
        index
    }
}

/// The rollover counter within an index.
pub(crate) fn rollover_counter(index: u64) -> u32 {
    (index >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711 appendix A, as it stands there, with `None` where the counter would fall below zero.
    fn appendix_a(roc: u64, s_l: u16, seq: u16) -> Option<u64> {
        let v = if s_l < 32_768 {
            if i32::from(seq) - i32::from(s_l) > 32_768 { roc.checked_sub(1)? } else { roc }
        } else if i32::from(s_l) - 32_768 > i32::from(seq) {
            roc + 1
        } else {
            roc
        };
        Some(u64::from(seq) + (v << 16))
    }

    #[test]
    fn estimates_as_appendix_a_does() {
        let corners = [0u16, 1, 2, 1000, 32_766, 32_767, 32_768, 32_769, 40_000, 65_534, 65_535];
        for roc in [0u64, 1, 2, 77, (1 << 32) - 1] {
            for s_l in corners {
                for seq in corners.into_iter().chain((0..=u16::MAX).step_by(509)) {
                    let estimated = estimate(roc << 16 | u64::from(s_l), seq);
                    let expected = appendix_a(roc, s_l, seq).unwrap_or_else(|| u64::from(seq));
                    assert_eq!(estimated, expected, "{roc} {s_l} {seq}");
                }
            }
        }
    }

    #[test]
    fn the_last_round_is_followed_by_the_end() {
        let last = RTP_INDEX_END - 1;
        assert_eq!(estimate(last, u16::MAX), last);
        assert_eq!(estimate(last, 0), RTP_INDEX_END);
        assert_eq!(rollover_counter(last), u32::MAX);
    }
}
