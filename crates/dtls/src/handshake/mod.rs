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

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;
    use crate::codec::Reader;

    prop_compose! {
        fn use_srtp()(profiles in vec(any::<u16>(), 1..5), mki in vec(any::<u8>(), 0..4)) -> UseSrtp {
            UseSrtp { profiles, mki }
        }
    }

    prop_compose! {
        fn key_share()(group in any::<u16>(), share in vec(any::<u8>(), 1..100)) -> KeyShareEntry {
            KeyShareEntry { group, share }
        }
    }

    /// Extensions that have no field of their own, each once.
    fn others() -> impl Strategy<Value = Vec<(u16, Vec<u8>)>> {
        proptest::collection::btree_map(100_u16..1000, vec(any::<u8>(), 0..20), 0..5)
            .prop_map(|map| map.into_iter().collect())
    }

    prop_compose! {
        fn client_hello()(
            (legacy_version, random) in any::<(u16, [u8; 32])>(),
            session_id in vec(any::<u8>(), 0..=32),
            legacy_cookie in vec(any::<u8>(), 0..=255),
            cipher_suites in vec(any::<u16>(), 1..20),
            compression_methods in vec(any::<u8>(), 1..4),
            supported_versions in option::of(vec(any::<u16>(), 1..5)),
            supported_groups in option::of(vec(any::<u16>(), 1..9)),
            key_shares in option::of(vec(key_share(), 0..3)),
            signature_algorithms in option::of(vec(any::<u16>(), 1..9)),
            (use_srtp, cookie) in (option::of(use_srtp()), option::of(vec(any::<u8>(), 1..80))),
            extended_master_secret in any::<bool>(),
            (renegotiation_info, ec_point_formats) in
                (option::of(vec(any::<u8>(), 0..3)), option::of(vec(any::<u8>(), 0..3))),
            others in others(),
        ) -> ClientHello {
            ClientHello {
                legacy_version, random, session_id, legacy_cookie, cipher_suites,
                compression_methods, supported_versions, supported_groups, key_shares,
                signature_algorithms, use_srtp, cookie, extended_master_secret,
                renegotiation_info, ec_point_formats, others,
            }
        }
    }

    prop_compose! {
        fn server_hello()(
            (legacy_version, random) in any::<(u16, [u8; 32])>(),
            session_id in vec(any::<u8>(), 0..=32),
            (cipher_suite, compression_method) in any::<(u16, u8)>(),
            supported_version in option::of(any::<u16>()),
            key_share in option::of(key_share()),
            (use_srtp, cookie) in (option::of(use_srtp()), option::of(vec(any::<u8>(), 1..80))),
            extended_master_secret in any::<bool>(),
            retry in any::<bool>(),
            others in others(),
        ) -> ServerHello {
            ServerHello {
                legacy_version,
                random: if retry { HELLO_RETRY_REQUEST_RANDOM } else { random },
                session_id, cipher_suite, compression_method, supported_version,
                key_share: key_share.map(|entry| if retry {
                    ServerKeyShare::Retry(entry.group)
                } else {
                    ServerKeyShare::Share(entry)
                }),
                cookie, use_srtp, extended_master_secret,
                renegotiation_info: None, ec_point_formats: None, others,
            }
        }
    }

    proptest! {
        #[test]
        fn client_hellos_survive_the_wire(hello in client_hello()) {
            let mut out = Vec::new();
            hello.write(&mut out);
            prop_assert_eq!(ClientHello::parse(&out), Ok(hello.clone()));
            // No prefix of it is a ClientHello, but for the one that ends before the extensions.
            for cut in (0..out.len()).step_by(7) {
                if let Ok(short) = ClientHello::parse(&out[..cut]) {
                    prop_assert_eq!(short.cipher_suites, hello.cipher_suites.clone());
                    prop_assert!(short.supported_versions.is_none() && short.others.is_empty());
                }
            }
        }

        #[test]
        fn server_hellos_survive_the_wire(hello in server_hello()) {
            let mut out = Vec::new();
            hello.write(&mut out);
            prop_assert_eq!(ServerHello::parse(&out), Ok(hello));
        }

        #[test]
        fn fragment_headers_survive_the_wire(
            (handshake_type, sequence) in any::<(u8, u16)>(),
            length in 0_u32..1 << 24,
            offset in 0_u32..1 << 24,
            body in vec(any::<u8>(), 0..50),
        ) {
            let header = FragmentHeader {
                handshake_type: HandshakeType(handshake_type),
                length, sequence, offset,
                fragment_length: body.len() as u32,
            };
            let mut bytes = header.to_wire().to_vec();
            bytes.extend_from_slice(&body);
            let read = FragmentHeader::read(&mut Reader::new(&bytes));
            if offset + body.len() as u32 <= length {
                prop_assert_eq!(read, Some((header, &body[..])));
            } else {
                prop_assert_eq!(read, None);
            }
        }

        #[test]
        fn noise_is_no_hello_that_could_harm(data in vec(any::<u8>(), 0..400)) {
            crate::fuzzing::handshake_messages(&data);
            crate::fuzzing::records(&data);
            crate::fuzzing::reassembly(&data);
        }
    }
}
