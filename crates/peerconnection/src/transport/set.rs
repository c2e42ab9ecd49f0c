//! The transports of a connection: one as long as everything is bundled, and one for each bundle or m-section beside it
//! where the peer does not bundle (RFC 8829 §4.1.1, RFC 9143). Each has ICE, DTLS, SRTP keys, RTP streams and congestion
//! control of its own; all share the local sockets. The connection calls it.
//!
//! A packet finds its transport by the pair of addresses it came by, which is looked up by hash, never by a scan; with one
//! transport there is nothing to look up. What a transport may have to send or to tell is marked when it is touched.

use std::net::{IpAddr, SocketAddr};
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use peerage_congestion::GccConfig;
use peerage_crypto::Rng;
use peerage_ice::relay::Unwrapped;
use peerage_ice::{Credentials, IceConnectionState, Protocol, TcpType};
use peerage_sdp::{Text, TlsId};
use rustc_hash::FxHashMap;

use super::dtls::DtlsTransport;
use super::ice::IceTransport;
use super::paths::Paths;
use crate::config::Configuration;
use crate::event::Event;
use crate::event_log::Log;
use crate::rtp::RtpTransport;
use crate::state::{DtlsState, IceGatheringState};

/// Transports of one connection at most. Offers bundle the sections beyond; answers reject them.
pub const MAX_TRANSPORTS: usize = 16;
/// Paths whose transport is remembered; those of more are looked for again each time.
const MAX_ROUTES: usize = 1024;
/// Local addresses that are kept for transports to come: more than an agent takes.
const MAX_ADDRESSES: usize = 64;

/// Names a transport of a connection. Ids are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransportId(pub(crate) u32);

impl TransportId {
    /// Of the transport that every connection begins with.
    pub(crate) const FIRST: Self = Self(0);
    /// Of no transport.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

/// Our address and the peer's.
pub(crate) type Path = (SocketAddr, SocketAddr);

/// One transport: ICE, DTLS over it, and RTP with the keys of DTLS.
pub(crate) struct Transport {
    pub(crate) id: TransportId,
    /// A description that is set has it: its states count.
    pub(crate) in_use: bool,
    pub(crate) ice: IceTransport,
    /// As its agent has told last.
    pub(crate) gathering: IceGatheringState,
    /// Credentials for an ICE restart, named in an offer or answer that is not set yet.
    pub(crate) next_credentials: Option<Credentials>,
    /// Where packets of DTLS go.
    pub(crate) path: Option<Path>,
    /// How packets go by it.
    pub(crate) protocol: Protocol,
    pub(crate) paths: Paths,
    pub(crate) pair_changes: u64,
    /// The selected pair as last told: its addresses, and our ufrag of its generation.
    pub(crate) selected_pair: Option<(SocketAddr, SocketAddr, String)>,
    pub(crate) tls_id: TlsId,
    /// That of an association to come, named in a description that is not set yet.
    pub(crate) next_tls_id: Option<TlsId>,
    pub(crate) dtls: DtlsTransport,
    /// The association that begins is with another peer than the one before.
    pub(crate) another_peer: bool,
    /// The state of DTLS as last reported.
    pub(crate) reported: DtlsState,
    /// A sealed datagram that did not fit the last batch, or the goodbye of an association that ended.
    pub(crate) held_back: Vec<u8>,
    /// How it is marked.
    pub(crate) held_back_ecn: Option<peerage_ice::Ecn>,
    pub(crate) rtp: RtpTransport,
}

impl Transport {
    pub(crate) fn ice_state(&self) -> crate::state::IceConnectionState {
        use crate::state::IceConnectionState as State;
        match self.ice.agent.connection_state() {
            IceConnectionState::New => State::New,
            IceConnectionState::Checking => State::Checking,
            IceConnectionState::Connected => State::Connected,
            IceConnectionState::Completed => State::Completed,
            IceConnectionState::Disconnected => State::Disconnected,
            IceConnectionState::Failed => State::Failed,
            IceConnectionState::Closed => State::Closed,
        }
    }

    /// Whether packets by this path are its own: ICE has checked it.
    fn knows(&self, path: Path) -> bool {
        self.path == Some(path) || self.ice.agent.is_known_source(path.1, path.0)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        // Without a path nothing is asked for, so that what is due stays due.
        let send = self.path.and_then(|_| self.rtp.poll_send_timeout());
        let timers =
            [self.ice.poll_timeout(), self.dtls.poll_timeout(), self.rtp.poll_timeout(), send];
        timers.into_iter().flatten().min()
    }
}

/// What each transport is made of, beside the configuration.
struct Parts {
    cname: Text,
    /// A moment by both clocks.
    clock: (Instant, SystemTime),
    bitrates: GccConfig,
    log: Log,
}

/// Which transports may have something: a bit for each.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    to_send: u32,
    packets: u32,
    targets: u32,
}

/// See the module. There is always at least one.
pub(crate) struct Transports {
    list: Vec<Transport>,
    next_id: u32,
    data: usize,
    marks: Marks,
    /// Whose turn to send comes next.
    turn: usize,
    routes: FxHashMap<Path, usize>,
    tcp_addresses: Vec<(SocketAddr, TcpType)>,
    addresses: Vec<SocketAddr>,
    addresses_complete: bool,
    parts: Parts,
}

impl Transports {
    /// Over the first transport. Others are made like it: `cname` names their sources, `clock` is a moment by both clocks, and
    /// `bitrates` were checked.
    pub(crate) fn new(
        first: Transport,
        cname: Text,
        clock: (Instant, SystemTime),
        bitrates: GccConfig,
    ) -> Self {
        Self {
            list: vec![first],
            next_id: 1,
            data: 0,
            marks: Marks::default(),
            turn: 0,
            routes: FxHashMap::default(),
            addresses: Vec::new(),
            tcp_addresses: Vec::new(),
            addresses_complete: false,
            parts: Parts { cname, clock, bitrates, log: Log::default() },
        }
    }

    /// Another transport with the same local addresses; `None` if there are too many.
    pub(crate) fn create(
        &mut self,
        now: Instant,
        config: &Configuration,
        rng: &mut Rng,
    ) -> Option<usize> {
        if self.list.len() >= MAX_TRANSPORTS {
            return None;
        }
        let id = self.next_id;
        let (parts, first) = (&self.parts, &self.list[0]);
        let provider = Arc::clone(first.dtls.provider());
        // The servers were checked when they were configured.
        let mut ice = IceTransport::new(now, config, rng, provider, id).ok()?;
        for (place, address) in self.addresses.iter().enumerate() {
            if takes(&self.addresses, place, id) {
                let _ = ice.add_local_address(now, *address);
            }
        }
        for (address, tcp_type) in &self.tcp_addresses {
            let _ = ice.agent.add_local_tcp_address(now, *address, *tcp_type);
        }
        if self.addresses_complete {
            ice.addresses_complete(now);
        }
        let tls_id = random_tls_id(rng);
        let mut rtp = RtpTransport::new(rng, parts.cname.clone(), parts.clock, parts.bitrates);
        rtp.set_log(parts.log.clone());
        rtp.begin_as(&first.rtp);
        self.next_id += 1;
        self.list.push(Transport::new(TransportId(id), ice, first.dtls.alike(), tls_id, rtp));
        self.share_budget();
        Some(self.list.len() - 1)
    }

    /// What incomplete frames may hold is the connection's: each transport has its share.
    fn share_budget(&mut self) {
        let count = self.list.len();
        for transport in &mut self.list {
            transport.rtp.share_budget(count);
        }
    }

    /// Lets go of those that `keep` does not name; if there is none, the first stays. Places change.
    pub(crate) fn retain(&mut self, now: Instant, keep: impl Fn(TransportId) -> bool) {
        if self.list.iter().all(|transport| keep(transport.id)) {
            return;
        }
        let any = self.list.iter().any(|transport| keep(transport.id));
        let first = self.list[0].id;
        self.list.retain_mut(|transport| {
            let stays = if any { keep(transport.id) } else { transport.id == first };
            if !stays {
                transport.ice.relays.close(now);
                transport.ice.agent.close(now);
            }
            stays
        });
        self.share_budget();
        self.routes.clear();
        self.data = 0;
        self.turn = 0;
        self.mark_all();
    }

    /// The place of a transport.
    pub(crate) fn position(&self, id: TransportId) -> Option<usize> {
        self.list.iter().position(|transport| transport.id == id)
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Transport> {
        self.list.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Transport> {
        self.mark_all();
        self.list.iter_mut()
    }

    /// The one that everything goes over as long as it is bundled.
    pub(crate) fn first(&self) -> &Transport {
        &self.list[0]
    }

    /// The place of the one that SCTP goes over.
    pub(crate) fn data_place(&self) -> usize {
        self.data
    }

    pub(crate) fn set_data_place(&mut self, place: usize) {
        self.data = place;
    }

    /// The one that SCTP goes over.
    pub(crate) fn data(&self) -> &Transport {
        &self.list[self.data]
    }

    pub(crate) fn data_mut(&mut self) -> &mut Transport {
        let place = self.data;
        &mut self[place]
    }

    /// As indexing, for what makes nothing to be sent or told.
    pub(crate) fn unmarked(&mut self, place: usize) -> &mut Transport {
        &mut self.list[place]
    }

    // --- which one ---

    /// Whose packets come by a path that ICE has checked.
    pub(crate) fn route(&mut self, path: Path) -> Option<usize> {
        if let [only] = &self.list[..] {
            return only.knows(path).then_some(0);
        }
        if let Some(&place) = self.routes.get(&path) {
            if self.list[place].knows(path) {
                return Some(place);
            }
            self.routes.remove(&path);
        }
        // The first packet by a path, or noise: as many look-ups as there are transports, 16 at most.
        let place = self.list.iter().position(|transport| transport.knows(path))?;
        if self.routes.len() < MAX_ROUTES {
            self.routes.insert(path, place);
        }
        Some(place)
    }

    /// Whose STUN message this is: the one whose ufrag it names, or that waits for the response.
    pub(crate) fn route_stun(&self, input: &peerage_ice::Input<'_>) -> usize {
        if self.list.len() == 1 {
            return 0;
        }
        self.list.iter().position(|transport| transport.ice.agent.wants(input)).unwrap_or(0)
    }

    /// Takes what came from a TURN server, and whose it is.
    pub(crate) fn unwrap(
        &mut self,
        now: Instant,
        input: &peerage_ice::Input<'_>,
    ) -> (usize, Unwrapped) {
        for (place, transport) in self.list.iter_mut().enumerate() {
            match transport.ice.unwrap(now, input) {
                Unwrapped::NotOurs => {}
                unwrapped => {
                    self.marks.to_send |= 1 << place;
                    return (place, unwrapped);
                }
            }
        }
        (0, Unwrapped::NotOurs)
    }

    /// Another transport whose packets take the path of this one.
    pub(crate) fn shares_path(&self, place: usize) -> bool {
        let path = self.list[place].path;
        let is_it = |(other, transport): (usize, &Transport)| {
            other != place && transport.in_use && transport.path == path
        };
        path.is_some() && self.list.iter().enumerate().any(is_it)
    }

    // --- local addresses ---

    pub(crate) fn add_address(&mut self, now: Instant, address: SocketAddr) {
        if self.addresses.contains(&address) {
            return;
        }
        let place = self.addresses.len();
        if place < MAX_ADDRESSES {
            self.addresses.push(address);
        }
        if place < MAX_ADDRESSES {
            self.assign(now, address.ip());
        } else {
            let _ = self.list[0].ice.add_local_address(now, address);
        }
        self.mark_all();
    }

    /// Those of ICE-TCP are every transport's: streams are told apart by what comes first in them.
    pub(crate) fn add_tcp_address(&mut self, now: Instant, address: SocketAddr, tcp_type: TcpType) {
        if self.tcp_addresses.len() < MAX_ADDRESSES {
            self.tcp_addresses.push((address, tcp_type));
        }
        for transport in self.iter_mut() {
            // An address that is unusable or one too many yields no candidate.
            let _ = transport.ice.agent.add_local_tcp_address(now, address, tcp_type);
        }
    }

    /// Gives each transport the ports of an IP address that are its own. How many there are decides which: what came before
    /// the others, and was every transport's, is taken back, unless packets go by it already.
    fn assign(&mut self, now: Instant, ip: IpAddr) {
        for transport in &mut self.list {
            let (id, path) = (transport.id.0, transport.path);
            let ports = || self.addresses.iter().enumerate().filter(|(_, a)| a.ip() == ip);
            for (_, address) in ports().filter(|(place, _)| takes(&self.addresses, *place, id)) {
                // An address that is unusable or one too many yields no candidate.
                let _ = transport.ice.add_local_address(now, *address);
            }
            let others = ports().filter(|(place, _)| !takes(&self.addresses, *place, id));
            for (_, address) in others.filter(|(_, a)| path.is_none_or(|(local, _)| local != **a)) {
                transport.ice.remove_local_address(now, *address);
            }
        }
    }

    pub(crate) fn remove_address(&mut self, now: Instant, address: SocketAddr) {
        self.addresses.retain(|known| *known != address);
        self.tcp_addresses.retain(|(known, _)| *known != address);
        for transport in self.iter_mut() {
            transport.ice.remove_local_address(now, address);
        }
        self.assign(now, address.ip());
    }

    pub(crate) fn addresses_complete(&mut self, now: Instant) {
        self.addresses_complete = true;
        for transport in self.iter_mut() {
            transport.ice.addresses_complete(now);
        }
    }

    // --- time, and what is to be sent or told ---

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.list.iter().filter_map(Transport::poll_timeout).min()
    }

    /// Who of several has something to do by `now`, a bit for each; one alone is always asked.
    pub(crate) fn due(&self, now: Instant) -> u32 {
        if self.list.len() == 1 {
            return 1;
        }
        let is_due = |transport: &Transport| transport.poll_timeout().is_some_and(|at| at <= now);
        let bits = self.list.iter().enumerate();
        bits.map(|(place, transport)| u32::from(is_due(transport)) << place).sum()
    }

    fn mark_all(&mut self) {
        let all = (1u32 << self.list.len()) - 1;
        self.marks = Marks { to_send: all, packets: all, targets: all };
    }

    /// Who may have something to send: each has its turn. The first and that of data are always asked.
    pub(crate) fn senders(&self) -> u32 {
        self.marks.to_send | 1 | 1 << self.data
    }

    /// The next of these, and it no more.
    pub(crate) fn next_sender(&self, senders: &mut u32) -> Option<usize> {
        if *senders == 0 {
            return None;
        }
        let later = *senders >> self.turn << self.turn;
        let next = if later == 0 { *senders } else { later }.trailing_zeros() as usize;
        *senders &= !(1 << next);
        Some(next)
    }

    /// It has sent something: others come first now.
    pub(crate) fn has_sent(&mut self, place: usize) {
        self.turn = if place + 1 < self.list.len() { place + 1 } else { 0 };
    }

    /// It has nothing more to send until it is touched.
    pub(crate) fn is_drained(&mut self, place: usize) {
        self.marks.to_send &= !(1 << place);
    }

    /// The next packet for the application.
    pub(crate) fn poll_rtp(&mut self) -> Option<crate::rtp::ReceivedPacket> {
        while self.marks.packets != 0 {
            let place = self.marks.packets.trailing_zeros() as usize;
            if let Some(packet) = self.list[place].rtp.poll_rtp() {
                return Some(packet);
            }
            self.marks.packets &= !(1 << place);
        }
        None
    }

    /// What encoders are to be told next.
    pub(crate) fn poll_told(&mut self, now: Instant) -> Option<Event> {
        while self.marks.targets != 0 {
            let place = self.marks.targets.trailing_zeros() as usize;
            let rtp = &mut self.list[place].rtp;
            if let Some((transceiver, encoding)) = rtp.poll_keyframe_request(now) {
                return Some(Event::KeyframeRequested { transceiver, encoding });
            }
            if let Some((transceiver, encoding)) = rtp.poll_encoding_change() {
                return Some(Event::EncodingChanged { transceiver, encoding });
            }
            if let Some((transceiver, encoding, bitrate)) = rtp.poll_target(now) {
                return Some(Event::TargetBitrate { transceiver, encoding, bitrate });
            }
            self.marks.targets &= !(1 << place);
        }
        None
    }

    pub(crate) fn set_log(&mut self, log: &Log) {
        self.parts.log = log.clone();
        for transport in &mut self.list {
            transport.rtp.set_log(log.clone());
        }
    }
}

impl Index<usize> for Transports {
    type Output = Transport;

    fn index(&self, place: usize) -> &Transport {
        &self.list[place]
    }
}

impl IndexMut<usize> for Transports {
    fn index_mut(&mut self, place: usize) -> &mut Transport {
        let bit = 1 << place;
        self.marks.to_send |= bit;
        self.marks.packets |= bit;
        self.marks.targets |= bit;
        &mut self.list[place]
    }
}

impl Transport {
    pub(crate) fn new(
        id: TransportId,
        ice: IceTransport,
        dtls: DtlsTransport,
        tls_id: TlsId,
        rtp: RtpTransport,
    ) -> Self {
        Self {
            id,
            in_use: false,
            ice,
            gathering: IceGatheringState::New,
            next_credentials: None,
            path: None,
            protocol: Protocol::Udp,
            paths: Paths::default(),
            pair_changes: 0,
            selected_pair: None,
            tls_id,
            next_tls_id: None,
            dtls,
            another_peer: false,
            reported: DtlsState::New,
            held_back: Vec::new(),
            held_back_ecn: None,
            rtp,
        }
    }
}

/// Whether a transport uses an address. Where an IP address comes with several ports, transports beyond the first have one
/// each, in turn: two ends that both share their sockets could not tell their transports apart otherwise.
fn takes(addresses: &[SocketAddr], place: usize, id: u32) -> bool {
    let Some(address) = addresses.get(place) else { return id == 0 };
    let of_ip = |other: &&SocketAddr| other.ip() == address.ip();
    let count = addresses.iter().filter(of_ip).count();
    let before = addresses[..place].iter().filter(of_ip).count();
    id == 0 || count == 1 || before == id as usize % count
}

/// RFC 8842 §4: at least 20 characters, 120 bits of randomness.
pub(crate) fn random_tls_id(rng: &mut Rng) -> TlsId {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text: String = rng
        .array::<24>()
        .into_iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte & 63)]))
        .collect();
    TlsId::new(&text).expect("24 characters of the alphabet of RFC 8842 §4")
}
