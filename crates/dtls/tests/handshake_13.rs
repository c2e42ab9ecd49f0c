//! Handshakes of DTLS 1.3 between two of our endpoints.

mod common;

use common::{Pair, client_config, server_config};
use peerage_dtls::{NamedGroup, ProtocolVersion};

#[test]
fn both_ends_agree_on_the_best_they_have() {
    let mut pair = Pair::new(client_config(), server_config(), 1);
    assert!(pair.connect(), "{:?} {:?}", pair.client.failure, pair.server.failure);
    let (client, server) = (pair.client.summary.as_ref(), pair.server.summary.as_ref());
    let (client, server) = (client.unwrap(), server.unwrap());
    assert_eq!(client.version, ProtocolVersion::Dtls13);
    assert_eq!(client.group, Some(NamedGroup::X25519MlKem768));
    assert_eq!((client.is_client, server.is_client), (true, false));
    assert_eq!(client.cipher_suite, server.cipher_suite);
    assert_eq!(client.srtp_profile, server.srtp_profile);
    assert!(client.srtp_profile.is_some());
    assert_eq!(client.peer_certificates, [common::certificates()[1].der().to_vec()]);
    assert_eq!(server.peer_certificates, [common::certificates()[0].der().to_vec()]);
    let mut keys = [[0; 60], [0; 60]];
    for (side, out) in [&pair.client, &pair.server].into_iter().zip(&mut keys) {
        side.endpoint.export_keying_material("EXTRACTOR-dtls_srtp", None, out).unwrap();
    }
    assert_eq!(keys[0], keys[1]);
    pair.send(true, b"hello");
    pair.send(false, b"world");
    pair.run_for(std::time::Duration::from_secs(1));
    assert_eq!(pair.server.received, [b"hello"]);
    assert_eq!(pair.client.received, [b"world"]);
}
