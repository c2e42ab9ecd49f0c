//! The layers of one stream (SVC), as `scalabilityMode` names them (webrtc-svc §6): what VP9's payload header tells
//! receivers of them (RFC 9628 §4.2.1).

use peerage_rtp::payload::FrameInfo;
use peerage_rtp::scalability::ScalabilityMode;

use crate::error::Error;
use crate::transceiver::RtpEncodingParameters;

/// The layers that a stream is said to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layers {
    pub(super) spatial: u8,
    pub(super) temporal: u8,
    /// Each frame tells what it refers to, so that no pattern need be known.
    pub(super) flexible: bool,
    /// The spatial layers of a picture are of different temporal layers.
    shifted: bool,
    /// There is a mode.
    stated: bool,
    /// The mode, where it is one whose pattern is known.
    pub(super) mode: Option<ScalabilityMode>,
}

impl Layers {
    /// A stream without layers.
    pub(super) const NONE: Self = Self {
        spatial: 1,
        temporal: 1,
        flexible: false,
        shifted: false,
        stated: false,
        mode: None,
    };

    /// What the parameters say; a mode that is not known counts as none.
    pub(super) fn new(parameters: &RtpEncodingParameters) -> Self {
        let mode = parameters.scalability_mode.as_deref().and_then(Self::parse);
        Self { flexible: parameters.vp9_flexible, ..mode.unwrap_or(Self::NONE) }
    }

    /// `L3T2`, `S2T1h`, `L2T3_KEY`, `L2T2_KEY_SHIFT` and the like.
    fn parse(name: &str) -> Option<Self> {
        let (layers, suffix) = match name.split_once('_') {
            Some((layers, suffix)) => (layers, Some(suffix)),
            None => (name, None),
        };
        let layers = layers.strip_suffix('h').unwrap_or(layers);
        let &[b'L' | b'S', spatial @ b'1'..=b'3', b'T', temporal @ b'1'..=b'3'] = layers.as_bytes()
        else {
            return None;
        };
        let shifted = match suffix {
            None | Some("KEY") => false,
            Some("KEY_SHIFT") => true,
            Some(_) => return None,
        };
        let (spatial, temporal) = (spatial - b'0', temporal - b'0');
        let mode = ScalabilityMode::parse(name);
        Some(Self { spatial, temporal, flexible: false, shifted, stated: true, mode })
    }

    /// What is written of a VP9 frame, where that differs from what the application says: without a mode the stream has one
    /// temporal layer, in which each picture follows the one before.
    ///
    /// # Errors
    /// The frame is of a layer that receivers were not told of: they would derive wrong references.
    pub(super) fn written(self, info: &FrameInfo) -> Result<Option<FrameInfo>, Error> {
        let (temporal, spatial) =
            (info.temporal_layer.unwrap_or(0), info.spatial_layer.unwrap_or(0));
        if self.shifted && !self.flexible {
            return Err(Error::Operation(
                "a scalabilityMode with SHIFT needs vp9_flexible: its pictures follow no pattern \
                 (RFC 9628 §4.2.1)"
                    .to_owned(),
            ));
        }
        let beyond = self.stated && !self.flexible && temporal >= self.temporal;
        if spatial >= self.spatial || beyond {
            return Err(Error::Operation(format!(
                "the VP9 frame is of spatial layer {spatial} and temporal layer {temporal}, but \
                 scalabilityMode tells of L{}T{} (RFC 9628 §4.2.1)",
                self.spatial, self.temporal
            )));
        }
        let flat = FrameInfo { temporal_layer: Some(0), layer_sync: false, ..info.clone() };
        Ok((!self.stated && !self.flexible && temporal > 0).then_some(flat))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(mode: &str) -> Option<(u8, u8)> {
        Layers::parse(mode).map(|layers| (layers.spatial, layers.temporal))
    }

    #[test]
    fn modes_name_their_layers() {
        for (mode, expected) in [
            ("L1T1", Some((1, 1))),
            ("L1T3", Some((1, 3))),
            ("L3T2h", Some((3, 2))),
            ("L2T3_KEY", Some((2, 3))),
            ("L2T2_KEY_SHIFT", Some((2, 2))),
            ("S3T1", Some((3, 1))),
            ("L0T1", None),
            ("L4T1", None),
            ("L1T", None),
            ("L1T1_", None),
            ("L1T1_KEYS", None),
            ("", None),
            ("é1T1", None),
        ] {
            assert_eq!(layers(mode), expected, "{mode}");
        }
    }

    #[test]
    fn frames_of_layers_that_nobody_knows_of_are_refused() {
        let frame = |spatial, temporal| FrameInfo {
            spatial_layer: Some(spatial),
            temporal_layer: Some(temporal),
            ..FrameInfo::default()
        };
        let of = |mode: &str, vp9_flexible| {
            let scalability_mode = Some(mode.to_owned());
            let parameters = RtpEncodingParameters {
                scalability_mode,
                vp9_flexible,
                ..RtpEncodingParameters::default()
            };
            Layers::new(&parameters)
        };
        assert_eq!(of("L2T2", false).written(&frame(1, 1)), Ok(None));
        assert!(of("L2T2", false).written(&frame(2, 0)).is_err());
        assert!(of("L2T2", false).written(&frame(0, 2)).is_err());
        assert_eq!(of("L2T2", true).written(&frame(0, 2)), Ok(None), "its references are told");
        assert!(of("L2T2_KEY_SHIFT", false).written(&frame(0, 0)).is_err());
        assert_eq!(of("L2T2_KEY_SHIFT", true).written(&frame(0, 0)), Ok(None));
        // Without a mode it is one layer, and told as such.
        let flat = Layers::NONE.written(&frame(0, 2)).unwrap().unwrap();
        assert_eq!(flat.temporal_layer, Some(0));
        assert!(Layers::NONE.written(&frame(1, 0)).is_err());
    }
}
