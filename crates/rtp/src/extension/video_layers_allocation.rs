//! video-layers-allocation00: target bitrate, and perhaps resolution and frame rate, of each layer a sender produces, so
//! that a middlebox can choose what to forward.

use smallvec::SmallVec;

use super::kind::ExtensionKind;
use super::value::{HeaderExtension, wrong_length};
use crate::error::Error;

/// The most RTP streams of an allocation: two bits count them.
pub const MAX_ALLOCATION_STREAMS: u8 = 4;
/// The most spatial layers of a stream: four bits say which are active.
pub const MAX_ALLOCATION_SPATIAL_LAYERS: u8 = 4;
/// The most temporal layers of a spatial layer: two bits count them.
pub const MAX_ALLOCATION_TEMPORAL_LAYERS: u8 = 4;

/// Resolution and frame rate of a spatial layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerResolution {
    /// Width in pixels, 1 to 65,536.
    pub width: u32,
    /// Height in pixels, 1 to 65,536.
    pub height: u32,
    /// The most frames per second.
    pub frame_rate: u8,
}

/// An active spatial layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpatialLayerAllocation {
    /// The index of its RTP stream, below 4.
    pub stream: u8,
    /// Its spatial layer, below 4.
    pub spatial_id: u8,
    /// For each of its 1 to 4 temporal layers the bitrate in kbit/s that it takes to receive it, with all that it needs.
    pub bitrates_kbps: SmallVec<[u32; 4]>,
    /// Resolution and frame rate; all layers of an allocation have them, or none.
    pub resolution: Option<LayerResolution>,
}

/// The active layers of a sender.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VideoLayersAllocation {
    /// The index of the RTP stream that carries this, below 4.
    pub stream: u8,
    /// The active layers in ascending order of stream and spatial layer; none where nothing is sent.
    pub layers: SmallVec<[SpatialLayerAllocation; 4]>,
}

fn leb128(data: &mut &[u8]) -> Option<u32> {
    let mut value = 0_u64;
    // Five bytes hold 32 bits; no bitrate in kbit/s needs more.
    for shift in 0..5 {
        let (&byte, rest) = data.split_first()?;
        *data = rest;
        value |= u64::from(byte & 0x7F) << (7 * shift);
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok();
        }
    }
    None
}

impl VideoLayersAllocation {
    fn masks(&self) -> [u8; 4] {
        let mut masks = [0; 4];
        for layer in &self.layers {
            masks[usize::from(layer.stream & 3)] |= 1 << (layer.spatial_id & 3);
        }
        masks
    }
}

impl HeaderExtension<'_> for VideoLayersAllocation {
    const KIND: ExtensionKind = ExtensionKind::VideoLayersAllocation;

    fn parse(data: &[u8]) -> Result<Self, Error> {
        let short = || wrong_length(Self::KIND);
        let (&first, mut rest) = data.split_first().ok_or_else(short)?;
        if data == [0] {
            return Ok(Self::default()); // nothing is sent
        }
        let streams = usize::from(first >> 4 & 3) + 1;
        let mut masks = [0; 4];
        if first & 0x0F != 0 {
            masks[..streams].fill(first & 0x0F);
        } else {
            for pair in 0..streams.div_ceil(2) {
                let (&byte, after) = rest.split_first().ok_or_else(short)?;
                rest = after;
                masks[pair * 2] = byte >> 4;
                // The second half of the last byte is padding where the number of streams is odd.
                if pair * 2 + 1 < streams {
                    masks[pair * 2 + 1] = byte & 0x0F;
                }
            }
        }
        let mut layers = SmallVec::<[SpatialLayerAllocation; 4]>::new();
        for stream in 0..streams as u8 {
            for spatial_id in 0..4 {
                if masks[usize::from(stream)] & 1 << spatial_id != 0 {
                    let bitrates_kbps = SmallVec::new();
                    layers.push(SpatialLayerAllocation {
                        stream,
                        spatial_id,
                        bitrates_kbps,
                        resolution: None,
                    });
                }
            }
        }
        if layers.is_empty() {
            let reason = "it has no layers and is not the single zero that says so";
            return Err(Error::Invalid {
                what: Self::KIND.name(),
                reason,
                section: Self::KIND.section(),
            });
        }
        let (counts, after) = rest.split_at_checked(layers.len().div_ceil(4)).ok_or_else(short)?;
        rest = after;
        for (index, layer) in layers.iter_mut().enumerate() {
            let temporal = (counts[index / 4] >> (6 - 2 * (index % 4)) & 3) + 1;
            for _ in 0..temporal {
                layer.bitrates_kbps.push(leb128(&mut rest).ok_or_else(short)?);
            }
        }
        if !rest.is_empty() {
            if rest.len() != layers.len() * 5 {
                return Err(short());
            }
            for (layer, bytes) in layers.iter_mut().zip(rest.chunks_exact(5)) {
                layer.resolution = Some(LayerResolution {
                    width: u32::from(u16::from_be_bytes([bytes[0], bytes[1]])) + 1,
                    height: u32::from(u16::from_be_bytes([bytes[2], bytes[3]])) + 1,
                    frame_rate: bytes[4],
                });
            }
        }
        Ok(Self { stream: first >> 6, layers })
    }

    /// Layers must be as the fields say; what is out of range is written as the nearest value.
    fn write(&self, out: &mut Vec<u8>) {
        if self.layers.is_empty() {
            out.push(0);
            return;
        }
        let masks = self.masks();
        let streams = masks.iter().rposition(|mask| *mask != 0).map_or(1, |last| last + 1);
        let streams = streams.max(usize::from(self.stream & 3) + 1);
        let same = masks[0] != 0 && masks[..streams].iter().all(|mask| *mask == masks[0]);
        out.push(self.stream << 6 | (streams as u8 - 1) << 4 | if same { masks[0] } else { 0 });
        if !same {
            out.push(masks[0] << 4 | masks[1]);
            if streams > 2 {
                out.push(masks[2] << 4 | masks[3]);
            }
        }
        for layers in self.layers.chunks(4) {
            let mut byte = 0;
            for (index, layer) in layers.iter().enumerate() {
                byte |= (layer.bitrates_kbps.len().clamp(1, 4) as u8 - 1) << (6 - 2 * index);
            }
            out.push(byte);
        }
        for layer in &self.layers {
            for index in 0..layer.bitrates_kbps.len().clamp(1, 4) {
                let mut bitrate = layer.bitrates_kbps.get(index).copied().unwrap_or(0);
                while bitrate > 0x7F {
                    out.push(bitrate as u8 | 0x80);
                    bitrate >>= 7;
                }
                out.push(bitrate as u8);
            }
        }
        if self.layers.iter().all(|layer| layer.resolution.is_some()) {
            for resolution in self.layers.iter().filter_map(|layer| layer.resolution) {
                let less_one = |size: u32| (size.clamp(1, 65_536) - 1) as u16;
                out.extend_from_slice(&less_one(resolution.width).to_be_bytes());
                out.extend_from_slice(&less_one(resolution.height).to_be_bytes());
                out.push(resolution.frame_rate);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(
        stream: u8,
        spatial_id: u8,
        rates: &[u32],
        size: Option<u32>,
    ) -> SpatialLayerAllocation {
        let resolution = size.map(|s| LayerResolution { width: s, height: s / 2, frame_rate: 30 });
        SpatialLayerAllocation {
            stream,
            spatial_id,
            bitrates_kbps: SmallVec::from_slice(rates),
            resolution,
        }
    }

    fn round_trip(allocation: &VideoLayersAllocation) -> Vec<u8> {
        let mut out = Vec::new();
        allocation.write(&mut out);
        assert_eq!(VideoLayersAllocation::parse(&out).as_ref(), Ok(allocation));
        out
    }

    #[test]
    fn allocations_round_trip() {
        assert_eq!(round_trip(&VideoLayersAllocation::default()), [0]);
        let simulcast =
            [layer(0, 0, &[50, 100], None), layer(1, 0, &[300], None), layer(2, 0, &[1_500], None)];
        let bytes = round_trip(&VideoLayersAllocation {
            stream: 1,
            layers: simulcast.into_iter().collect(),
        });
        assert_eq!(bytes[0], 0b0110_0001, "stream 1 of 3, the same layer in each");
        let uneven = [
            layer(0, 0, &[1, 2, 3, 70_000], Some(320)),
            layer(0, 1, &[u32::MAX], Some(65_536)),
            layer(2, 3, &[9], Some(4)),
        ];
        round_trip(&VideoLayersAllocation { stream: 2, layers: uneven.into_iter().collect() });
    }

    #[test]
    fn wrong_lengths_are_refused() {
        for bad in [
            &[][..],
            &[0x01],
            &[0x01, 0x00],
            &[0x10],
            &[1, 0, 5, 1],
            &[1, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
        ] {
            assert!(VideoLayersAllocation::parse(bad).is_err(), "{bad:?}");
        }
    }
}
