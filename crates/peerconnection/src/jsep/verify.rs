//! What two descriptions of one connection must have in common (RFC 9429 §5.8.3, §5.10; RFC 3264 §6, §8).

use peerage_sdp::{Setup, Word};

use super::local::{LocalDescription, LocalTransport};
use super::remote::{RemoteDescription, RemoteTransport};
use crate::error::Error;
use crate::transport::dtls::is_same_set;
use crate::transport::set::TransportId;

fn invalid(section: impl Into<String>, reason: impl Into<String>) -> Error {
    Error::InvalidDescription { section: section.into(), reason: reason.into() }
}

/// Checks an answer of the peer against our offer, against what was agreed before, and against the last description of the
/// peer that said something of DTLS, which may be a provisional answer.
pub(super) fn answer(
    offer: &LocalDescription,
    answer: &RemoteDescription,
    (current, before): (
        Option<(&LocalDescription, &RemoteDescription)>,
        Option<&RemoteDescription>,
    ),
    dtls_client: &dyn Fn(TransportId) -> Option<bool>,
) -> Result<(), Error> {
    if answer.sections.len() != offer.sections.len() {
        return Err(invalid(
            "session",
            format!(
                "the answer has {} m-sections but the offer {} (RFC 3264 §6)",
                answer.sections.len(),
                offer.sections.len()
            ),
        ));
    }
    for (index, section) in answer.sections.iter().enumerate() {
        let ours = &offer.sections[index];
        let (media, protocol) = ours.line();
        let name = || format!("m-section {index}");
        if section.media != media {
            return Err(invalid(
                name(),
                "the kind of media differs from the offer's (RFC 3264 §6)",
            ));
        }
        if section.protocol != protocol {
            return Err(invalid(name(), "the protocol differs from the offer's (RFC 3264 §6)"));
        }
        // Peers that know nothing of mid leave it out.
        if section.mid.is_some() && section.mid != ours.mid {
            return Err(invalid(name(), "a=mid differs from the offer's (RFC 5888 §9.1)"));
        }
        if !section.rejected && ours.is_rejected() {
            return Err(invalid(
                name(),
                "the answer accepts an m-section that the offer disabled (RFC 3264 §6)",
            ));
        }
    }
    // RFC 9143 §7.3: a group of the answer is made of sections that the offer grouped.
    let offered = |group: &Vec<Word>| {
        offer.bundles.iter().any(|ours| group.iter().all(|mid| ours.contains(mid)))
    };
    if !answer.bundles.iter().all(offered) {
        return Err(invalid(
            "a=group:BUNDLE",
            "the answer bundles what the offer did not (RFC 9143 §7.3)",
        ));
    }
    for theirs in &answer.transports {
        if let Some(ours) = offer.transport(theirs.id) {
            setup_of_answer(theirs)?;
            let last = before.and_then(|before| before.transport(theirs.id));
            association(last, theirs, dtls_client(theirs.id).map(|client| !client))?;
            if let Some((local, remote)) = current {
                restarts_alike(ours, theirs, local, remote)?;
            }
        }
    }
    Ok(())
}

fn setup_of_answer(theirs: &RemoteTransport) -> Result<(), Error> {
    match theirs.setup {
        Some(Setup::ActPass) => {
            Err(invalid("a=setup", "an answer must not say actpass (RFC 8842 §5.3)"))
        }
        Some(Setup::HoldConn) => {
            Err(invalid("a=setup", "holdconn cannot be used here (RFC 8842 §5.3)"))
        }
        _ => Ok(()),
    }
}

/// A new DTLS association needs new ICE credentials of the peer (RFC 8842 §6; RFC 8829 §5.8.3, §5.11): packets of the old one
/// and of the new one cannot be told apart otherwise, and an answerer that does not accept that refuses (RFC 8842 §5.3).
/// `peer_is_client` is the role of the peer, once settled.
fn association(
    last: Option<&RemoteTransport>,
    now: &RemoteTransport,
    peer_is_client: Option<bool>,
) -> Result<(), Error> {
    if last.is_some_and(|last| last.credentials != now.credentials) {
        return Ok(());
    }
    match (now.setup, peer_is_client) {
        (Some(Setup::Active), Some(false)) | (Some(Setup::Passive), Some(true)) => {
            return Err(invalid(
                "a=setup",
                "the DTLS roles must not change without an ICE restart (RFC 8842 §3.1, §6)",
            ));
        }
        _ => {}
    }
    let Some(last) = last else { return Ok(()) };
    if let (Some(last), Some(now)) = (&last.tls_id, &now.tls_id)
        && last != now
    {
        return Err(invalid("a=tls-id", "it changed without an ICE restart (RFC 8842 §6)"));
    }
    if !is_same_set(&last.fingerprints, &now.fingerprints) {
        return Err(invalid(
            "a=fingerprint",
            "the fingerprints changed without an ICE restart (RFC 8842 §6)",
        ));
    }
    Ok(())
}

/// Both ends restart ICE of a transport, or neither does.
fn restarts_alike(
    ours: &LocalTransport,
    theirs: &RemoteTransport,
    current_local: &LocalDescription,
    current_remote: &RemoteDescription,
) -> Result<(), Error> {
    let before = current_local.transport(ours.id).zip(current_remote.transport(ours.id));
    let Some((our_last, their_last)) = before else { return Ok(()) };
    let we_restart = ours.credentials != our_last.credentials;
    let they_restart = theirs.credentials != their_last.credentials;
    match (we_restart, they_restart) {
        // RFC 9429 §5.10.
        (true, false) => Err(invalid(
            "a=ice-ufrag",
            "the offer restarts ICE but the answer does not (RFC 8445 §9)",
        )),
        (false, true) => Err(invalid(
            "a=ice-ufrag",
            "the answer restarts ICE but the offer did not (RFC 8445 §9)",
        )),
        _ => Ok(()),
    }
}

/// Checks an offer of the peer against what was agreed before.
pub(super) fn offer(
    offer: &RemoteDescription,
    current: Option<&RemoteDescription>,
    dtls_client: &dyn Fn(TransportId) -> Option<bool>,
) -> Result<(), Error> {
    if offer.transports.iter().any(|transport| transport.setup == Some(Setup::HoldConn)) {
        return Err(invalid("a=setup", "holdconn cannot be used here (RFC 8842 §5.2)"));
    }
    let Some(current) = current else { return Ok(()) };
    if offer.sections.len() < current.sections.len() {
        return Err(invalid(
            "session",
            "an m-section of the last description is missing (RFC 3264 §8)",
        ));
    }
    for (index, (section, last)) in offer.sections.iter().zip(&current.sections).enumerate() {
        // A section that was or is rejected may be recycled (RFC 9429 §5.2.2).
        if last.rejected || section.rejected {
            continue;
        }
        if section.media != last.media {
            return Err(invalid(
                format!("m-section {index}"),
                "the kind of media changed (RFC 3264 §8.3.1)",
            ));
        }
        if section.mid != last.mid {
            return Err(invalid(format!("m-section {index}"), "a=mid changed (RFC 9429 §5.2.2)"));
        }
    }
    for now in &offer.transports {
        if let Some(last) = current.transport(now.id) {
            association(Some(last), now, dtls_client(now.id).map(|client| !client))?;
        }
    }
    Ok(())
}
