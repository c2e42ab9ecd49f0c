//! The server's side of the handshake of DTLS 1.3 (RFC 8446 §4, appendix A.2; RFC 9147 §5).

use std::{sync::Arc, time::Instant};

use peerage_crypto::{NamedGroup, SignatureScheme, constant_time_eq};

use super::{
    authentication,
    core::Core,
    key_schedule::Secret,
    messages::{Certificate, CertificateRequest, EncryptedExtensions},
    records::HANDSHAKE_EPOCH,
};
use crate::{
    alert::AlertDescription,
    cipher_suite::CipherSuite,
    error::Error,
    handover::Handover,
    handshake::{
        ClientHello, HELLO_RETRY_REQUEST_RANDOM, HandshakeType, KeyShareEntry, Message,
        ServerHello, ServerKeyShare, UseSrtp,
    },
    registry::{group_from_wire, group_to_wire, scheme_from_wire},
    side::Side,
    srtp_profile::SrtpProtectionProfile,
    version::ProtocolVersion,
};

/// What the server waits for, with what it needs to go on.
pub(crate) enum State {
    /// A HelloRetryRequest was sent.
    SecondClientHello(Box<Retry>),
    Certificate {
        client_secret: Secret,
    },
    CertificateVerify {
        client_secret: Secret,
    },
    Finished {
        client_secret: Secret,
    },
    Done,
}

/// What the second ClientHello must agree with.
pub(crate) struct Retry {
    first: ClientHello,
    group: NamedGroup,
    cookie: Option<[u8; 32]>,
    has_share: bool,
}

/// Starts with a ClientHello that chose DTLS 1.3.
pub(crate) fn start(
    handover: Handover,
    hello: ClientHello,
    message: &Message,
    now: Instant,
) -> Result<(Core, State), (Box<Core>, Error)> {
    let suite = handover
        .config
        .suites(ProtocolVersion::Dtls13)
        .find(|suite| hello.cipher_suites.contains(&suite.to_wire()));
    // A core is needed even to refuse: it owns the records that carry the alert.
    let fallback = CipherSuite::Aes128GcmSha256;
    let mut core = Core::new(handover, Side::Server, suite.unwrap_or(fallback), hello.random);
    let no_suite = Error::protocol(
        AlertDescription::HandshakeFailure,
        "no cipher suite in common",
        "RFC 8446 §4.1.1",
    );
    match suite.ok_or(no_suite).and_then(|_| {
        core.transcript.update(&message.bytes);
        let provider = Arc::clone(&core.config.provider);
        core.transcript.start(&*provider, core.negotiated.suite.hash());
        handle_client_hello(&mut core, hello, now)
    }) {
        Ok(state) => Ok((core, state)),
        Err(error) => Err((Box::new(core), error)),
    }
}

fn check_fixed_fields(hello: &ClientHello) -> Result<(), Error> {
    // RFC 9147 §5.3.
    if !hello.legacy_cookie.is_empty() {
        return Err(Error::illegal("legacy_cookie is not empty", "RFC 9147 §5.3"));
    }
    if hello.compression_methods != [0] {
        return Err(Error::illegal("compression methods other than null", "RFC 8446 §4.1.2"));
    }
    Ok(())
}

const fn missing(message: &'static str) -> Error {
    Error::protocol(AlertDescription::MissingExtension, message, "RFC 8446 §9.2")
}

fn handle_client_hello(core: &mut Core, hello: ClientHello, now: Instant) -> Result<State, Error> {
    check_fixed_fields(&hello)?;
    let groups =
        hello.supported_groups.as_ref().ok_or(missing("ClientHello without supported_groups"))?;
    let shares = hello.key_shares.as_ref().ok_or(missing("ClientHello without key_share"))?;
    for (index, share) in shares.iter().enumerate() {
        let repeated = shares[..index].iter().any(|other| other.group == share.group);
        if repeated || !groups.contains(&share.group) {
            return Err(Error::illegal(
                "key_share with a group twice, or one that is not in supported_groups",
                "RFC 8446 §4.2.8",
            ));
        }
    }
    let mutual = |group: &NamedGroup| groups.contains(&group_to_wire(*group));
    let has_share =
        |group: &NamedGroup| shares.iter().any(|share| share.group == group_to_wire(*group));
    let ours = &core.config.groups;
    let with_share = ours.iter().copied().find(|group| mutual(group) && has_share(group));
    let group = with_share.or_else(|| ours.iter().copied().find(mutual)).ok_or(Error::protocol(
        AlertDescription::HandshakeFailure,
        "no key exchange group in common",
        "RFC 8446 §4.1.1",
    ))?;
    if with_share.is_none() || core.config.require_cookie {
        return Ok(send_retry(core, hello, group, with_share.is_some(), now));
    }
    answer(core, &hello, group, now)
}

fn send_retry(
    core: &mut Core,
    hello: ClientHello,
    group: NamedGroup,
    has_share: bool,
    now: Instant,
) -> State {
    let cookie = core.config.require_cookie.then(|| core.rng.array::<32>());
    let retry = ServerHello {
        legacy_version: ProtocolVersion::Dtls12.to_wire(),
        random: HELLO_RETRY_REQUEST_RANDOM,
        cipher_suite: core.negotiated.suite.to_wire(),
        supported_version: Some(ProtocolVersion::Dtls13.to_wire()),
        key_share: (!has_share).then(|| ServerKeyShare::Retry(group_to_wire(group))),
        cookie: cookie.map(|cookie| cookie.to_vec()),
        ..ServerHello::default()
    };
    let provider = Arc::clone(&core.config.provider);
    core.transcript.replace_by_message_hash(&*provider, core.negotiated.suite.hash());
    core.begin_flight(now);
    core.unproven_peer = cookie.is_some();
    core.send(0, HandshakeType::SERVER_HELLO, |out| retry.write(out));
    State::SecondClientHello(Box::new(Retry { first: hello, group, cookie, has_share }))
}

fn handle_second_client_hello(
    core: &mut Core,
    retry: &Retry,
    message: &Message,
    now: Instant,
) -> Result<State, Error> {
    const SECTION: &str = "RFC 8446 §4.1.2";
    let hello = ClientHello::parse(message.body())?;
    check_fixed_fields(&hello)?;
    let first = &retry.first;
    if hello.random != first.random
        || hello.session_id != first.session_id
        || hello.cipher_suites != first.cipher_suites
        || hello.supported_groups != first.supported_groups
        || hello.supported_versions != first.supported_versions
        || hello.signature_algorithms != first.signature_algorithms
        || hello.use_srtp != first.use_srtp
    {
        return Err(Error::illegal("the second ClientHello differs from the first", SECTION));
    }
    let cookie_matches = match (&retry.cookie, &hello.cookie) {
        (Some(ours), Some(theirs)) => constant_time_eq(ours, theirs),
        (None, None) => true,
        _ => false,
    };
    if !cookie_matches {
        return Err(Error::illegal("the cookie is not the one we sent", "RFC 9147 §5.1"));
    }
    let wanted = group_to_wire(retry.group);
    let shares = hello.key_shares.as_deref().unwrap_or_default();
    let acceptable = if retry.has_share {
        hello.key_shares == first.key_shares
    } else {
        matches!(shares, [share] if share.group == wanted)
    };
    if !acceptable {
        return Err(Error::illegal("the second ClientHello has not the share asked for", SECTION));
    }
    core.transcript.update(&message.bytes);
    answer(core, &hello, retry.group, now)
}

/// Sends everything from ServerHello to Finished.
fn answer(
    core: &mut Core,
    hello: &ClientHello,
    group: NamedGroup,
    now: Instant,
) -> Result<State, Error> {
    let schemes: Vec<SignatureScheme> = hello
        .signature_algorithms
        .as_ref()
        .ok_or(missing("ClientHello without signature_algorithms"))?
        .iter()
        .filter_map(|&scheme| scheme_from_wire(scheme))
        .collect();
    let scheme = authentication::choose_scheme(core, &schemes).ok_or(Error::protocol(
        AlertDescription::HandshakeFailure,
        "no signature scheme in common",
        "RFC 8446 §4.4.2.2",
    ))?;
    let wanted = group_to_wire(group);
    let share = hello
        .key_shares
        .iter()
        .flatten()
        .find(|share| share.group == wanted && group_from_wire(share.group).is_some())
        .ok_or(missing("ClientHello without the key share asked for"))?;
    let accepted = core
        .config
        .provider
        .accept_key_exchange(group, &share.share, &mut core.rng)
        .map_err(|_| Error::illegal("the client's key share is invalid", "RFC 8446 §4.2.8"))?;
    core.negotiated.group = Some(group);
    core.negotiated.srtp_profile = choose_srtp_profile(core, hello);

    core.begin_flight(now);
    let server_hello = ServerHello {
        legacy_version: ProtocolVersion::Dtls12.to_wire(),
        random: core.rng.array(),
        cipher_suite: core.negotiated.suite.to_wire(),
        supported_version: Some(ProtocolVersion::Dtls13.to_wire()),
        key_share: Some(ServerKeyShare::Share(KeyShareEntry {
            group: wanted,
            share: accepted.share,
        })),
        ..ServerHello::default()
    };
    core.send(0, HandshakeType::SERVER_HELLO, |out| server_hello.write(out));
    let stage = core.install_handshake_keys(accepted.secret.as_ref())?;
    let use_srtp = core
        .negotiated
        .srtp_profile
        .map(|profile| UseSrtp { profiles: vec![profile.to_wire()], mki: Vec::new() });
    core.send(HANDSHAKE_EPOCH, HandshakeType::ENCRYPTED_EXTENSIONS, |out| {
        EncryptedExtensions::write(use_srtp.as_ref(), out);
    });
    let ask = core.config.require_peer_certificate;
    if ask {
        let request = CertificateRequest {
            context: Vec::new(),
            signature_algorithms: authentication::accepted_schemes(core),
        };
        core.send(HANDSHAKE_EPOCH, HandshakeType::CERTIFICATE_REQUEST, |out| request.write(out));
    }
    authentication::send_certificate(core, Side::Server, scheme)?;
    core.send_finished()?;
    let secrets = core.application_secrets(stage)?;
    core.records.install_application_write(secrets.server)?;
    let client_secret = secrets.client;
    Ok(if ask { State::Certificate { client_secret } } else { State::Finished { client_secret } })
}

/// Our best profile that the client offers. An MKI is not supported, so that it is not echoed (RFC 5764 §4.1.3).
pub(crate) fn choose_srtp_profile(
    core: &Core,
    hello: &ClientHello,
) -> Option<SrtpProtectionProfile> {
    let offered = &hello.use_srtp.as_ref()?.profiles;
    core.config.srtp_profiles.iter().copied().find(|profile| offered.contains(&profile.to_wire()))
}

/// Takes one message and says what to wait for next.
pub(crate) fn handle(
    core: &mut Core,
    state: State,
    message: &Message,
    now: Instant,
) -> Result<State, Error> {
    match (state, message.handshake_type()) {
        (State::SecondClientHello(retry), HandshakeType::CLIENT_HELLO) => {
            handle_second_client_hello(core, &retry, message, now)
        }
        (State::Certificate { client_secret }, HandshakeType::CERTIFICATE) => {
            let certificate = Certificate::parse(message.body())?;
            if !certificate.context.is_empty() {
                return Err(Error::illegal(
                    "the client's Certificate has another context than the request",
                    "RFC 8446 §4.4.2",
                ));
            }
            if certificate.chain.is_empty() {
                return Err(Error::protocol(
                    AlertDescription::CertificateRequired,
                    "the client has no certificate",
                    "RFC 8446 §4.4.2.4",
                ));
            }
            authentication::set_peer_certificates(core, certificate.chain)?;
            core.transcript.update(&message.bytes);
            Ok(State::CertificateVerify { client_secret })
        }
        (State::CertificateVerify { client_secret }, HandshakeType::CERTIFICATE_VERIFY) => {
            authentication::check_certificate_verify(core, Side::Client, message)?;
            Ok(State::Finished { client_secret })
        }
        (State::Finished { client_secret }, HandshakeType::FINISHED) => {
            core.check_finished(message.body())?;
            core.records.install_application_read(client_secret)?;
            core.complete(now)?;
            Ok(State::Done)
        }
        _ => Err(Error::unexpected("a handshake message that is not due", "RFC 8446 §4")),
    }
}
