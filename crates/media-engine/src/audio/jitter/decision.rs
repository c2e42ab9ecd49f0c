//! What is done next when sound runs out: the rules alone, without doing any of it.
//!
//! The measure of everything is how long a packet has been waiting since the quickest packet would have brought its sound. Held at the
//! target, all packets up to that delay are in time; it needs no smoothing, as the number of packets that wait would.

/// From how far above the target sound is shortened, in µs.
pub(super) const SHORTEN_ABOVE: i64 = 15_000;
/// From how far above the target that is urgent, in µs.
pub(super) const HURRY_ABOVE: i64 = 120_000;
/// From how far below the target sound is lengthened, in µs.
pub(super) const LENGTHEN_BELOW: i64 = 5_000;
/// From how far above the target a gap is not filled to its end, in µs.
pub(super) const SKIP_ABOVE: i64 = 15_000;

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is played: it has not begun, or nothing came for long.
    Waiting,
    /// The sender is silent and nothing is missing.
    Comfort,
    /// Sound comes from packets.
    Playing,
    /// Sound is made up.
    Concealing,
}

/// The next packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    /// Frames between the end of what was played and its beginning; negative where they overlap.
    pub(super) gap: i64,
    /// How many frames of sound it has.
    pub(super) length: i64,
    /// For how long it will have been waiting when it is played now, in µs.
    pub(super) waited: i64,
    /// Whether the packet before it in sequence was the last one played: a gap is silence then.
    pub(super) consecutive: bool,
    /// Whether it has the sound of the packet before it.
    pub(super) restores: bool,
    /// Whether packets have no more room: waiting would lose some.
    pub(super) urgent: bool,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// The next packet is played.
    Play,
    /// The sound before the next packet is taken out of it.
    Restore,
    /// So many frames are made up, in the place of what is lost.
    Conceal(i64),
    /// A block is made up, while something may still come.
    Bridge,
    /// A block of comfort noise, or silence.
    Noise,
    /// A silence of the sender begins, with a block of noise.
    BeginComfort,
}

/// Decides. `made` is how many frames were made up since the last packet; `block` is 10 ms.
pub(super) fn decide(
    phase: Phase,
    next: Option<Next>,
    target: i64,
    made: i64,
    block: i64,
) -> Operation {
    let Some(next) = next else {
        return match phase {
            Phase::Waiting | Phase::Comfort => Operation::Noise,
            Phase::Playing | Phase::Concealing => Operation::Bridge,
        };
    };
    match phase {
        // Nothing is heard of a change of delay here, so it is set right.
        Phase::Waiting | Phase::Comfort if next.waited >= target || next.urgent => Operation::Play,
        Phase::Waiting | Phase::Comfort => Operation::Noise,
        Phase::Playing | Phase::Concealing if next.gap <= 0 => Operation::Play,
        // RFC 3389 §5.1: silence suppression shows as a gap in time but not in sequence.
        Phase::Playing | Phase::Concealing if next.consecutive => {
            if next.waited >= target || next.urgent {
                Operation::Play
            } else {
                Operation::BeginComfort
            }
        }
        Phase::Playing | Phase::Concealing => {
            if next.restores && next.gap <= next.length {
                return Operation::Restore;
            }
            // Delay that is too long is best got rid of where nothing is known of the sound.
            if made >= block && (next.waited >= target + SKIP_ABOVE || next.urgent) {
                return Operation::Play;
            }
            let lost = if next.restores { next.gap - next.length } else { next.gap };
            Operation::Conceal(lost.min(2 * block))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT: Next = Next {
        gap: 0,
        length: 960,
        waited: 40_000,
        consecutive: false,
        restores: false,
        urgent: false,
    };

    fn playing(next: Next, made: i64) -> Operation {
        decide(Phase::Playing, Some(next), 40_000, made, 480)
    }

    #[test]
    fn what_is_due_is_played() {
        assert_eq!(playing(NEXT, 0), Operation::Play);
        assert_eq!(playing(Next { gap: -100, ..NEXT }, 0), Operation::Play);
        assert_eq!(decide(Phase::Playing, None, 40_000, 0, 480), Operation::Bridge);
    }

    #[test]
    fn a_gap_is_filled_up_to_what_can_be_restored() {
        let lost = Next { gap: 2_880, waited: 0, ..NEXT };
        assert_eq!(playing(lost, 0), Operation::Conceal(960));
        assert_eq!(playing(Next { gap: 100, ..lost }, 0), Operation::Conceal(100));
        assert_eq!(playing(Next { restores: true, gap: 1_000, ..lost }, 0), Operation::Conceal(40));
        assert_eq!(playing(Next { restores: true, gap: 960, ..lost }, 0), Operation::Restore);
    }

    #[test]
    fn a_gap_is_cut_short_where_delay_is_too_long() {
        let late = Next { gap: 2_880, waited: 60_000, ..NEXT };
        assert_eq!(playing(late, 0), Operation::Conceal(960));
        assert_eq!(playing(late, 960), Operation::Play);
    }

    #[test]
    fn silence_ends_when_the_target_is_reached() {
        let silence = Next { gap: 9_600, consecutive: true, ..NEXT };
        assert_eq!(playing(silence, 0), Operation::Play);
        assert_eq!(playing(Next { waited: 39_999, ..silence }, 0), Operation::BeginComfort);
        let early = Next { waited: 0, ..NEXT };
        for phase in [Phase::Waiting, Phase::Comfort] {
            assert_eq!(decide(phase, Some(early), 40_000, 0, 480), Operation::Noise);
            assert_eq!(decide(phase, Some(NEXT), 40_000, 0, 480), Operation::Play);
            let urgent = Next { urgent: true, ..early };
            assert_eq!(decide(phase, Some(urgent), 40_000, 0, 480), Operation::Play);
            assert_eq!(decide(phase, None, 40_000, 0, 480), Operation::Noise);
        }
    }
}
