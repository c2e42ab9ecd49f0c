//! The pattern of references that makes temporal layers of VP8 (VP9's are libvpx's own).
//!
//! The lowest layer refers to the last frame and becomes it; upper ones never do, so that they can be left out. Of three layers
//! the middle one becomes the golden frame. Probabilities stay those of the lowest layer, since a picture that is left out must
//! not have changed them (RFC 6386 §9.11).

use peerage_vpx::Flags;

/// A picture in the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub flags: Flags,
    /// It refers to the lowest layer only.
    pub layer_sync: bool,
    /// Nothing refers to it.
    pub discardable: bool,
}

/// The picture at an index after a keyframe, which has index 0.
pub(super) fn step(layers: u8, index: u32) -> Step {
    let upper = |temporal_layer, no_golden, keep_golden| Flags {
        keyframe: false,
        no_golden,
        no_altref: true,
        keep_last: true,
        keep_golden,
        keep_altref: true,
        keep_entropy: true,
        temporal_layer,
    };
    let lowest = Flags {
        no_golden: true,
        no_altref: true,
        keep_golden: true,
        keep_altref: true,
        ..Flags::default()
    };
    match (layers, index % 4) {
        (0 | 1, _) => Step { flags: Flags::default(), layer_sync: false, discardable: false },
        (2, 1 | 3) => Step { flags: upper(1, true, true), layer_sync: true, discardable: true },
        (_, 1) if layers > 2 => {
            Step { flags: upper(2, true, true), layer_sync: true, discardable: true }
        }
        (_, 2) if layers > 2 => {
            Step { flags: upper(1, true, false), layer_sync: true, discardable: false }
        }
        (_, 3) if layers > 2 => {
            Step { flags: upper(2, false, true), layer_sync: false, discardable: true }
        }
        _ => Step { flags: lowest, layer_sync: false, discardable: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_refers_to_what_may_be_left_out() {
        for layers in 1..=3 {
            for index in 0..16 {
                let Step { flags, discardable, layer_sync } = step(layers, index);
                assert_eq!(
                    discardable,
                    flags.keep_last && flags.keep_golden && flags.keep_altref,
                    "{layers} {index}"
                );
                // Golden is what the middle layer left.
                assert!(!layer_sync || flags.no_golden);
                assert_eq!(flags.keep_last, flags.temporal_layer > 0);
                assert_eq!(flags.keep_entropy, flags.temporal_layer > 0);
                assert!(flags.temporal_layer < layers);
            }
        }
        let layers: Vec<_> = (0..4).map(|index| step(3, index).flags.temporal_layer).collect();
        assert_eq!(layers, [0, 2, 1, 2]);
    }
}
