//! The part of a connection before its version is known: the first ClientHello, and the answer to it.

mod client;
mod server;

pub(crate) use client::{ClientNegotiation, ClientOutcome};
pub(crate) use server::{ServerNegotiation, ServerOutcome};

use std::{sync::Arc, time::Instant};

use crate::{
    alert::{Alert, AlertDescription},
    config::Config,
    error::Error,
    handover::Handover,
    record::{ContentType, PlaintextHeader},
    statistics::Statistics,
    version::ProtocolVersion,
};

use peerage_crypto::Rng;

use crate::{reassembler::Reassembler, timer::RetransmitTimer};

/// A handover in the making: what both roles hold before the version is known.
pub(crate) fn fresh_state(config: Arc<Config>, rng: Rng, now: Instant) -> Handover {
    Handover {
        timer: RetransmitTimer::new(&config),
        deadline: now + config.handshake_timeout,
        config,
        rng,
        plaintext_sequence: 0,
        next_message: 0,
        reassembler: Reassembler::default(),
        statistics: Statistics::default(),
        peer_alert: None,
        hello_records: Vec::new(),
    }
}

/// Most plaintext records whose numbers are kept for an ACK of the peer's hello.
const MAX_HELLO_RECORDS: usize = 16;

pub(crate) fn note_hello_record(state: &mut Handover, sequence: u64) {
    if state.hello_records.len() < MAX_HELLO_RECORDS && !state.hello_records.contains(&sequence) {
        state.hello_records.push(sequence);
    }
}

/// Appends a plaintext record whose contents `body` appends. Returns its sequence number.
pub(crate) fn write_plaintext(
    state: &mut Handover,
    content_type: ContentType,
    version: u16,
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>),
) -> u64 {
    let at = out.len();
    out.extend_from_slice(&[0; PlaintextHeader::LEN]);
    body(out);
    let sequence = state.plaintext_sequence;
    state.plaintext_sequence += 1;
    let header = PlaintextHeader {
        content_type,
        version,
        epoch: 0,
        sequence,
        length: (out.len() - at - PlaintextHeader::LEN) as u16,
    };
    out[at..at + PlaintextHeader::LEN].copy_from_slice(&header.to_wire());
    sequence
}

/// A negotiation that failed: one alert, then silence.
#[derive(Debug)]
pub(crate) struct FailedNegotiation {
    alert: Option<AlertDescription>,
    sequence: u64,
    pub(crate) statistics: Statistics,
}

impl FailedNegotiation {
    pub(crate) fn new(state: &Handover, error: &Error) -> Self {
        Self {
            alert: error.alert(),
            sequence: state.plaintext_sequence,
            statistics: state.statistics,
        }
    }

    /// Nobody is told.
    pub(crate) fn silent(statistics: Statistics) -> Self {
        Self { alert: None, sequence: 0, statistics }
    }

    pub(crate) fn poll_transmit(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        let alert = Alert::fatal(self.alert.take()?).to_wire();
        let header = PlaintextHeader {
            content_type: ContentType::Alert,
            version: ProtocolVersion::Dtls12.to_wire(),
            epoch: 0,
            sequence: self.sequence,
            length: alert.len() as u16,
        };
        out.extend_from_slice(&header.to_wire());
        out.extend_from_slice(&alert);
        self.statistics.datagrams_sent += 1;
        Some(PlaintextHeader::LEN + alert.len())
    }
}
