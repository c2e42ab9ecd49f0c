//! The client's side of the handshake of DTLS 1.3 (RFC 8446 §4, appendix A.1; RFC 9147 §5).

use std::time::Instant;

use peerage_crypto::{KeyExchange, SignatureScheme};

use super::{
    authentication,
    core::Core,
    key_schedule::HandshakeStage,
    messages::{Certificate, CertificateRequest, EncryptedExtensions},
    records::HANDSHAKE_EPOCH,
};
use crate::{
    alert::AlertDescription,
    cipher_suite::CipherSuite,
    error::Error,
    handover::{ClientOffer, Handover},
    handshake::{
        ClientHello, ExtensionType, HandshakeType, KeyShareEntry, Message, ServerHello,
        ServerKeyShare,
    },
    registry::{group_from_wire, group_to_wire, scheme_from_wire},
    side::Side,
    srtp_profile::SrtpProtectionProfile,
    version::ProtocolVersion,
};

/// What the client waits for, with what it needs to go on.
pub(crate) enum State {
    /// A HelloRetryRequest was answered.
    ServerHello {
        hello: ClientHello,
        exchange: Option<Box<dyn KeyExchange>>,
        offers: Vec<Box<dyn KeyExchange>>,
    },
    EncryptedExtensions {
        stage: HandshakeStage,
        hello: ClientHello,
    },
    CertificateOrRequest {
        stage: HandshakeStage,
    },
    Certificate {
        stage: HandshakeStage,
        request: Vec<u16>,
    },
    CertificateVerify {
        stage: HandshakeStage,
        request: Option<Vec<u16>>,
    },
    Finished {
        stage: HandshakeStage,
        request: Option<Vec<u16>>,
    },
    Done,
}

/// Starts with the server's first message, which chose DTLS 1.3.
pub(crate) fn start(
    handover: Handover,
    offer: ClientOffer,
    message: &Message,
    server_hello: ServerHello,
    now: Instant,
) -> Result<(Core, State), (Box<Core>, Error)> {
    let suite = offered_suite(&offer.hello, &server_hello);
    // A core is needed even to refuse: it owns the records that carry the alert.
    let fallback = CipherSuite::Aes128GcmSha256;
    let random = offer.hello.random;
    let mut core = Core::new(handover, Side::Client, suite.unwrap_or(fallback), random);
    match suite.ok_or(SUITE_NOT_OFFERED).and_then(|_| {
        core.transcript.update(&offer.message.bytes);
        if server_hello.is_hello_retry_request() {
            handle_retry(&mut core, offer, message, &server_hello, now)
        } else {
            handle_server_hello(&mut core, offer.hello, offer.exchanges, message, server_hello)
        }
    }) {
        Ok(state) => Ok((core, state)),
        Err(error) => Err((Box::new(core), error)),
    }
}

const SUITE_NOT_OFFERED: Error =
    Error::illegal("ServerHello chose a cipher suite that was not offered", "RFC 8446 §4.1.3");

fn offered_suite(hello: &ClientHello, server_hello: &ServerHello) -> Option<CipherSuite> {
    CipherSuite::from_wire(server_hello.cipher_suite).filter(|suite| {
        suite.version() == ProtocolVersion::Dtls13
            && hello.cipher_suites.contains(&server_hello.cipher_suite)
    })
}

/// The checks that ServerHello and HelloRetryRequest share.
fn check_fixed_fields(server_hello: &ServerHello) -> Result<(), Error> {
    if server_hello.legacy_version != ProtocolVersion::Dtls12.to_wire() {
        return Err(Error::illegal("legacy_version is not 0xfefd", "RFC 9147 §5.4"));
    }
    // We never send a session ID, and DTLS 1.3 servers never echo one.
    if !server_hello.session_id.is_empty() {
        return Err(Error::illegal("legacy_session_id_echo is not empty", "RFC 9147 §5"));
    }
    if server_hello.compression_method != 0 {
        return Err(Error::illegal("legacy_compression_method is not null", "RFC 8446 §4.1.3"));
    }
    Ok(())
}

fn check_extensions(server_hello: &ServerHello, allowed: &[ExtensionType]) -> Result<(), Error> {
    if server_hello.extension_types().all(|extension_type| allowed.contains(&extension_type)) {
        Ok(())
    } else {
        Err(Error::protocol(
            AlertDescription::UnsupportedExtension,
            "ServerHello with an extension that has no place there",
            "RFC 8446 §4.2",
        ))
    }
}

fn handle_retry(
    core: &mut Core,
    offer: ClientOffer,
    message: &Message,
    retry: &ServerHello,
    now: Instant,
) -> Result<State, Error> {
    const SECTION: &str = "RFC 8446 §4.1.4";
    check_fixed_fields(retry)?;
    check_extensions(
        retry,
        &[ExtensionType::SUPPORTED_VERSIONS, ExtensionType::KEY_SHARE, ExtensionType::COOKIE],
    )?;
    let mut hello = offer.hello;
    let mut offers = offer.exchanges;
    let mut exchange = None;
    if let Some(ServerKeyShare::Retry(wanted)) = retry.key_share {
        let group = group_from_wire(wanted)
            .filter(|group| core.config.groups.contains(group))
            .filter(|_| offers.iter().all(|offer| group_to_wire(offer.group()) != wanted))
            .ok_or(Error::illegal(
                "HelloRetryRequest for a group that was not offered, or whose share was",
                SECTION,
            ))?;
        offers.clear();
        let fresh = core.config.provider.start_key_exchange(group, &mut core.rng)?;
        hello.key_shares =
            Some(vec![KeyShareEntry { group: wanted, share: fresh.share().to_vec() }]);
        exchange = Some(fresh);
    } else if retry.cookie.is_none() {
        return Err(Error::illegal("HelloRetryRequest that changes nothing", SECTION));
    }
    hello.cookie.clone_from(&retry.cookie);
    let provider = std::sync::Arc::clone(&core.config.provider);
    core.transcript.replace_by_message_hash(&*provider, core.negotiated.suite.hash());
    core.transcript.update(&message.bytes);
    core.begin_flight(now);
    core.send(0, HandshakeType::CLIENT_HELLO, |out| hello.write(out));
    Ok(State::ServerHello { hello, exchange, offers })
}

fn handle_server_hello(
    core: &mut Core,
    hello: ClientHello,
    exchanges: Vec<Box<dyn KeyExchange>>,
    message: &Message,
    server_hello: ServerHello,
) -> Result<State, Error> {
    check_fixed_fields(&server_hello)?;
    check_extensions(
        &server_hello,
        &[ExtensionType::SUPPORTED_VERSIONS, ExtensionType::KEY_SHARE],
    )?;
    let Some(ServerKeyShare::Share(entry)) = server_hello.key_share else {
        return Err(Error::protocol(
            AlertDescription::MissingExtension,
            "ServerHello without key_share",
            "RFC 8446 §9.2",
        ));
    };
    let exchange = exchanges
        .into_iter()
        .find(|exchange| group_to_wire(exchange.group()) == entry.group)
        .ok_or(Error::illegal(
            "ServerHello with a share of a group that was not offered",
            "RFC 8446 §4.2.8",
        ))?;
    core.negotiated.group = Some(exchange.group());
    let secret = exchange
        .finish(&entry.share)
        .map_err(|_| Error::illegal("the server's key share is invalid", "RFC 8446 §4.2.8"))?;
    let provider = std::sync::Arc::clone(&core.config.provider);
    core.transcript.start(&*provider, core.negotiated.suite.hash());
    core.transcript.update(&message.bytes);
    let stage = core.install_handshake_keys(secret.as_ref())?;
    Ok(State::EncryptedExtensions { stage, hello })
}

/// Takes one message and says what to wait for next.
pub(crate) fn handle(
    core: &mut Core,
    state: State,
    message: &Message,
    now: Instant,
) -> Result<State, Error> {
    let handshake_type = message.handshake_type();
    match (state, handshake_type) {
        (State::ServerHello { hello, exchange, offers }, HandshakeType::SERVER_HELLO) => {
            let server_hello = ServerHello::parse(message.body())?;
            if server_hello.is_hello_retry_request() {
                return Err(Error::unexpected("a second HelloRetryRequest", "RFC 8446 §4.1.4"));
            }
            if server_hello.supported_version != Some(ProtocolVersion::Dtls13.to_wire()) {
                return Err(Error::illegal(
                    "ServerHello of another version than the HelloRetryRequest",
                    "RFC 8446 §4.1.4",
                ));
            }
            if server_hello.cipher_suite != core.negotiated.suite.to_wire() {
                return Err(Error::illegal(
                    "ServerHello with another cipher suite than the HelloRetryRequest",
                    "RFC 8446 §4.1.4",
                ));
            }
            let exchanges = offers.into_iter().chain(exchange).collect();
            core.answered(now);
            handle_server_hello(core, hello, exchanges, message, server_hello)
        }
        (State::EncryptedExtensions { stage, hello }, HandshakeType::ENCRYPTED_EXTENSIONS) => {
            handle_encrypted_extensions(core, &hello, message)?;
            Ok(State::CertificateOrRequest { stage })
        }
        (State::CertificateOrRequest { stage }, HandshakeType::CERTIFICATE_REQUEST) => {
            let request = CertificateRequest::parse(message.body())?;
            if !request.context.is_empty() {
                return Err(Error::illegal(
                    "CertificateRequest of the handshake with a context",
                    "RFC 8446 §4.3.2",
                ));
            }
            core.transcript.update(&message.bytes);
            Ok(State::Certificate { stage, request: request.signature_algorithms })
        }
        (State::CertificateOrRequest { stage }, HandshakeType::CERTIFICATE) => {
            handle_certificate(core, message)?;
            Ok(State::CertificateVerify { stage, request: None })
        }
        (State::Certificate { stage, request }, HandshakeType::CERTIFICATE) => {
            handle_certificate(core, message)?;
            Ok(State::CertificateVerify { stage, request: Some(request) })
        }
        (State::CertificateVerify { stage, request }, HandshakeType::CERTIFICATE_VERIFY) => {
            authentication::check_certificate_verify(core, Side::Server, message)?;
            Ok(State::Finished { stage, request })
        }
        (State::Finished { stage, request }, HandshakeType::FINISHED) => {
            core.check_finished(message.body())?;
            core.transcript.update(&message.bytes);
            send_last_flight(core, stage, request, now)?;
            Ok(State::Done)
        }
        _ => Err(Error::unexpected("a handshake message that is not due", "RFC 8446 §4")),
    }
}

fn handle_encrypted_extensions(
    core: &mut Core,
    hello: &ClientHello,
    message: &Message,
) -> Result<(), Error> {
    let extensions = EncryptedExtensions::parse(message.body())?;
    for &extension_type in &extensions.types {
        if !hello.has_extension(extension_type) || extension_type == ExtensionType::COOKIE {
            return Err(Error::protocol(
                AlertDescription::UnsupportedExtension,
                "EncryptedExtensions with an extension that was not offered",
                "RFC 8446 §4.2",
            ));
        }
        if matches!(
            extension_type,
            ExtensionType::KEY_SHARE
                | ExtensionType::SUPPORTED_VERSIONS
                | ExtensionType::SIGNATURE_ALGORITHMS
        ) {
            return Err(Error::illegal(
                "EncryptedExtensions with an extension that has no place there",
                "RFC 8446 §4.2",
            ));
        }
    }
    if let Some(answer) = extensions.use_srtp {
        core.negotiated.srtp_profile = Some(check_use_srtp(hello, &answer)?);
    }
    core.transcript.update(&message.bytes);
    Ok(())
}

/// The server's answer names exactly one profile that we offered, and our empty MKI (RFC 5764 §4.1.1, §4.1.3).
pub(crate) fn check_use_srtp(
    hello: &ClientHello,
    answer: &crate::handshake::UseSrtp,
) -> Result<SrtpProtectionProfile, Error> {
    let offered = hello.use_srtp.as_ref().map_or(&[][..], |offer| &offer.profiles);
    match answer.profiles[..] {
        [profile] if offered.contains(&profile) && answer.mki.is_empty() => {
            SrtpProtectionProfile::from_wire(profile)
                .ok_or(Error::illegal("use_srtp with an unknown profile", "RFC 5764 §4.1.1"))
        }
        _ => Err(Error::illegal("use_srtp does not answer the offer", "RFC 5764 §4.1.1")),
    }
}

fn handle_certificate(core: &mut Core, message: &Message) -> Result<(), Error> {
    let certificate = Certificate::parse(message.body())?;
    if !certificate.context.is_empty() {
        return Err(Error::illegal("the server's Certificate has a context", "RFC 8446 §4.4.2"));
    }
    if certificate.chain.is_empty() {
        return Err(Error::decode("the server's Certificate is empty", "RFC 8446 §4.4.2.4"));
    }
    authentication::set_peer_certificates(core, certificate.chain)?;
    core.transcript.update(&message.bytes);
    Ok(())
}

fn send_last_flight(
    core: &mut Core,
    stage: HandshakeStage,
    request: Option<Vec<u16>>,
    now: Instant,
) -> Result<(), Error> {
    let secrets = core.application_secrets(stage)?;
    core.begin_flight(now);
    if let Some(accepted) = request {
        let accepted: Vec<SignatureScheme> =
            accepted.into_iter().filter_map(scheme_from_wire).collect();
        match authentication::choose_scheme(core, &accepted) {
            Some(scheme) => authentication::send_certificate(core, Side::Client, scheme)?,
            // RFC 8446 §4.4.2: nothing suitable, so an empty list. The server decides.
            None => core.send(HANDSHAKE_EPOCH, HandshakeType::CERTIFICATE, |out| {
                Certificate::write(&[], &[], out);
            }),
        }
    }
    core.send_finished()?;
    core.records.install_application_write(secrets.client)?;
    core.records.install_application_read(secrets.server)?;
    core.complete(now)
}
