//! One SCTP association: the state machine of RFC 9260 §4 with its public verbs.

use crate::config::{Config, SendOptions};
use crate::error::{Error, SendError};
use crate::event::{Event, Negotiated, Statistics, Transmit};
use crate::serial::StreamId;
use bytes::Bytes;
use std::time::Instant;

/// One end of an association.
#[allow(dead_code)]
pub struct Association {
    config: Config,
}

#[allow(unused_variables, missing_docs)]
impl Association {
    pub fn new(now: Instant, config: Config, seed: [u8; 32]) -> Self {
        Self { config }
    }
    pub fn connect(&mut self, now: Instant) -> Result<(), Error> {
        Ok(())
    }
    pub fn handle_input(&mut self, now: Instant, packet: &[u8]) -> Result<(), Error> {
        Ok(())
    }
    pub fn handle_timeout(&mut self, now: Instant) {}
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        None
    }
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }
    pub fn send(
        &mut self,
        now: Instant,
        stream: StreamId,
        options: SendOptions,
        data: Bytes,
    ) -> Result<(), SendError> {
        Ok(())
    }
    pub fn buffered_amount(&self, stream: StreamId) -> usize {
        0
    }
    pub fn set_buffered_amount_low_threshold(&mut self, stream: StreamId, bytes: usize) {}
    pub fn total_buffered(&self) -> usize {
        0
    }
    pub fn set_stream_priority(&mut self, stream: StreamId, priority: u16) {}
    pub fn set_max_send_message_size(&mut self, bytes: usize) {}
    pub fn reset_outgoing_streams(
        &mut self,
        now: Instant,
        streams: &[StreamId],
    ) -> Result<(), Error> {
        Ok(())
    }
    pub fn shutdown(&mut self, now: Instant) {}
    pub fn abort(&mut self, now: Instant, reason: &str) {}
    pub fn statistics(&self) -> Statistics {
        Statistics::default()
    }
    pub fn negotiated(&self) -> Option<Negotiated> {
        None
    }
    /// The INIT chunk we would send, for SDP (draft-hancke-tsvwg-snap).
    pub fn local_init(&self) -> Vec<u8> {
        Vec::new()
    }
    /// Takes the peer's out-of-band INIT; `connect` then establishes at once.
    pub fn set_remote_init(&mut self, chunk: &[u8]) -> Result<(), Error> {
        Ok(())
    }
    pub fn is_established(&self) -> bool {
        false
    }
    pub fn is_closed(&self) -> bool {
        false
    }
}
