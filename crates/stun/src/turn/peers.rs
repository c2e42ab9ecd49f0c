//! Whom the server lets through, and by which channel (RFC 8656 §9, §12).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Peers that may be let through at a time.
pub(super) const MAX_PERMISSIONS: usize = 128;
/// Channels at a time.
pub(super) const MAX_CHANNELS: usize = 64;
/// A permission lasts 300 s (RFC 8656 §9), and is renewed a minute before.
pub(super) const PERMISSION_REFRESH: Duration = Duration::from_secs(240);
/// A channel lasts 600 s (RFC 8656 §12), and is renewed two minutes before.
pub(super) const CHANNEL_REFRESH: Duration = Duration::from_secs(480);
/// What nothing goes to or comes from for so long is not renewed.
const UNUSED: Duration = Duration::from_secs(300);
/// A peer that was refused is not asked for again before this.
const REFUSED: Duration = Duration::from_secs(60);
/// The first and the last number (RFC 8656 §12).
const NUMBERS: (u16, u16) = (0x4000, 0x4FFF);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// To be asked for.
    Wanted,
    /// Under way.
    Asked,
    /// There; `true` while it is being renewed.
    Installed(bool),
    /// The server has refused.
    Refused,
}

/// Of an address.
#[derive(Debug)]
pub(super) struct Permission {
    pub(super) peer: IpAddr,
    pub(super) state: State,
    /// When it is to be renewed, or may be asked for again.
    pub(super) due: Instant,
    used: Instant,
}

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) number: u16,
    pub(super) peer: SocketAddr,
    pub(super) state: State,
    pub(super) due: Instant,
    used: Instant,
}

/// Both tables, bounded. The entry that was looked up last is looked at first: nearly all goes to one peer.
#[derive(Debug)]
pub(super) struct Peers {
    pub(super) permissions: Vec<Permission>,
    pub(super) channels: Vec<Channel>,
    recent: usize,
    next: u16,
}

impl Peers {
    pub(super) fn new() -> Self {
        Self { permissions: Vec::new(), channels: Vec::new(), recent: 0, next: NUMBERS.0 }
    }

    /// The permission of an address, which is wanted from now on; `None` where there are too many.
    pub(super) fn permit(&mut self, now: Instant, peer: IpAddr) -> Option<&mut Permission> {
        let at = match self.permissions.iter().position(|p| p.peer == peer) {
            Some(at) => at,
            None => {
                if self.permissions.len() >= MAX_PERMISSIONS {
                    return None;
                }
                let state = State::Wanted;
                self.permissions.push(Permission { peer, state, due: now, used: now });
                self.permissions.len() - 1
            }
        };
        let permission = &mut self.permissions[at];
        permission.used = now;
        if permission.state == State::Refused && permission.due <= now {
            permission.state = State::Wanted;
        }
        Some(permission)
    }

    /// Whether the server lets this address through.
    pub(super) fn is_permitted(&mut self, now: Instant, peer: IpAddr) -> bool {
        let found = self.permissions.iter_mut().find(|p| p.peer == peer);
        found.is_some_and(|permission| {
            permission.used = now;
            matches!(permission.state, State::Installed(_))
        })
    }

    pub(super) fn permission(&mut self, peer: IpAddr) -> Option<&mut Permission> {
        self.permissions.iter_mut().find(|p| p.peer == peer)
    }

    fn find(&mut self, is: impl Fn(&Channel) -> bool) -> Option<&mut Channel> {
        if !self.channels.get(self.recent).is_some_and(&is) {
            self.recent = self.channels.iter().position(is)?;
        }
        self.channels.get_mut(self.recent)
    }

    /// The number of the channel to a peer, where it is bound.
    pub(super) fn channel_to(&mut self, now: Instant, peer: SocketAddr) -> Option<u16> {
        let channel = self.find(|channel| channel.peer == peer)?;
        channel.used = now;
        matches!(channel.state, State::Installed(_)).then_some(channel.number)
    }

    /// The peer behind a channel. It counts from the moment at which it was asked for: the server's answer may come later than
    /// what comes by it.
    pub(super) fn peer_of(&mut self, now: Instant, number: u16) -> Option<SocketAddr> {
        let channel = self.find(|channel| channel.number == number)?;
        channel.used = now;
        (channel.state != State::Refused).then_some(channel.peer)
    }

    pub(super) fn channel(&mut self, number: u16) -> Option<&mut Channel> {
        self.find(|channel| channel.number == number)
    }

    /// Has a channel to a peer from now on, where there is room for one. A number is never used for another peer: it could not
    /// be before the server has forgotten the first, for certain (RFC 8656 §12).
    pub(super) fn bind(&mut self, now: Instant, peer: SocketAddr) {
        if self.channels.len() >= MAX_CHANNELS
            || self.next > NUMBERS.1
            || self.channels.iter().any(|channel| channel.peer == peer)
        {
            return;
        }
        let (number, state) = (self.next, State::Wanted);
        self.next += 1;
        self.channels.push(Channel { number, peer, state, due: now, used: now });
    }

    /// Forgets what has not been used for long, in place of renewing it.
    pub(super) fn expire(&mut self, now: Instant) {
        let old = |used: Instant| now.saturating_duration_since(used) >= UNUSED;
        let channels = &self.channels;
        // What goes by a channel needs the permission as well.
        let in_use = |p: &Permission| {
            !old(p.used) || channels.iter().any(|c| c.peer.ip() == p.peer && !old(c.used))
        };
        self.permissions.retain(|p| p.due > now || p.state == State::Asked || in_use(p));
        self.channels.retain(|c| c.due > now || c.state == State::Asked || !old(c.used));
    }

    /// When something is to be renewed or forgotten.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let permissions = self.permissions.iter().map(|p| (p.state, p.due));
        let channels = self.channels.iter().map(|c| (c.state, c.due));
        permissions
            .chain(channels)
            .filter(|(state, _)| !matches!(state, State::Asked | State::Installed(true)))
            .map(|(_, due)| due)
            .min()
    }
}

impl Permission {
    pub(super) fn installed(&mut self, now: Instant) {
        (self.state, self.due) = (State::Installed(false), now + PERMISSION_REFRESH);
    }

    pub(super) fn refused(&mut self, now: Instant) {
        (self.state, self.due) = (State::Refused, now + REFUSED);
    }

    /// It is asked for again.
    pub(super) fn unanswered(&mut self, now: Instant) {
        (self.state, self.due) = (again(self.state), now);
    }

    /// Whether it is to be asked for now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        is_due(self.state, self.due, now)
    }
}

impl Channel {
    pub(super) fn installed(&mut self, now: Instant) {
        (self.state, self.due) = (State::Installed(false), now + CHANNEL_REFRESH);
    }

    /// It is asked for again.
    pub(super) fn unanswered(&mut self, now: Instant) {
        (self.state, self.due) = (again(self.state), now);
    }

    /// What goes to the peer goes as indications.
    pub(super) fn refused(&mut self, now: Instant) {
        (self.state, self.due) = (State::Refused, now + REFUSED);
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        is_due(self.state, self.due, now)
    }
}

fn is_due(state: State, due: Instant, now: Instant) -> bool {
    match state {
        State::Wanted => true,
        State::Installed(false) => due <= now,
        State::Asked | State::Installed(true) | State::Refused => false,
    }
}

/// What an unanswered request makes of a state.
fn again(state: State) -> State {
    match state {
        State::Installed(_) => State::Installed(false),
        _ => State::Wanted,
    }
}

/// What a request makes of a state.
pub(super) fn asked(state: State) -> State {
    match state {
        State::Installed(_) => State::Installed(true),
        _ => State::Asked,
    }
}
