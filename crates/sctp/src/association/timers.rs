//! What happens when nothing happens: T1, T2, T3-rtx, the delayed SACK, heartbeats, re-configuration (RFC 9260 §5.1, §6.3, §8, §9.2).

use super::Association;
use super::state::{State, expired};
use crate::event::Event;
use std::time::Instant;

impl Association {
    /// Does what is due at `now`. Harmless when nothing is.
    pub fn handle_timeout(&mut self, now: Instant) {
        expired(&mut self.timers.pacing, now);
        if expired(&mut self.timers.ack, now) {
            self.ack.due = true;
        }
        if expired(&mut self.timers.init, now) {
            self.on_init_timeout(now);
        }
        if expired(&mut self.timers.shutdown, now) {
            self.on_shutdown_timeout(now);
        }
        if self.outbound.overdue_at().is_some_and(|at| at <= now) {
            self.outbound.on_overdue(now, &self.rtt);
            self.collect_send_events();
        }
        if expired(&mut self.timers.probe, now) {
            self.outbound.on_probe(now);
        }
        if expired(&mut self.timers.data, now) {
            self.on_data_timeout(now);
        }
        if expired(&mut self.timers.reconfig, now) {
            self.on_reconfig_timeout(now);
        }
        if expired(&mut self.timers.heartbeat, now) {
            self.on_heartbeat_timeout(now);
        }
    }

    /// The lower layer works again after an interruption (ICE found another path, say): what waits for a timer that was
    /// doubled over and over is sent at once. Does nothing when no timer had run out.
    pub fn path_restored(&mut self, now: Instant) {
        if !self.rtt.is_backed_off() {
            return;
        }
        self.clear_errors();
        let retry = Some(now + self.rtt.rto());
        match self.state {
            State::CookieWait => (self.due.init, self.timers.init) = (true, retry),
            State::CookieEchoed { .. } => (self.due.cookie_echo, self.timers.init) = (true, retry),
            State::ShutdownSent => (self.due.shutdown, self.timers.shutdown) = (true, retry),
            State::ShutdownAckSent => (self.due.shutdown_ack, self.timers.shutdown) = (true, retry),
            State::Closed | State::Ended => return,
            State::Established | State::ShutdownPending | State::ShutdownReceived => {}
        }
        if self.timers.reconfig.is_some() {
            self.request_reset_again();
            self.timers.reconfig = retry;
        }
        if self.outbound.needs_timer() {
            self.outbound.on_timeout(now);
            self.collect_send_events();
            self.timers.data = retry;
        } else if self.state.is_connected() {
            // With nothing to send, ask whether the peer is there.
            self.timers.heartbeat = Some(now);
        }
    }

    /// T1-init and T1-cookie (RFC 9260 §5.1).
    fn on_init_timeout(&mut self, now: Instant) {
        match self.state {
            State::CookieWait => self.due.init = true,
            State::CookieEchoed { .. } => self.due.cookie_echo = true,
            _ => return,
        }
        self.errors += 1;
        if self.config.max_init_retransmits.is_some_and(|limit| self.errors > limit) {
            self.end(Event::Failed);
            return;
        }
        self.rtt.back_off();
        self.timers.init = Some(now + self.rtt.rto());
    }

    /// T2-shutdown (RFC 9260 §9.2).
    fn on_shutdown_timeout(&mut self, now: Instant) {
        match self.state {
            State::ShutdownSent => self.due.shutdown = true,
            State::ShutdownAckSent => self.due.shutdown_ack = true,
            _ => return,
        }
        if self.count_error() {
            return;
        }
        self.rtt.back_off();
        self.timers.shutdown = Some(now + self.rtt.rto());
    }

    /// T3-rtx (RFC 9260 §6.3.3).
    fn on_data_timeout(&mut self, now: Instant) {
        if !self.outbound.needs_timer() || self.count_error() {
            return;
        }
        self.timers.probe = None;
        self.statistics.timeouts += 1;
        self.rtt.back_off();
        self.outbound.on_timeout(now);
        self.collect_send_events();
        self.timers.data = Some(now + self.rtt.rto());
    }

    pub(super) fn arm_heartbeat(&mut self, now: Instant) {
        self.timers.heartbeat =
            self.config.heartbeat_interval.and_then(|interval| now.checked_add(interval));
    }

    /// RFC 9260 §8.3: an idle path is probed; unanswered probes count as errors.
    fn on_heartbeat_timeout(&mut self, now: Instant) {
        if !self.state.is_connected() {
            return;
        }
        if self.heartbeat_outstanding.take().is_some() {
            if self.count_error() {
                return;
            }
            self.rtt.back_off();
        }
        if self.outbound.needs_timer() {
            // T3-rtx watches over the path.
            self.arm_heartbeat(now);
            return;
        }
        self.outbound.shrink();
        self.events.shrink();
        if let Some(inbound) = &mut self.inbound {
            inbound.ready.shrink_to_fit();
        }
        self.heartbeat_outstanding = Some(now);
        self.due.heartbeat = true;
        self.timers.heartbeat = Some(now + self.rtt.rto());
    }
}
