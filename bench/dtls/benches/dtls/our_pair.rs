//! Peerage.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use peerage_crypto::{Certificate, CertificateParams, Rng, default_provider};
use peerage_dtls::{
    ApplicationData, CipherSuite, Config, Endpoint, Event, NamedGroup, ProtocolVersion,
};

use crate::{Pair, RECORD};

pub(crate) struct OurPair {
    configs: [Arc<Config>; 2],
    ends: Option<[Endpoint; 2]>,
}

impl OurPair {
    fn new(change: impl Fn(&mut Config)) -> Self {
        let configs = [(); 2].map(|()| {
            let provider = default_provider();
            let (params, mut rng) = (CertificateParams::default(), Rng::from_os());
            let certificate = Certificate::generate(&provider, params, SystemTime::now(), &mut rng)
                .expect("a certificate");
            let mut config = Config::new(provider, Arc::new(certificate));
            change(&mut config);
            Arc::new(config)
        });
        Self { configs, ends: None }
    }

    pub(crate) fn dtls12() -> Self {
        Self::new(|config| {
            config.max_version = ProtocolVersion::Dtls12;
            config.groups = vec![NamedGroup::X25519];
            config.cipher_suites = vec![CipherSuite::EcdheEcdsaAes128GcmSha256];
        })
    }

    pub(crate) fn dtls13() -> Self {
        Self::new(|config| {
            config.min_version = ProtocolVersion::Dtls13;
            config.groups = vec![NamedGroup::X25519];
            config.key_shares = vec![NamedGroup::X25519];
            config.cipher_suites = vec![CipherSuite::Aes128GcmSha256];
        })
    }

    /// The post-quantum group alone.
    pub(crate) fn hybrid() -> Self {
        Self::new(|config| {
            config.min_version = ProtocolVersion::Dtls13;
            config.groups = vec![NamedGroup::X25519MlKem768];
            config.key_shares = vec![NamedGroup::X25519MlKem768];
            config.cipher_suites = vec![CipherSuite::Aes128GcmSha256];
        })
    }

    /// The defaults: both versions offered, shares for both groups.
    pub(crate) fn webrtc() -> Self {
        Self::new(|_| {})
    }
}

/// Carries what one end has to say to the other. Gives whether it had anything.
fn carry(from: &mut Endpoint, to: &mut Endpoint, now: Instant, datagram: &mut Vec<u8>) -> bool {
    let mut any = false;
    datagram.clear();
    while from.poll_transmit(now, datagram).is_some() {
        any = true;
        let data = to.handle_input(now, datagram).expect("a datagram of the handshake");
        assert!(data.is_empty());
        datagram.clear();
    }
    any
}

fn is_connected(end: &mut Endpoint) -> bool {
    std::iter::from_fn(|| end.poll_event()).any(|event| matches!(event, Event::Connected(_)))
}

impl Pair for OurPair {
    fn connect(&mut self) {
        let now = Instant::now();
        let [client, server] = &self.configs;
        let mut client =
            Endpoint::client(Arc::clone(client), Rng::from_os(), now).expect("a client");
        let mut server =
            Endpoint::server(Arc::clone(server), Rng::from_os(), now).expect("a server");
        let mut datagram = Vec::with_capacity(2048);
        while carry(&mut client, &mut server, now, &mut datagram)
            | carry(&mut server, &mut client, now, &mut datagram)
        {}
        assert!(is_connected(&mut client) && is_connected(&mut server));
        self.ends = Some([client, server]);
    }

    fn transfer(&mut self, records: usize) {
        let now = Instant::now();
        let [client, server] = self.ends.as_mut().expect("a connection");
        let header_len = client.header_len();
        let payload = [7; RECORD];
        let mut record = Vec::with_capacity(2048);
        for _ in 0..records {
            record.clear();
            record.resize(header_len, 0);
            record.extend_from_slice(&payload);
            client.seal_application_data(&mut record, 0).expect("sealed");
            let data: ApplicationData = server.handle_input(now, &mut record).expect("opened");
            assert_eq!(data.iter().map(|range| range.len()).sum::<usize>(), RECORD);
        }
    }
}
