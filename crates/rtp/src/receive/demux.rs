//! Which media section, simulcast layer and role an RTP stream has (RFC 9143 §9.2, RFC 8852, RFC 8853). The first packets
//! of a stream tell by MID and RID, later ones by SSRC alone; streams that nothing announced go by payload type.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;
use smol_str::SmolStr;

use crate::error::Error;
use crate::extension::{ExtensionMap, Mid, RepairedRtpStreamId, RtpStreamId};
use crate::number::{PayloadType, Ssrc};
use crate::packet::RtpPacket;

/// The most media sections.
pub const MAX_SECTIONS: usize = 1_024;
/// The most SSRCs learnt from packets; the one learnt longest ago is forgotten for the next.
pub const MAX_LATCHED_STREAMS: usize = 1_024;
/// The most RIDs of a media section.
pub const MAX_STREAM_IDS: usize = 16;

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamRole {
    /// It carries media.
    Media,
    /// It repairs another: RTX, or FEC on an SSRC of its own.
    Repair,
}

/// Where a packet belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The media section: what [`Demultiplexer::set_section`] was given.
    pub section: u16,
    /// The simulcast layer: the index in the section's list of RIDs.
    pub layer: Option<u8>,
    /// What the stream is for.
    pub role: StreamRole,
    /// The packet is the first that told where its SSRC belongs.
    pub new: bool,
}

/// What a media section receives.
#[derive(Debug, Clone, Default)]
pub struct MediaSection {
    /// Its identification tag; empty where it has none.
    pub mid: SmolStr,
    /// The payload types it receives.
    pub payload_types: Vec<PayloadType>,
    /// Those of them that repair: RTX and FEC.
    pub repair_payload_types: Vec<PayloadType>,
    /// The RIDs it receives, in the order of `a=simulcast`; at most [`MAX_STREAM_IDS`].
    pub rids: Vec<SmolStr>,
}

#[derive(Debug, Clone)]
struct Section {
    mid: SmolStr,
    rids: Vec<SmolStr>,
    /// A bit for each payload type.
    payload_types: u128,
    repair: u128,
}

#[derive(Debug, Clone, Copy)]
struct Binding {
    section: u16,
    layer: Option<u8>,
    role: StreamRole,
    latched: bool,
    /// No packet came yet: it is not known what the stream is for.
    announced: bool,
    /// An element told the layer; before, the payload type alone did.
    by_rid: bool,
}

/// Associates packets with media sections. A packet costs two look-ups, a third with a MID; none grows with the sections.
#[derive(Debug, Default)]
pub struct Demultiplexer {
    sections: FxHashMap<u16, Section>,
    by_mid: FxHashMap<SmolStr, u16>,
    by_ssrc: FxHashMap<Ssrc, Binding>,
    /// SSRCs learnt from packets, in the order they were.
    latched: VecDeque<Ssrc>,
    /// For each payload type the only section that has it.
    by_payload_type: Vec<Option<u16>>,
    unroutable: u64,
}

fn bits(payload_types: &[PayloadType]) -> u128 {
    payload_types.iter().fold(0, |set, payload_type| set | 1 << payload_type.get())
}

impl Demultiplexer {
    /// One without sections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a section, or replaces what it receives. SSRCs that were bound to it stay bound.
    ///
    /// # Errors
    ///
    /// [`Error::TooMany`] beyond [`MAX_SECTIONS`] or [`MAX_STREAM_IDS`]; [`Error::Invalid`] where another section has
    /// the tag.
    pub fn set_section(&mut self, id: u16, section: &MediaSection) -> Result<(), Error> {
        let too_many =
            |what, have, limit, section| Err(Error::TooMany { what, have, limit, section });
        if !self.sections.contains_key(&id) && self.sections.len() == MAX_SECTIONS {
            return too_many("media sections", MAX_SECTIONS + 1, MAX_SECTIONS, "MAX_SECTIONS");
        }
        if section.rids.len() > MAX_STREAM_IDS {
            return too_many("RIDs", section.rids.len(), MAX_STREAM_IDS, "MAX_STREAM_IDS");
        }
        if self.by_mid.get(&section.mid).is_some_and(|other| *other != id) {
            let reason = "another section has it";
            return Err(Error::Invalid {
                what: "identification tag",
                reason,
                section: "RFC 9143 §9.2",
            });
        }
        if let Some(old) = self.sections.get(&id) {
            self.by_mid.remove(&old.mid);
        }
        if !section.mid.is_empty() {
            self.by_mid.insert(section.mid.clone(), id);
        }
        let repair = bits(&section.repair_payload_types);
        let payload_types = bits(&section.payload_types) | repair;
        let entry =
            Section { mid: section.mid.clone(), rids: section.rids.clone(), payload_types, repair };
        self.sections.insert(id, entry);
        self.rebuild_payload_types();
        Ok(())
    }

    /// Removes a section, with the SSRCs bound to it.
    pub fn remove_section(&mut self, id: u16) {
        if let Some(section) = self.sections.remove(&id) {
            self.by_mid.remove(&section.mid);
            self.by_ssrc.retain(|_, binding| binding.section != id);
            let by_ssrc = &self.by_ssrc;
            self.latched.retain(|ssrc| by_ssrc.contains_key(ssrc));
            self.rebuild_payload_types();
        }
    }

    /// RFC 9143 §9.2: a payload type that several sections have tells none.
    fn rebuild_payload_types(&mut self) {
        self.by_payload_type.clear();
        self.by_payload_type.resize(128, None);
        let mut several = 0_u128;
        for (id, section) in &self.sections {
            for (index, slot) in self.by_payload_type.iter_mut().enumerate() {
                if section.payload_types & 1 << index != 0 && slot.replace(*id).is_some() {
                    several |= 1 << index;
                }
            }
        }
        for (index, slot) in self.by_payload_type.iter_mut().enumerate() {
            if several & 1 << index != 0 {
                *slot = None;
            }
        }
    }

    /// Binds an SSRC that was signalled (`a=ssrc`), with its simulcast layer and role (`a=ssrc-group`). False where
    /// there is no such section.
    pub fn bind(&mut self, ssrc: Ssrc, section: u16, layer: Option<u8>, role: StreamRole) -> bool {
        let known = self.sections.contains_key(&section);
        if known {
            self.insert(
                ssrc,
                Binding {
                    section,
                    layer,
                    role,
                    latched: false,
                    announced: false,
                    by_rid: layer.is_some(),
                },
            );
        }
        known
    }

    /// Forgets an SSRC, some time after its BYE.
    pub fn unbind(&mut self, ssrc: Ssrc) {
        if self.by_ssrc.remove(&ssrc).is_some_and(|binding| binding.latched) {
            self.latched.retain(|other| *other != ssrc);
        }
    }

    fn insert(&mut self, ssrc: Ssrc, binding: Binding) {
        let was_latched = self.by_ssrc.insert(ssrc, binding).is_some_and(|old| old.latched);
        match (was_latched, binding.latched) {
            (false, true) => {
                if self.latched.len() == MAX_LATCHED_STREAMS
                    && let Some(oldest) = self.latched.pop_front()
                {
                    self.by_ssrc.remove(&oldest);
                }
                self.latched.push_back(ssrc);
            }
            (true, false) => self.latched.retain(|other| *other != ssrc),
            _ => {}
        }
    }

    /// Where a packet belongs; `None` where it cannot be told, and the packet is to be dropped. `map` has the
    /// identifiers of the transport's header extensions.
    pub fn route(&mut self, packet: &RtpPacket<'_>, map: &ExtensionMap) -> Option<Route> {
        let route = self.find(packet, map);
        if route.is_none() {
            self.unroutable += 1;
        }
        route
    }

    fn find(&mut self, packet: &RtpPacket<'_>, map: &ExtensionMap) -> Option<Route> {
        let payload_bit = 1_u128 << packet.payload_type().get();
        let known = self.by_ssrc.get(&packet.ssrc()).copied();
        let (mut mid, mut rid, mut repaired) = (None, None, None);
        // Senders stop adding these elements once they are acknowledged; then there is nothing to look for.
        if packet.extension_profile().is_some() {
            mid = packet.extension::<Mid<'_>>(map);
            rid = packet.extension::<RtpStreamId<'_>>(map);
            repaired = packet.extension::<RepairedRtpStreamId<'_>>(map);
        }
        let section_id = match (mid, known) {
            // RFC 9143 §9.2: a packet with an unknown MID is not decoded; a known one moves the stream.
            (Some(mid), _) => *self.by_mid.get(mid.0)?,
            (None, Some(binding)) => binding.section,
            (None, None) => {
                (*self.by_payload_type.get(usize::from(packet.payload_type().get()))?)?
            }
        };
        let section = self.sections.get(&section_id)?;
        // RFC 9143 §9.2: the payload type must be one of the section's.
        if section.payload_types & payload_bit == 0 {
            return None;
        }
        let by_payload_type =
            if section.repair & payload_bit != 0 { StreamRole::Repair } else { StreamRole::Media };
        let (named, role) = match (repaired, rid) {
            (Some(repaired), _) => (Some(repaired.0), StreamRole::Repair),
            (None, Some(rid)) => (Some(rid.0), by_payload_type),
            (None, None) => (None, by_payload_type),
        };
        let layer = match named {
            // RFC 8853 §5: a RID that was not negotiated is not received.
            Some(named) if !section.rids.is_empty() => {
                Some(section.rids.iter().position(|rid| rid == named)? as u8)
            }
            _ => None,
        };
        let same_section =
            known.filter(|binding| binding.section == section_id && !binding.announced);
        let Some(binding) = same_section else {
            let by_rid = layer.is_some();
            let binding = Binding {
                section: section_id,
                layer,
                role,
                latched: true,
                announced: false,
                by_rid,
            };
            self.insert(packet.ssrc(), binding);
            return Some(Route { section: section_id, layer, role, new: true });
        };
        if layer.is_some() && (!binding.by_rid || binding.layer != layer) {
            let binding = Binding { layer, role, by_rid: true, ..binding };
            self.insert(packet.ssrc(), binding);
            return Some(Route { section: section_id, layer, role, new: true });
        }
        // FEC and RED share the media's SSRC with ULPFEC, so the role is the stream's, not the packet's.
        Some(Route { section: section_id, layer: binding.layer, role: binding.role, new: false })
    }

    /// The section and layer of an SSRC that is known, for RTCP.
    #[must_use]
    pub fn lookup(&self, ssrc: Ssrc) -> Option<Route> {
        let binding = self.by_ssrc.get(&ssrc)?;
        Some(Route {
            section: binding.section,
            layer: binding.layer,
            role: binding.role,
            new: false,
        })
    }

    /// Takes the MID of a source description (RFC 9143 §9.2); what the source is for its first packet tells. False where no section has it.
    pub fn source_description(&mut self, ssrc: Ssrc, mid: &str) -> bool {
        let Some(section) = self.by_mid.get(mid).copied() else { return false };
        if self.by_ssrc.get(&ssrc).is_none_or(|binding| binding.section != section) {
            let binding = Binding {
                section,
                layer: None,
                role: StreamRole::Media,
                latched: true,
                announced: true,
                by_rid: false,
            };
            self.insert(ssrc, binding);
        }
        true
    }

    /// Packets that belonged nowhere.
    #[must_use]
    pub fn unroutable(&self) -> u64 {
        self.unroutable
    }
}

#[cfg(test)]
#[path = "demux_tests.rs"]
mod tests;
