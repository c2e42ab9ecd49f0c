//! dimpl, which has both versions, without post-quantum groups.

use std::{sync::Arc, time::Instant};

use dimpl::{Config, Dtls, DtlsCertificate, Output};
use peerage_crypto::{Certificate, CertificateParams, Rng, default_provider};

use crate::Peer;

/// Which version dimpl shall speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Dtls12,
    Dtls13,
    Auto,
}

/// One endpoint of dimpl.
pub struct DimplPeer {
    dtls: Dtls,
    connected: bool,
    peer_certificate: Option<Vec<u8>>,
    keying_material: Option<Vec<u8>>,
    received: Vec<Vec<u8>>,
    timeout: Option<Instant>,
}

impl DimplPeer {
    pub fn new(config: Config, version: Version, is_client: bool, now: Instant) -> Self {
        let provider = default_provider();
        let certificate = Certificate::generate(
            &provider,
            CertificateParams::default(),
            std::time::SystemTime::now(),
            &mut Rng::from_os(),
        )
        .expect("a certificate");
        let certificate = DtlsCertificate {
            certificate: certificate.der().to_vec(),
            private_key: certificate.signing_key().private_key_der().expect("a key").to_vec(),
        };
        let config = Arc::new(config);
        let mut dtls = match version {
            Version::Dtls12 => Dtls::new_12(config, certificate, now),
            Version::Dtls13 => Dtls::new_13(config, certificate, now),
            Version::Auto => Dtls::new_auto(config, certificate, now),
        };
        dtls.set_active(is_client);
        Self {
            dtls,
            connected: false,
            peer_certificate: None,
            keying_material: None,
            received: Vec::new(),
            timeout: None,
        }
    }
}

impl Peer for DimplPeer {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), String> {
        self.dtls.handle_timeout(now).map_err(|error| format!("dimpl: {error}"))?;
        self.dtls.handle_packet(datagram).map_err(|error| format!("dimpl: {error}"))
    }

    fn poll(&mut self, now: Instant) -> Result<Vec<Vec<u8>>, String> {
        self.dtls.handle_timeout(now).map_err(|error| format!("dimpl: {error}"))?;
        let mut out = Vec::new();
        let mut buf = vec![0; 4096];
        loop {
            match self.dtls.poll_output(&mut buf) {
                Output::Packet(packet) => out.push(packet.to_vec()),
                Output::Connected => self.connected = true,
                Output::PeerCert(der) => self.peer_certificate = Some(der.to_vec()),
                Output::KeyingMaterial(material, _) => {
                    self.keying_material = Some(material.to_vec());
                }
                Output::ApplicationData(data) => self.received.push(data.to_vec()),
                Output::Timeout(at) => {
                    // Some timeouts are so far away that they mean "never".
                    self.timeout = (at > now).then_some(at);
                    return Ok(out);
                }
                _ => {}
            }
        }
    }

    fn timeout(&self) -> Option<Instant> {
        self.timeout
    }

    fn is_connected(&self) -> bool {
        self.connected
    }

    fn send(&mut self, data: &[u8]) -> Result<(), String> {
        self.dtls.send_application_data(data).map_err(|error| format!("dimpl: {error}"))?;
        Ok(())
    }

    fn received(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.received)
    }

    fn keying_material(&mut self) -> Option<Vec<u8>> {
        self.keying_material.clone()
    }

    fn peer_certificate(&self) -> Option<Vec<u8>> {
        self.peer_certificate.clone()
    }
}
