//! dimpl, with certificates of the same form as ours.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use dimpl::{
    Config, Dtls, DtlsCertificate, Output,
    crypto::{CryptoProvider, Dtls12CipherSuite, Dtls13CipherSuite, NamedGroup},
};
use peerage_crypto::{Certificate, CertificateParams, Rng, default_provider};

use crate::{Pair, RECORD};

pub(crate) struct DimplPair {
    config: Arc<Config>,
    is_13: bool,
    certificates: [DtlsCertificate; 2],
    ends: Option<[Dtls; 2]>,
    buf: Vec<u8>,
}

/// What came out of one end: how often it connected, and user bytes.
#[derive(Default)]
struct Outcome {
    datagrams: usize,
    connected: bool,
    received: usize,
}

impl DimplPair {
    fn new(provider: CryptoProvider, is_13: bool) -> Self {
        let config = Config::builder()
            .with_crypto_provider(provider)
            .kx_groups(&[NamedGroup::X25519])
            .dtls12_cipher_suites(&[Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256])
            .dtls13_cipher_suites(&[Dtls13CipherSuite::AES_128_GCM_SHA256])
            .build()
            .expect("a configuration");
        let certificates = [(); 2].map(|()| {
            let (provider, params) = (default_provider(), CertificateParams::default());
            let certificate =
                Certificate::generate(&provider, params, SystemTime::now(), &mut Rng::from_os())
                    .expect("a certificate");
            DtlsCertificate {
                certificate: certificate.der().to_vec(),
                private_key: certificate.signing_key().private_key_der().expect("a key").to_vec(),
            }
        });
        Self { config: Arc::new(config), is_13, certificates, ends: None, buf: vec![0; 4096] }
    }

    pub(crate) fn dtls12(provider: CryptoProvider) -> Self {
        Self::new(provider, false)
    }

    pub(crate) fn dtls13(provider: CryptoProvider) -> Self {
        Self::new(provider, true)
    }
}

/// Carries what one end has to say to the other.
fn carry(from: &mut Dtls, to: &mut Dtls, buf: &mut [u8]) -> Outcome {
    let mut outcome = Outcome::default();
    loop {
        match from.poll_output(buf) {
            Output::Packet(packet) => {
                outcome.datagrams += 1;
                to.handle_packet(packet).expect("a datagram");
            }
            Output::Connected => outcome.connected = true,
            Output::ApplicationData(data) => outcome.received += data.len(),
            Output::Timeout(_) => return outcome,
            _ => {}
        }
    }
}

impl Pair for DimplPair {
    fn connect(&mut self) {
        let now = Instant::now();
        let mut ends = self.certificates.clone().map(|certificate| {
            let config = Arc::clone(&self.config);
            if self.is_13 {
                Dtls::new_13(config, certificate, now)
            } else {
                Dtls::new_12(config, certificate, now)
            }
        });
        let [client, server] = &mut ends;
        client.set_active(true);
        for end in [&mut *client, &mut *server] {
            end.handle_timeout(now).expect("a clock");
        }
        let mut connected = [false; 2];
        loop {
            let out = carry(client, server, &mut self.buf);
            let back = carry(server, client, &mut self.buf);
            connected[0] |= out.connected;
            connected[1] |= back.connected;
            if out.datagrams + back.datagrams == 0 {
                break;
            }
        }
        assert_eq!(connected, [true; 2]);
        self.ends = Some(ends);
    }

    fn transfer(&mut self, records: usize) {
        let [client, server] = self.ends.as_mut().expect("a connection");
        let payload = [7; RECORD];
        let mut received = 0;
        for _ in 0..records {
            client.send_application_data(&payload).expect("sealed");
            carry(client, server, &mut self.buf);
            received += carry(server, client, &mut self.buf).received;
        }
        assert_eq!(received, records * RECORD);
    }
}
