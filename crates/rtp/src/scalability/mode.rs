//! Names of scalability modes (W3C's Scalable Video Coding Extension for WebRTC, §6).

/// Which frames are predicted from lower spatial layers of their picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InterLayerPrediction {
    /// All: `L3T3`.
    Always,
    /// Those of key pictures: `L3T3_KEY`.
    Keyframes,
    /// None; the layers are streams of their own: `S3T3`.
    Never,
}

/// The layers of a stream and what refers to what among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScalabilityMode {
    /// Spatial layers, 1 to 3.
    pub spatial: u8,
    /// Temporal layers, 1 to 3.
    pub temporal: u8,
    /// Prediction between spatial layers.
    pub prediction: InterLayerPrediction,
}

impl ScalabilityMode {
    /// Reads a name: `L1T3`, `L2T1h`, `L3T3_KEY`, `S2T2`. `None` for others, and for those with `SHIFT`, whose pattern is not
    /// known here.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (layers, key) = match name.strip_suffix("_KEY") {
            Some(layers) => (layers, true),
            None => (name, false),
        };
        // With `h` the pictures of a layer have two thirds of the size of those above, not half: nothing else differs.
        let layers = layers.strip_suffix('h').unwrap_or(layers);
        let &[kind, spatial @ b'1'..=b'3', b'T', temporal @ b'1'..=b'3'] = layers.as_bytes() else {
            return None;
        };
        let prediction = match (kind, key) {
            (b'L', false) => InterLayerPrediction::Always,
            (b'L', true) => InterLayerPrediction::Keyframes,
            (b'S', false) => InterLayerPrediction::Never,
            _ => return None,
        };
        Some(Self { spatial: spatial - b'0', temporal: temporal - b'0', prediction })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        use InterLayerPrediction::{Always, Keyframes, Never};
        for (name, expected) in [
            ("L1T1", Some((1, 1, Always))),
            ("L3T2h", Some((3, 2, Always))),
            ("L2T3_KEY", Some((2, 3, Keyframes))),
            ("S3T3", Some((3, 3, Never))),
            ("S3T3h", Some((3, 3, Never))),
            ("L2T2_KEY_SHIFT", None),
            ("S2T1_KEY", None),
            ("L4T1", None),
            ("L1T", None),
            ("", None),
        ] {
            let read = ScalabilityMode::parse(name);
            assert_eq!(read.map(|m| (m.spatial, m.temporal, m.prediction)), expected, "{name}");
        }
    }
}
