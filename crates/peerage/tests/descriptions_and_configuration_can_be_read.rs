//! What the W3C's connection tells of itself beside its states, and what may be changed of it.

mod common;

use common::pair;
use peerage::media::MediaKind;
use peerage::{Error, IceServer, SdpType, TransceiverDirection};

fn name(error: &Error) -> &'static str {
    match error {
        Error::Refused(error) => error.name(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn current_and_pending_descriptions_are_told_apart() {
    let (alice, bob) = pair().await;
    let sent = alice.add_track(MediaKind::Audio, "audio", vec!["s".into()]).await.unwrap();
    assert_eq!(alice.can_trickle_ice_candidates().await.unwrap(), None);
    alice.set_local_description(None).await.unwrap();
    let offer = alice.pending_local_description().await.unwrap().unwrap();
    assert_eq!(offer.kind, SdpType::Offer);
    assert!(alice.current_local_description().await.unwrap().is_none());
    bob.set_remote_description(offer).await.unwrap();
    assert!(bob.pending_remote_description().await.unwrap().is_some());
    assert_eq!(bob.can_trickle_ice_candidates().await.unwrap(), Some(true));
    bob.set_local_description(None).await.unwrap();
    let answer = bob.current_local_description().await.unwrap().unwrap();
    alice.set_remote_description(answer).await.unwrap();
    assert!(alice.pending_local_description().await.unwrap().is_none());
    assert!(alice.current_remote_description().await.unwrap().is_some());

    alice.remove_track(&sent).await.unwrap();
    let state = sent.state().await.unwrap().unwrap();
    assert_eq!(state.direction, TransceiverDirection::RecvOnly);
    assert_eq!(name(&bob.remove_track(&sent).await.unwrap_err()), "InvalidAccessError");
    let mut parameters = sent.get_parameters().await.unwrap();
    assert!(parameters.codecs.iter().any(|codec| codec.codec.is("opus")));
    parameters.encodings[0].max_bitrate = Some(20_000);
    sent.set_parameters(parameters.clone()).await.unwrap();
    assert_eq!(name(&sent.set_parameters(parameters).await.unwrap_err()), "InvalidStateError");
    assert!(!sent.get_receive_parameters().await.unwrap().codecs.is_empty());
}

#[tokio::test]
async fn servers_may_be_changed_and_policies_not() {
    let (alice, _bob) = pair().await;
    let mut configuration = alice.get_configuration().await.unwrap();
    configuration.ice_servers.push(IceServer::new("stun:192.0.2.1:3478"));
    alice.set_configuration(configuration.clone()).await.unwrap();
    assert_eq!(alice.get_configuration().await.unwrap().ice_servers.len(), 1);
    configuration.ice_servers[0] = IceServer::new("http://example.org");
    assert_eq!(name(&alice.set_configuration(configuration).await.unwrap_err()), "SyntaxError");
}
