//! Which frames of a stream one receiver gets, by the payload headers of VP8 (RFC 7741 §4.2) and VP9 (RFC 9628 §4.2).
//!
//! A temporal layer is let through while all its pictures since a point at which it can be joined were; spatial layers are
//! taken from below, without gaps, and a higher one is joined at a frame of it that refers to no earlier picture.

use std::collections::VecDeque;

use super::by_descriptor::{Decision, End, Fate};
use super::layers::{Layer, Picture};

/// Pictures that are remembered: two seconds at 60 a second, for packets that come late.
const PICTURES: usize = 128;

#[derive(Debug, Clone, Copy)]
struct Known {
    timestamp: u32,
    id: Option<u16>,
    forward: bool,
    /// The highest spatial layer that goes through.
    spatial: u8,
    /// After it: temporal layers that go through, as bits.
    open: u8,
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct ByPayload {
    /// The last pictures, by their timestamps.
    pictures: VecDeque<Known>,
    /// A keyframe was let through.
    begun: bool,
    /// The timestamp of what was left out last before that.
    refused: Option<u32>,
    spatial: u8,
    open: u8,
    /// The highest layers that were forwarded since the last keyframe.
    seen: Layer,
    /// There is more in the stream that is wanted.
    lacks: bool,
    needs_keyframe: bool,
}

fn is_newer(timestamp: u32, than: u32) -> bool {
    (timestamp.wrapping_sub(than) as i32) > 0
}

/// The bits of the layers up to one.
fn up_to(layer: u8) -> u8 {
    u8::MAX >> (7 - layer.min(7))
}

impl ByPayload {
    pub(super) fn new() -> Self {
        Self {
            pictures: VecDeque::new(),
            begun: false,
            refused: None,
            spatial: 0,
            open: 0,
            seen: Layer { spatial: 0, temporal: 0 },
            lacks: false,
            needs_keyframe: false,
        }
    }

    pub(super) fn current(&self) -> Option<Layer> {
        let open = (self.open.trailing_ones().max(1) - 1) as u8;
        let Layer { spatial, temporal } = self.seen;
        let current = Layer { spatial: spatial.min(self.spatial), temporal: temporal.min(open) };
        self.begun.then_some(current)
    }

    pub(super) fn needs_keyframe(&self) -> bool {
        self.needs_keyframe
    }

    pub(super) fn is_settled(&self) -> bool {
        self.begun && !self.lacks
    }

    pub(super) fn decide(&mut self, picture: &Picture, timestamp: u32, wanted: Layer) -> Decision {
        if !self.begun {
            if !picture.is_key || self.refused == Some(timestamp) {
                // Of a keyframe whose first packet comes late the others are gone.
                self.refused = Some(timestamp);
                self.needs_keyframe = true;
                return Decision::SKIP;
            }
            self.begun = true;
            self.refused = None;
        }
        let known = self.pictures.iter().rposition(|known| known.timestamp == timestamp);
        let (index, is_newest) = match known {
            Some(index) => (index, index + 1 == self.pictures.len()),
            None => match self.pictures.back() {
                Some(newest) if !is_newer(timestamp, newest.timestamp) => {
                    let Some(index) = self.add_late(picture, timestamp) else {
                        return Decision::LOSE;
                    };
                    (index, false)
                }
                _ => {
                    self.add_newest(picture, timestamp, wanted);
                    (self.pictures.len() - 1, true)
                }
            },
        };
        if is_newest {
            self.consider_layer(picture, wanted);
        }
        let known = self.pictures[index];
        let layer = picture.layer.spatial;
        let forward = known.forward && layer <= known.spatial;
        if forward {
            self.seen.spatial = self.seen.spatial.max(layer);
            self.seen.temporal = self.seen.temporal.max(picture.layer.temporal);
        }
        let ends = (forward && picture.ends_layer).then(|| {
            let may = if is_newest { wanted.spatial } else { 0 };
            match layer >= known.spatial && (layer >= may || !self.lacks) {
                true => End::Picture,
                false => End::Layer,
            }
        });
        Decision { fate: Fate::of(forward), ends }
    }

    /// Whether the picture that lies so many before this one was forwarded; `None` if it is not known.
    fn was_forwarded(&self, picture: &Picture, distance: u8) -> Option<bool> {
        let id = picture.id?;
        let back = id.value.wrapping_sub(u16::from(distance)) & id.mask();
        let known = self.pictures.iter().rev().find(|known| known.id == Some(back));
        known.map(|known| known.forward)
    }

    /// Whether a picture of a temporal layer can be decoded after what was forwarded, `open` being the layers that go through.
    fn goes_through(&self, picture: &Picture, open: u8) -> bool {
        let temporal = picture.layer.temporal;
        let is_open = open & up_to(temporal) | 1 == up_to(temporal);
        if temporal == 0 || picture.needs_base_only {
            return true;
        }
        match &picture.distances {
            Some(distances) => distances.iter().all(|distance| {
                // One that was not seen yet comes, if its layer is gone on with.
                self.was_forwarded(picture, *distance).unwrap_or(is_open)
            }),
            None => is_open,
        }
    }

    /// The temporal layers that go through after a picture that does.
    fn opened(picture: &Picture, open: u8) -> u8 {
        let temporal = picture.layer.temporal;
        let above = if picture.opens_higher { !up_to(temporal) } else { 0 };
        let own = picture.needs_base_only || picture.distances.is_some();
        open | above | if own { 1 << temporal.min(7) } else { 0 } | 1
    }

    fn add_newest(&mut self, picture: &Picture, timestamp: u32, wanted: Layer) {
        let temporal = picture.layer.temporal;
        if picture.is_key {
            self.open = u8::MAX;
            self.spatial = wanted.spatial;
            self.seen = Layer { spatial: 0, temporal: 0 };
            (self.lacks, self.needs_keyframe) = (false, false);
        }
        self.open &= up_to(wanted.temporal);
        self.spatial = self.spatial.min(wanted.spatial);
        let is_wanted = temporal <= wanted.temporal;
        let forward = is_wanted && self.goes_through(picture, self.open);
        if forward {
            self.open = Self::opened(picture, self.open) & up_to(wanted.temporal);
        }
        if is_wanted && temporal > 0 {
            self.lacks = !forward;
            self.needs_keyframe &= self.lacks;
        }
        if self.pictures.len() == PICTURES {
            self.pictures.pop_front();
        }
        let (spatial, open) = (self.spatial, self.open);
        let id = picture.id.map(|id| id.value);
        self.pictures.push_back(Known { timestamp, id, forward, spatial, open });
    }

    /// A picture that comes after later ones: what held when it was its turn decides.
    fn add_late(&mut self, picture: &Picture, timestamp: u32) -> Option<usize> {
        let later = |known: &Known| is_newer(known.timestamp, timestamp);
        let index =
            self.pictures.len() - self.pictures.iter().rev().take_while(|k| later(k)).count();
        let before = *self.pictures.get(index.checked_sub(1)?)?;
        let temporal = picture.layer.temporal;
        let forward = before.open & up_to(temporal) | 1 == up_to(temporal);
        if self.pictures.len() == PICTURES {
            self.pictures.pop_front();
            return self.insert_late(index - 1, picture, timestamp, Known { forward, ..before });
        }
        self.insert_late(index, picture, timestamp, Known { forward, ..before })
    }

    fn insert_late(
        &mut self,
        index: usize,
        picture: &Picture,
        timestamp: u32,
        known: Known,
    ) -> Option<usize> {
        let id = picture.id.map(|id| id.value);
        self.pictures.insert(index, Known { timestamp, id, ..known });
        Some(index)
    }

    /// Joins the next spatial layer, if it is wanted and this is where that can be done.
    fn consider_layer(&mut self, picture: &Picture, wanted: Layer) {
        let layer = picture.layer.spatial;
        let Some(known) = self.pictures.back_mut() else { return };
        if !known.forward || layer <= known.spatial || layer > wanted.spatial {
            return;
        }
        // RFC 9628 §4.2, P: a frame that refers to no earlier picture is where one can switch up from the layer below. One of an
        // upper temporal layer is not taken: those of the lowest go on from older ones.
        if picture.joins_here && picture.layer.temporal == 0 && layer == known.spatial + 1 {
            known.spatial = layer;
            self.spatial = layer;
            (self.lacks, self.needs_keyframe) = (layer < wanted.spatial, false);
        } else {
            (self.lacks, self.needs_keyframe) = (true, true);
        }
    }
}
