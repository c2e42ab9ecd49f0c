//! The client's side of the handshake of DTLS 1.2 (RFC 5246 §7.3, RFC 6347 §4.2).

use std::{sync::Arc, time::Instant};

use peerage_crypto::{NamedGroup, SharedSecret};

use super::{
    authentication,
    core::{Core, Retransmission},
    key_schedule::Randoms,
    messages::{self, CertificateRequest, DigitallySigned, ServerKeyExchange},
    protection::RecordProtection,
};
use crate::{
    alert::AlertDescription,
    cipher_suite::CipherSuite,
    error::Error,
    handover::{ClientOffer, Handover},
    handshake::{ClientHello, HandshakeType, Message, ServerHello, UseSrtp},
    registry::group_from_wire,
    side::Side,
    srtp_profile::SrtpProtectionProfile,
    version::ProtocolVersion,
};

/// What the client waits for, with what it needs to go on.
pub(crate) enum State {
    Certificate { hello: Box<ClientHello> },
    ServerKeyExchange { hello: Box<ClientHello> },
    RequestOrDone { exchange: Exchange },
    Done { exchange: Exchange, request: CertificateRequest },
    Finished,
    Complete,
}

/// The key exchange, complete on our side when the server's key is known.
pub(crate) struct Exchange {
    share: Vec<u8>,
    premaster: SharedSecret,
}

/// Starts with the ServerHello, which chose DTLS 1.2.
pub(crate) fn start(
    handover: Handover,
    offer: ClientOffer,
    message: &Message,
    server_hello: &ServerHello,
    now: Instant,
) -> Result<(Core, State), (Box<Core>, Error)> {
    let ClientOffer { hello, message: hello_message, .. } = offer;
    let suite = CipherSuite::from_wire(server_hello.cipher_suite).filter(|suite| {
        suite.version() == ProtocolVersion::Dtls12
            && hello.cipher_suites.contains(&server_hello.cipher_suite)
    });
    let randoms = Randoms { client: hello.random, server: server_hello.random };
    // A core is needed even to refuse: it owns the records that carry the alert.
    let fallback = CipherSuite::EcdheEcdsaAes128GcmSha256;
    let mut core = Core::new(handover, Side::Client, suite.unwrap_or(fallback), randoms);
    let checked = match suite {
        Some(_) => check_server_hello(&mut core, &hello, server_hello),
        None => Err(Error::illegal(
            "ServerHello chose a cipher suite that was not offered",
            "RFC 5246 §7.4.1.3",
        )),
    };
    if let Err(error) = checked {
        return Err((Box::new(core), error));
    }
    core.hash(&hello_message);
    core.hash(message);
    core.resume_flight(hello_message, now);
    Ok((core, State::Certificate { hello: Box::new(hello) }))
}

fn check_server_hello(
    core: &mut Core,
    hello: &ClientHello,
    server_hello: &ServerHello,
) -> Result<(), Error> {
    const SECTION: &str = "RFC 5246 §7.4.1.3";
    if server_hello.compression_method != 0 {
        return Err(Error::illegal("ServerHello chose compression", SECTION));
    }
    if server_hello.extension_types().any(|extension_type| !hello.has_extension(extension_type))
        || server_hello.key_share.is_some()
        || server_hello.cookie.is_some()
    {
        return Err(Error::protocol(
            AlertDescription::UnsupportedExtension,
            "ServerHello with an extension that was not offered",
            "RFC 5246 §7.4.1.4",
        ));
    }
    // RFC 5746 §3.4: in the first handshake there is nothing to verify.
    if server_hello.renegotiation_info.as_ref().is_some_and(|info| !info.is_empty()) {
        return Err(Error::protocol(
            AlertDescription::HandshakeFailure,
            "renegotiation_info of a first handshake is not empty",
            "RFC 5746 §3.4",
        ));
    }
    check_point_formats(server_hello.ec_point_formats.as_deref())?;
    if let Some(answer) = &server_hello.use_srtp {
        core.negotiated.srtp_profile = Some(check_use_srtp(hello, answer)?);
    }
    core.negotiated.extended_master_secret = server_hello.extended_master_secret;
    Ok(())
}

/// The uncompressed format must be among the peer's (RFC 8422 §5.1.2).
pub(crate) fn check_point_formats(formats: Option<&[u8]>) -> Result<(), Error> {
    if formats.is_some_and(|formats| !formats.contains(&0)) {
        return Err(Error::illegal(
            "ec_point_formats without the uncompressed format",
            "RFC 8422 §5.1.2",
        ));
    }
    Ok(())
}

/// The server's answer names exactly one profile that we offered, and our empty MKI (RFC 5764 §4.1.1, §4.1.3).
fn check_use_srtp(hello: &ClientHello, answer: &UseSrtp) -> Result<SrtpProtectionProfile, Error> {
    let offered = hello.use_srtp.as_ref().map_or(&[][..], |offer| &offer.profiles);
    match answer.profiles[..] {
        [profile] if offered.contains(&profile) && answer.mki.is_empty() => {
            SrtpProtectionProfile::from_wire(profile)
                .ok_or(Error::illegal("use_srtp with an unknown profile", "RFC 5764 §4.1.1"))
        }
        _ => Err(Error::illegal("use_srtp does not answer the offer", "RFC 5764 §4.1.1")),
    }
}

/// Takes one message and says what to wait for next.
pub(crate) fn handle(
    core: &mut Core,
    state: State,
    message: &Message,
    now: Instant,
) -> Result<State, Error> {
    match (state, message.handshake_type()) {
        (State::Certificate { hello }, HandshakeType::CERTIFICATE) => {
            let chain = messages::parse_certificate(message.body())?;
            if chain.is_empty() {
                return Err(Error::decode("the server's Certificate is empty", "RFC 5246 §7.4.2"));
            }
            authentication::set_peer_certificates(core, chain)?;
            authentication::check_server_key(core)?;
            core.hash(message);
            Ok(State::ServerKeyExchange { hello })
        }
        (State::ServerKeyExchange { hello }, HandshakeType::SERVER_KEY_EXCHANGE) => {
            let exchange = handle_server_key_exchange(core, &hello, message)?;
            Ok(State::RequestOrDone { exchange })
        }
        (State::RequestOrDone { exchange }, HandshakeType::CERTIFICATE_REQUEST) => {
            let request = CertificateRequest::parse(message.body())?;
            core.hash(message);
            Ok(State::Done { exchange, request })
        }
        (State::RequestOrDone { exchange }, HandshakeType::SERVER_HELLO_DONE) => {
            handle_server_hello_done(core, exchange, None, message, now)
        }
        (State::Done { exchange, request }, HandshakeType::SERVER_HELLO_DONE) => {
            handle_server_hello_done(core, exchange, Some(request), message, now)
        }
        (State::Finished, HandshakeType::FINISHED) => {
            core.check_finished(message)?;
            core.complete(now);
            Ok(State::Complete)
        }
        _ => Err(Error::unexpected("a handshake message that is not due", "RFC 5246 §7.3")),
    }
}

fn handle_server_key_exchange(
    core: &mut Core,
    hello: &ClientHello,
    message: &Message,
) -> Result<Exchange, Error> {
    const SECTION: &str = "RFC 8422 §5.4";
    let received = ServerKeyExchange::parse(message.body())?;
    let offered = hello.supported_groups.as_deref().unwrap_or_default();
    let group = group_from_wire(received.group)
        // A KEM has no place in DTLS 1.2.
        .filter(|&group| group != NamedGroup::X25519MlKem768 && offered.contains(&received.group))
        .ok_or(Error::illegal("the server chose a curve that was not offered", SECTION))?;
    let Randoms { client, server } = &core.randoms;
    let content = messages::signed_params(client, server, received.group, &received.share);
    authentication::verify(core, &content, &received.signed, SECTION)?;
    core.hash(message);
    core.negotiated.group = Some(group);
    let provider = Arc::clone(&core.config.provider);
    let accepted = provider
        .accept_key_exchange(group, &received.share, &mut core.rng)
        .map_err(|_| Error::illegal("the server's key is invalid", "RFC 8422 §5.11"))?;
    Ok(Exchange { share: accepted.share, premaster: accepted.secret })
}

/// The server has said everything: our second flight.
fn handle_server_hello_done(
    core: &mut Core,
    exchange: Exchange,
    request: Option<CertificateRequest>,
    message: &Message,
    now: Instant,
) -> Result<State, Error> {
    if !message.body().is_empty() {
        return Err(Error::decode("ServerHelloDone is not empty", "RFC 5246 §7.4.5"));
    }
    core.hash(message);
    core.begin_flight(now, Retransmission::Timed);
    let scheme = request
        .as_ref()
        .and_then(|request| authentication::choose_scheme(core, &request.signature_schemes));
    if request.is_some() {
        // RFC 5246 §7.4.6: if nothing is suitable, an empty list. The server decides.
        let certificate = scheme.map(|_| Arc::clone(&core.config.certificate));
        core.send(HandshakeType::CERTIFICATE, |out| {
            messages::write_certificate(
                out,
                certificate.as_ref().map(|certificate| certificate.der()),
            );
        });
    }
    core.send(HandshakeType::CLIENT_KEY_EXCHANGE, |out| {
        messages::write_client_key_exchange(out, &exchange.share);
    });
    let (write, read) = core.derive_keys(exchange.premaster.as_ref())?;
    if let Some(scheme) = scheme {
        let content = core.transcript().to_vec();
        let signed: DigitallySigned = authentication::sign(core, scheme, &content)?;
        core.send(HandshakeType::CERTIFICATE_VERIFY, |out| signed.write(out));
    }
    finish(core, write, read)?;
    Ok(State::Finished)
}

fn finish(core: &mut Core, write: RecordProtection, read: RecordProtection) -> Result<(), Error> {
    core.send_finished(write)?;
    core.records.install_read(read);
    core.expect_finished();
    Ok(())
}
