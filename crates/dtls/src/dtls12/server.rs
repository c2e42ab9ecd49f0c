//! The server's side of the handshake of DTLS 1.2 (RFC 5246 §7.3, RFC 6347 §4.2).

use std::{sync::Arc, time::Instant};

use peerage_crypto::{KeyExchange, NamedGroup, SignatureScheme, constant_time_eq};

use super::{
    authentication,
    client::check_point_formats,
    core::{Core, Retransmission},
    key_schedule::Randoms,
    messages::{self, CertificateRequest, DigitallySigned, ServerKeyExchange},
    protection::RecordProtection,
};
use crate::{
    alert::AlertDescription,
    cipher_suite::CipherSuite,
    error::Error,
    handover::Handover,
    handshake::{
        ClientHello, ExtensionType, HandshakeType, HelloVerifyRequest, Message, ServerHello,
        UseSrtp,
    },
    registry::group_to_wire,
    side::Side,
    srtp_profile::SrtpProtectionProfile,
    version::ProtocolVersion,
};

/// The last eight bytes of our random if we speak DTLS 1.3 but the client does not (RFC 8446 §4.1.3).
const DOWNGRADE_FROM_13: &[u8; 8] = b"DOWNGRD\x01";

/// What the server waits for, with what it needs to go on.
pub(crate) enum State {
    /// A HelloVerifyRequest was sent.
    SecondClientHello {
        first: Box<ClientHello>,
        cookie: [u8; 32],
        downgrade: bool,
    },
    Certificate {
        exchange: Box<dyn KeyExchange>,
    },
    ClientKeyExchange {
        exchange: Box<dyn KeyExchange>,
    },
    CertificateVerify {
        write: RecordProtection,
    },
    Finished {
        write: RecordProtection,
    },
    Complete,
}

/// Starts with a ClientHello that chose DTLS 1.2. `downgrade` tells whether we would have spoken DTLS 1.3.
pub(crate) fn start(
    handover: Handover,
    hello: ClientHello,
    message: &Message,
    downgrade: bool,
    now: Instant,
) -> Result<(Core, State), (Box<Core>, Error)> {
    let suite = choose_suite(&handover, &hello);
    let randoms = Randoms { client: hello.random, server: [0; 32] };
    // A core is needed even to refuse: it owns the records that carry the alert.
    let fallback = CipherSuite::EcdheEcdsaAes128GcmSha256;
    let mut core = Core::new(handover, Side::Server, *suite.as_ref().unwrap_or(&fallback), randoms);
    match suite.and_then(|_| handle_client_hello(&mut core, hello, message, downgrade, now)) {
        Ok(state) => Ok((core, state)),
        Err(error) => Err((Box::new(core), error)),
    }
}

/// Our best suite that the client offers and our certificate can sign for.
fn choose_suite(handover: &Handover, hello: &ClientHello) -> Result<CipherSuite, Error> {
    let config = &handover.config;
    let is_ecdsa =
        config.certificate.signing_key().schemes().iter().any(|scheme| scheme.is_ecdsa());
    config
        .suites(ProtocolVersion::Dtls12)
        .filter(|suite| authentication::is_ecdsa(*suite) == is_ecdsa)
        .find(|suite| hello.cipher_suites.contains(&suite.to_wire()))
        .ok_or(Error::protocol(
            AlertDescription::HandshakeFailure,
            "no cipher suite in common",
            "RFC 5246 §7.4.1.3",
        ))
}

fn handle_client_hello(
    core: &mut Core,
    hello: ClientHello,
    message: &Message,
    downgrade: bool,
    now: Instant,
) -> Result<State, Error> {
    check_client_hello(&hello)?;
    if core.config.require_cookie {
        // RFC 6347 §4.2.1. Whoever answers has shown that it receives at this address.
        let cookie = core.rng.array::<32>();
        let request = HelloVerifyRequest {
            server_version: ProtocolVersion::Dtls12.to_wire(),
            cookie: cookie.to_vec(),
        };
        core.begin_flight(now, Retransmission::OnRepetition);
        core.send_unhashed(HandshakeType::HELLO_VERIFY_REQUEST, |out| request.write(out));
        return Ok(State::SecondClientHello { first: Box::new(hello), cookie, downgrade });
    }
    core.hash(message);
    answer(core, &hello, downgrade, now)
}

fn check_client_hello(hello: &ClientHello) -> Result<(), Error> {
    const SECTION: &str = "RFC 5246 §7.4.1.2";
    if !hello.compression_methods.contains(&0) {
        return Err(Error::illegal("the null compression method is not offered", SECTION));
    }
    // RFC 5746 §3.6: in the first handshake there is nothing to verify.
    if hello.renegotiation_info.as_ref().is_some_and(|info| !info.is_empty()) {
        return Err(Error::protocol(
            AlertDescription::HandshakeFailure,
            "renegotiation_info of a first handshake is not empty",
            "RFC 5746 §3.6",
        ));
    }
    check_point_formats(hello.ec_point_formats.as_deref())
}

fn handle_second_client_hello(
    core: &mut Core,
    first: &ClientHello,
    cookie: &[u8],
    downgrade: bool,
    message: &Message,
    now: Instant,
) -> Result<State, Error> {
    const SECTION: &str = "RFC 6347 §4.2.1";
    let hello = ClientHello::parse(message.body())?;
    check_client_hello(&hello)?;
    if !constant_time_eq(&hello.legacy_cookie, cookie) {
        return Err(Error::illegal("the cookie is not the one we sent", SECTION));
    }
    // "The client MUST use the same parameter values": all of them, but for the cookie.
    let same = ClientHello { legacy_cookie: first.legacy_cookie.clone(), ..hello.clone() };
    if same != *first {
        return Err(Error::illegal("the second ClientHello differs from the first", SECTION));
    }
    core.hash(message);
    answer(core, &hello, downgrade, now)
}

/// Our best group that the client supports; the client's freedom if it says nothing (RFC 8422 §4).
fn choose_group(core: &Core, hello: &ClientHello) -> Option<NamedGroup> {
    core.config
        .groups
        .iter()
        .copied()
        // A KEM has no place in DTLS 1.2.
        .filter(|&group| group != NamedGroup::X25519MlKem768)
        .find(|&group| match &hello.supported_groups {
            Some(groups) => groups.contains(&group_to_wire(group)),
            None => group == NamedGroup::Secp256r1,
        })
}

/// Our best profile that the client offers. An MKI is not supported, so that it is not echoed (RFC 5764 §4.1.3).
fn choose_srtp_profile(core: &Core, hello: &ClientHello) -> Option<SrtpProtectionProfile> {
    let offered = &hello.use_srtp.as_ref()?.profiles;
    core.config.srtp_profiles.iter().copied().find(|profile| offered.contains(&profile.to_wire()))
}

const fn nothing_in_common(message: &'static str, section: &'static str) -> Error {
    Error::protocol(AlertDescription::HandshakeFailure, message, section)
}

/// Sends everything from ServerHello to ServerHelloDone.
fn answer(
    core: &mut Core,
    hello: &ClientHello,
    downgrade: bool,
    now: Instant,
) -> Result<State, Error> {
    let group = choose_group(core, hello)
        .ok_or(nothing_in_common("no key exchange group in common", "RFC 8422 §5.1"))?;
    // Without signature_algorithms only SHA-1 would be left (RFC 5246 §7.4.1.4.1), which RFC 9155 forbids.
    let accepted = hello.signature_algorithms.as_deref().unwrap_or_default();
    let scheme = authentication::choose_scheme(core, accepted)
        .ok_or(nothing_in_common("no signature scheme in common", "RFC 5246 §7.4.1.4.1"))?;
    let provider = Arc::clone(&core.config.provider);
    let exchange = provider.start_key_exchange(group, &mut core.rng)?;
    core.negotiated.group = Some(group);
    core.negotiated.srtp_profile = choose_srtp_profile(core, hello);
    core.negotiated.extended_master_secret = hello.extended_master_secret;

    core.randoms.server = core.rng.array();
    if downgrade {
        core.randoms.server[24..].copy_from_slice(DOWNGRADE_FROM_13);
    }
    core.begin_flight(now, Retransmission::Timed);
    let server_hello = ServerHello {
        legacy_version: ProtocolVersion::Dtls12.to_wire(),
        random: core.randoms.server,
        cipher_suite: core.negotiated.suite.to_wire(),
        use_srtp: core
            .negotiated
            .srtp_profile
            .map(|profile| UseSrtp { profiles: vec![profile.to_wire()], mki: Vec::new() }),
        extended_master_secret: hello.extended_master_secret,
        renegotiation_info: hello.offers_secure_renegotiation().then(Vec::new),
        ec_point_formats: hello.has_extension(ExtensionType::EC_POINT_FORMATS).then(|| vec![0]),
        ..ServerHello::default()
    };
    core.send(HandshakeType::SERVER_HELLO, |out| server_hello.write(out));
    let certificate = Arc::clone(&core.config.certificate);
    core.send(HandshakeType::CERTIFICATE, |out| {
        messages::write_certificate(out, Some(certificate.der()));
    });
    send_server_key_exchange(core, &*exchange, scheme)?;
    let ask = core.config.require_peer_certificate;
    if ask {
        let request =
            CertificateRequest { signature_schemes: authentication::accepted_schemes(core) };
        core.send(HandshakeType::CERTIFICATE_REQUEST, |out| request.write(out));
    }
    core.send(HandshakeType::SERVER_HELLO_DONE, |_| {});
    Ok(if ask { State::Certificate { exchange } } else { State::ClientKeyExchange { exchange } })
}

fn send_server_key_exchange(
    core: &mut Core,
    exchange: &dyn KeyExchange,
    scheme: SignatureScheme,
) -> Result<(), Error> {
    let Randoms { client, server } = core.randoms;
    let group = group_to_wire(exchange.group());
    let content = messages::signed_params(&client, &server, group, exchange.share());
    let signed: DigitallySigned = authentication::sign(core, scheme, &content)?;
    let message = ServerKeyExchange { group, share: exchange.share().to_vec(), signed };
    core.send(HandshakeType::SERVER_KEY_EXCHANGE, |out| message.write(out));
    Ok(())
}

/// Takes one message and says what to wait for next.
pub(crate) fn handle(
    core: &mut Core,
    state: State,
    message: &Message,
    now: Instant,
) -> Result<State, Error> {
    match (state, message.handshake_type()) {
        (State::SecondClientHello { first, cookie, downgrade }, HandshakeType::CLIENT_HELLO) => {
            handle_second_client_hello(core, &first, &cookie, downgrade, message, now)
        }
        (State::Certificate { exchange }, HandshakeType::CERTIFICATE) => {
            let chain = messages::parse_certificate(message.body())?;
            if chain.is_empty() {
                return Err(nothing_in_common("the client has no certificate", "RFC 5246 §7.4.6"));
            }
            authentication::set_peer_certificates(core, chain)?;
            core.hash(message);
            Ok(State::ClientKeyExchange { exchange })
        }
        (State::ClientKeyExchange { exchange }, HandshakeType::CLIENT_KEY_EXCHANGE) => {
            handle_client_key_exchange(core, exchange, message)
        }
        (State::CertificateVerify { write }, HandshakeType::CERTIFICATE_VERIFY) => {
            let signed = DigitallySigned::parse_certificate_verify(message.body())?;
            authentication::verify(core, core.transcript(), &signed, "RFC 5246 §7.4.8")?;
            core.hash(message);
            core.expect_finished();
            Ok(State::Finished { write })
        }
        (State::Finished { write }, HandshakeType::FINISHED) => {
            core.check_finished(message)?;
            core.begin_flight(now, Retransmission::OnRepetition);
            core.send_finished(write)?;
            core.complete(now);
            Ok(State::Complete)
        }
        _ => Err(Error::unexpected("a handshake message that is not due", "RFC 5246 §7.3")),
    }
}

fn handle_client_key_exchange(
    core: &mut Core,
    exchange: Box<dyn KeyExchange>,
    message: &Message,
) -> Result<State, Error> {
    let share = messages::parse_client_key_exchange(message.body())?;
    let premaster = exchange
        .finish(share)
        .map_err(|_| Error::illegal("the client's key is invalid", "RFC 8422 §5.11"))?;
    core.hash(message);
    let (read, write) = core.derive_keys(premaster.as_ref())?;
    core.records.install_read(read);
    if core.negotiated.peer_certificates.is_empty() {
        core.expect_finished();
        Ok(State::Finished { write })
    } else {
        Ok(State::CertificateVerify { write })
    }
}
