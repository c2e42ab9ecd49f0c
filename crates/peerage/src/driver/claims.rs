//! By what datagrams are brought to one connection of an endpoint: its paths, and the user names of its ICE agents.

use std::collections::VecDeque;

use peerage_peerconnection::PeerConnection as Protocol;

use super::ConnectionId;
use super::routes::{MAX_ROUTES_PER_CONNECTION, Path, Routes};

/// Local ufrags that stay routable beside those in use: of before a restart, whose packets may be under way, and of transports
/// that a bundle has done away with.
const MAX_OLD_UFRAGS: usize = 2;

/// What one connection has claimed, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Claims {
    ufrags: VecDeque<String>,
    paths: VecDeque<Path>,
}

impl Claims {
    /// Notes that a path was claimed; gives the oldest one back when there are too many.
    pub(super) fn note_path(&mut self, path: Path, pc: &Protocol) -> Option<Path> {
        // It may be in the list still, if somebody else took it meanwhile.
        self.paths.retain(|other| *other != path);
        self.paths.push_back(path);
        if self.paths.len() <= MAX_ROUTES_PER_CONNECTION {
            return None;
        }
        // The paths that carry something stay, from however many addresses the peer asks.
        let in_use: Vec<Path> = pc.selected_paths().collect();
        let oldest = self.paths.iter().position(|other| !in_use.contains(other))?;
        self.paths.remove(oldest)
    }

    /// Claims the present local ufrags, one for each transport; earlier ones stay for a while.
    pub(super) fn claim_ufrags(&mut self, id: ConnectionId, pc: &Protocol, routes: &mut Routes) {
        for ufrag in pc.local_ufrags() {
            if self.ufrags.iter().any(|known| known == ufrag) {
                continue;
            }
            if !routes.claim_ufrag(ufrag, id) {
                tracing::warn!(
                    connection = id,
                    ufrag,
                    "ufrag is in use by another connection of this endpoint"
                );
                continue;
            }
            self.ufrags.push_back(ufrag.to_owned());
        }
        let most = pc.local_ufrags().count() + MAX_OLD_UFRAGS;
        while self.ufrags.len() > most {
            let is_old = |known: &String| pc.local_ufrags().all(|ufrag| ufrag != known);
            let Some(oldest) = self.ufrags.iter().position(is_old) else { return };
            if let Some(oldest) = self.ufrags.remove(oldest) {
                routes.release_ufrag(&oldest, id);
            }
        }
    }

    /// Gives all of it up.
    pub(super) fn release(&mut self, id: ConnectionId, routes: &mut Routes) {
        for path in self.paths.drain(..) {
            routes.release_path(&path, id);
        }
        for ufrag in self.ufrags.drain(..) {
            routes.release_ufrag(&ufrag, id);
        }
    }
}
