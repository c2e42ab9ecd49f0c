//! Writes answers.

use std::net::SocketAddr;

use peerage_crypto::SharedSecret;
use peerage_stun::{
    Attribute, Class, ErrorCode, IntegrityAlgorithm, IntegrityKey, Message, MessageBuilder, Method,
    PasswordAlgorithms, TransactionId,
};

use super::{MAX_QUEUED, Server};
use crate::types::FiveTuple;

/// SHA-256, then MD5, each without parameters (RFC 8489 §14.11).
pub(super) const PASSWORD_ALGORITHMS: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

/// What an answer needs of its request.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) tuple: FiveTuple,
    pub(super) method: Method,
    pub(super) id: TransactionId,
    pub(super) fingerprint: bool,
    /// With which the answer is signed, once the request was found to be signed with it.
    pub(super) key: Option<(IntegrityAlgorithm, SharedSecret)>,
}

impl Reply {
    pub(super) fn new(tuple: FiveTuple, message: &Message<'_>) -> Self {
        Self {
            tuple,
            method: message.method(),
            id: message.transaction_id(),
            fingerprint: message.has_fingerprint(),
            key: None,
        }
    }
}

impl Server {
    /// Sends a success response.
    pub(super) fn succeed(&mut self, reply: &Reply, attributes: &[Attribute<'_>]) {
        self.answer(reply, Class::SuccessResponse, attributes);
    }

    /// Refuses a request.
    pub(super) fn refuse(&mut self, reply: &Reply, code: ErrorCode<'_>, more: &[Attribute<'_>]) {
        self.counters.refused += 1;
        let mut attributes = vec![Attribute::ErrorCode(code)];
        attributes.extend_from_slice(more);
        self.answer(reply, Class::ErrorResponse, &attributes);
    }

    /// Asks for credentials (401), or for a fresh nonce (438).
    pub(super) fn challenge(&mut self, reply: &Reply, code: ErrorCode<'_>, second: u32) {
        if !self.may_answer_stranger(reply.tuple, second) {
            return;
        }
        self.counters.challenged += 1;
        let nonce = self.shared.nonces.issue(second, reply.tuple.client);
        let shared = std::sync::Arc::clone(&self.shared);
        let mut attributes = vec![
            Attribute::ErrorCode(code),
            Attribute::Realm(&shared.config.realm),
            Attribute::Nonce(&nonce),
        ];
        attributes.extend(
            PasswordAlgorithms::new(&PASSWORD_ALGORITHMS).map(Attribute::PasswordAlgorithms),
        );
        self.answer(reply, Class::ErrorResponse, &attributes);
    }

    /// Whether a source that may be forged is sent one more answer. Streams and DTLS have shown that they can be reached.
    pub(super) fn may_answer_stranger(&mut self, tuple: FiveTuple, second: u32) -> bool {
        let rate = self.shared.config.unauthenticated_rate;
        let may = tuple.transport != crate::Transport::Udp
            || self.strangers.take(second, tuple.client.ip(), rate);
        self.counters.withheld += u64::from(!may);
        may
    }

    fn answer(&mut self, reply: &Reply, class: Class, attributes: &[Attribute<'_>]) {
        let signed = reply.key.as_ref();
        let key = signed.map(|(algorithm, secret)| {
            IntegrityKey::from_bytes(&*self.shared.provider, *algorithm, secret.as_ref())
        });
        let shared = std::sync::Arc::clone(&self.shared);
        let software = shared.config.software.as_deref().filter(|_| key.is_some());
        self.write(reply.tuple, class, reply.method, reply.id, |mut builder| {
            for attribute in attributes {
                builder = builder.attribute(attribute);
            }
            if let Some(software) = software {
                builder = builder.attribute(&Attribute::Software(software));
            }
            if let Some(key) = &key {
                builder = builder.integrity(key);
            }
            if reply.fingerprint { builder.fingerprint() } else { builder.finish() }
        });
    }

    /// Queues a message. Takes the buffers apart from the rest, so that what it writes may be borrowed from there.
    pub(super) fn write(
        &mut self,
        tuple: FiveTuple,
        class: Class,
        method: Method,
        id: TransactionId,
        fill: impl FnOnce(MessageBuilder<'_>) -> usize,
    ) {
        if self.queue.len() >= MAX_QUEUED {
            return;
        }
        let start = self.out.len();
        let size = fill(MessageBuilder::new(&mut self.out, class, method, id));
        self.queue.push_back((tuple, start..start + size));
    }

    /// A success response to a Binding, whose source may be another address than the one asked.
    pub(super) fn succeed_from(
        &mut self,
        reply: &Reply,
        server: SocketAddr,
        client: SocketAddr,
        attributes: &[Attribute<'_>],
    ) {
        let tuple = FiveTuple { server, client, ..reply.tuple };
        let reply = Reply { tuple, ..reply.clone() };
        self.answer(&reply, Class::SuccessResponse, attributes);
    }
}
