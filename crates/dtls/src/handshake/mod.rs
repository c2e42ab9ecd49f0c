//! Handshake messages and the fragments that carry them: what both versions share (RFC 9147 §5.2, RFC 6347 §4.2.2).
//!
//! A message is kept in the form of TLS, `type (1) | length (3) | body`, for that is what DTLS 1.3 hashes and what
//! fragments are cut from; DTLS 1.2 hashes the form of an unfragmented DTLS message, which [`Message`] can write too.

mod client_hello;
mod extension;
mod fragment;
mod hello_verify_request;
mod server_hello;

pub(crate) use client_hello::{ClientHello, KeyShareEntry};
pub(crate) use extension::{ExtensionType, UseSrtp, extensions};
pub(crate) use fragment::FragmentHeader;
pub(crate) use hello_verify_request::HelloVerifyRequest;
pub(crate) use server_hello::{HELLO_RETRY_REQUEST_RANDOM, ServerHello, ServerKeyShare};

use crate::codec::put_vec24;

/// Longest handshake message we accept, header included. A chain of RSA certificates stays well below.
pub(crate) const MAX_MESSAGE: usize = 1 << 16;

/// Length of the TLS form's header.
pub(crate) const MESSAGE_HEADER: usize = 4;

/// What a handshake message is (RFC 8446 §4, RFC 5246 §7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandshakeType(pub(crate) u8);

impl HandshakeType {
    pub(crate) const HELLO_REQUEST: Self = Self(0);
    pub(crate) const CLIENT_HELLO: Self = Self(1);
    pub(crate) const SERVER_HELLO: Self = Self(2);
    pub(crate) const HELLO_VERIFY_REQUEST: Self = Self(3);
    pub(crate) const NEW_SESSION_TICKET: Self = Self(4);
    pub(crate) const ENCRYPTED_EXTENSIONS: Self = Self(8);
    pub(crate) const CERTIFICATE: Self = Self(11);
    pub(crate) const SERVER_KEY_EXCHANGE: Self = Self(12);
    pub(crate) const CERTIFICATE_REQUEST: Self = Self(13);
    pub(crate) const SERVER_HELLO_DONE: Self = Self(14);
    pub(crate) const CERTIFICATE_VERIFY: Self = Self(15);
    pub(crate) const CLIENT_KEY_EXCHANGE: Self = Self(16);
    pub(crate) const FINISHED: Self = Self(20);
    pub(crate) const KEY_UPDATE: Self = Self(24);
    pub(crate) const MESSAGE_HASH: Self = Self(254);
}

/// A whole handshake message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// `message_seq`.
    pub(crate) sequence: u16,
    /// The form of TLS: `type (1) | length (3) | body`.
    pub(crate) bytes: Vec<u8>,
}

impl Message {
    /// Makes a message whose body `body` appends.
    pub(crate) fn build(
        sequence: u16,
        handshake_type: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.push(handshake_type.0);
        put_vec24(&mut bytes, body);
        Self { sequence, bytes }
    }

    pub(crate) fn handshake_type(&self) -> HandshakeType {
        HandshakeType(self.bytes[0])
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[MESSAGE_HEADER..]
    }

    /// The 12 bytes that stand before the body in the transcript of DTLS 1.2: the message as if it had been sent in
    /// one fragment (RFC 6347 §4.2.6).
    pub(crate) fn unfragmented_header(&self) -> [u8; FragmentHeader::LEN] {
        let length = self.body().len() as u32;
        FragmentHeader {
            handshake_type: self.handshake_type(),
            length,
            sequence: self.sequence,
            offset: 0,
            fragment_length: length,
        }
        .to_wire()
    }
}
