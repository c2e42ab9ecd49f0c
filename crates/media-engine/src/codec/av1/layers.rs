//! The pattern of references that makes layers.
//!
//! Each spatial layer has two buffers of its own: its last picture of the lowest temporal layer, and that of the middle one of three.
//! Upper temporal layers are stored nowhere, or (the middle one) where only the highest looks, so that they can be left out. A
//! spatial layer refers to the one below it in keyframes only, so that a receiver may do without the upper ones, and a forwarder
//! switch at keyframes (L3T3_KEY and its like, W3C SVC extension §7).

use peerage_aom::Layer;

/// A picture of one spatial layer in the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub layer: Layer,
    /// It refers to the lowest temporal layer only.
    pub layer_sync: bool,
}

/// The picture of a spatial layer at an index after a keyframe, which has index 0.
pub(super) fn step(temporal_layers: u8, index: u32, spatial: u8) -> Step {
    let (lowest, middle) = (spatial, 3 + spatial);
    let layer = |temporal, last, store| Layer { spatial, temporal, last, below: None, store };
    let (layer, layer_sync) = match (temporal_layers, index % 4) {
        (2, 1 | 3) => (layer(1, Some(lowest), None), true),
        (3.., 1) => (layer(2, Some(lowest), None), true),
        (3.., 2) => (layer(1, Some(lowest), Some(middle)), true),
        (3.., 3) => (layer(2, Some(middle), None), false),
        _ => (layer(0, Some(lowest), Some(lowest)), false),
    };
    if index > 0 {
        return Step { layer, layer_sync };
    }
    // Of a keyframe the lowest spatial layer refers to nothing, the others to the one below alone.
    let below = spatial.checked_sub(1);
    Step { layer: Layer { last: None, below, ..layer }, layer_sync: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows the pattern with every choice of layers that are left out: what is referred to was always decoded.
    #[test]
    fn layers_that_are_left_out_are_not_missed() {
        for temporal_layers in 1..=3 {
            for (highest_spatial, highest_temporal) in
                (0..3).flat_map(|spatial| (0..temporal_layers).map(move |layer| (spatial, layer)))
            {
                let mut held = [None; 8];
                for index in 0..32 {
                    for spatial in 0..=highest_spatial {
                        let Step { layer, .. } = step(temporal_layers, index, spatial);
                        if layer.temporal > highest_temporal {
                            continue;
                        }
                        for buffer in [layer.last, layer.below].into_iter().flatten() {
                            assert!(held[usize::from(buffer)].is_some(), "{layer:?} at {index}");
                        }
                        assert_eq!(layer.below.is_some(), index == 0 && spatial > 0);
                        if index == 0 && spatial == 0 {
                            held = [Some(0); 8];
                        }
                        if let Some(store) = layer.store {
                            held[usize::from(store)] = Some(index);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn joining_pictures_refer_to_the_lowest_layer() {
        let told: Vec<_> = (0..8)
            .map(|index| step(3, index, 1))
            .map(|step| (step.layer.temporal, step.layer_sync, step.layer.last))
            .collect();
        let pattern =
            [(0, false, Some(1)), (2, true, Some(1)), (1, true, Some(1)), (2, false, Some(4))];
        assert_eq!(told[1..4], pattern[1..]);
        assert_eq!(told[4..], pattern);
        assert_eq!(told[0], (0, false, None));
    }
}
