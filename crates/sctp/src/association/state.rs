//! The states of RFC 9260 §4, what is known of the two ends, and the timers.

use crate::packet::init::{Capabilities, Init};
use crate::serial::Tsn;
use std::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing was sent. A peer's INIT is answered all the same.
    Closed,
    /// INIT is out.
    CookieWait,
    /// COOKIE ECHO is out; the cookie is kept for its retransmission.
    CookieEchoed {
        cookie: Vec<u8>,
    },
    Established,
    /// `shutdown` was called; data still flows.
    ShutdownPending,
    ShutdownSent,
    /// The peer is shutting down; our data still flows.
    ShutdownReceived,
    ShutdownAckSent,
    /// Over: shut down, aborted or failed.
    Ended,
}

impl State {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::CookieWait => "COOKIE-WAIT",
            Self::CookieEchoed { .. } => "COOKIE-ECHOED",
            Self::Established => "ESTABLISHED",
            Self::ShutdownPending => "SHUTDOWN-PENDING",
            Self::ShutdownSent => "SHUTDOWN-SENT",
            Self::ShutdownReceived => "SHUTDOWN-RECEIVED",
            Self::ShutdownAckSent => "SHUTDOWN-ACK-SENT",
            Self::Ended => "ended",
        }
    }

    /// Our data may leave (RFC 9260 §6: ESTABLISHED, SHUTDOWN-PENDING, SHUTDOWN-RECEIVED).
    pub(super) const fn sends_data(&self) -> bool {
        matches!(self, Self::Established | Self::ShutdownPending | Self::ShutdownReceived)
    }

    /// The peer's data is taken (RFC 9260 §6: ESTABLISHED, SHUTDOWN-PENDING, SHUTDOWN-SENT).
    pub(super) const fn takes_data(&self) -> bool {
        matches!(self, Self::Established | Self::ShutdownPending | Self::ShutdownSent)
    }

    /// The handshake is behind us and the end is not reached.
    pub(super) const fn is_connected(&self) -> bool {
        matches!(
            self,
            Self::Established
                | Self::ShutdownPending
                | Self::ShutdownSent
                | Self::ShutdownReceived
                | Self::ShutdownAckSent
        )
    }
}

/// What an INIT or INIT ACK says about its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) tag: u32,
    pub(super) initial_tsn: Tsn,
    pub(super) a_rwnd: u32,
    pub(super) outbound_streams: u16,
    pub(super) inbound_streams: u16,
    pub(super) capabilities: Capabilities,
}

impl From<&Init<'_>> for Endpoint {
    fn from(init: &Init<'_>) -> Self {
        Self {
            tag: init.initiate_tag,
            initial_tsn: init.initial_tsn,
            a_rwnd: init.a_rwnd,
            outbound_streams: init.outbound_streams,
            inbound_streams: init.inbound_streams,
            capabilities: init.capabilities,
        }
    }
}

/// When what is due. All times are absolute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timers {
    /// T1-init and T1-cookie.
    pub(super) init: Option<Instant>,
    /// T2-shutdown.
    pub(super) shutdown: Option<Instant>,
    /// T3-rtx.
    pub(super) data: Option<Instant>,
    /// Tail loss probe.
    pub(super) probe: Option<Instant>,
    /// Delayed SACK.
    pub(super) ack: Option<Instant>,
    pub(super) reconfig: Option<Instant>,
    pub(super) heartbeat: Option<Instant>,
    /// When the pacer lets the next packet go.
    pub(super) pacing: Option<Instant>,
}

impl Timers {
    pub(super) fn next(&self) -> Option<Instant> {
        [
            self.init,
            self.shutdown,
            self.data,
            self.probe,
            self.ack,
            self.reconfig,
            self.heartbeat,
            self.pacing,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// Takes the timer if it has run out.
pub(super) fn expired(timer: &mut Option<Instant>, now: Instant) -> bool {
    timer.take_if(|at| *at <= now).is_some()
}
