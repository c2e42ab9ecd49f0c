//! The layers of a simulcast that we receive, as our offers name them (RFC 8853 §5.3.1, RFC 9429 §5.2.2): what the
//! application asks for, and from then on what was agreed on last.

use peerage_sdp::{Rid, RidDirection, Word};

use crate::media::{
    Agreement, LocalMedia, SimulcastFormat, SimulcastLayers, SimulcastStream, unrestricted,
};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReceiveLayers {
    rids: Vec<Rid>,
    streams: Vec<SimulcastStream>,
}

impl ReceiveLayers {
    /// One stream for each identifier.
    pub(crate) fn new(ids: &[Word]) -> Self {
        let rid = |id: &Word| unrestricted(id.clone(), RidDirection::Recv);
        let stream = |id: &Word| SimulcastStream(vec![SimulcastFormat::new(id.clone())]);
        Self { rids: ids.iter().map(rid).collect(), streams: ids.iter().map(stream).collect() }
    }

    /// Keeps what was agreed on: the offers that follow say the same (RFC 9429 §5.2.2), or the peer would leave layers out
    /// whenever this end changes anything. An agreement without layers may be that of a section on hold: it changes nothing.
    pub(crate) fn agree(&mut self, agreement: &Agreement) {
        let Some(layers) = agreement.simulcast.as_ref().filter(|l| !l.receive.is_empty()) else {
            return;
        };
        self.streams.clone_from(&layers.receive);
        let received = |rid: &&Rid| {
            rid.direction == RidDirection::Recv
                && layers.rids(RidDirection::Recv).any(|id| *id == rid.id)
        };
        self.rids = agreement.rids.iter().filter(received).cloned().collect();
    }

    /// Asks for them in a section of an offer. An identifier has one meaning in a section (RFC 8851 §4): those of layers that
    /// are sent come first.
    pub(crate) fn ask(&self, media: &mut LocalMedia) {
        let is_free = |id: &Word| !media.rids.iter().any(|taken| taken.id == *id);
        let mut rids: Vec<Rid> = self.rids.iter().filter(|rid| is_free(&rid.id)).cloned().collect();
        for rid in &mut rids {
            // Restricted to formats that are not offered any more, it could not be sent at all.
            let offered = |pt: u8| media.codecs.iter().any(|codec| codec.payload_type == pt);
            if !rid.payload_types().all(offered) {
                *rid = unrestricted(rid.id.clone(), RidDirection::Recv);
            }
        }
        let mut layers = SimulcastLayers { send: Vec::new(), receive: self.streams.clone() };
        layers.keep_known(&rids);
        if layers.receive.is_empty() {
            return;
        }
        media.rids.extend(rids);
        media.simulcast.get_or_insert_default().receive = layers.receive;
    }
}
