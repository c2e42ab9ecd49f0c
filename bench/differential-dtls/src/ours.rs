//! Peerage.

use std::{sync::Arc, time::Instant};

use peerage_crypto::{Certificate, CertificateParams, Rng, default_provider};
use peerage_dtls::{Config, Endpoint, Event, HandshakeSummary};

use crate::Peer;

/// One of our endpoints.
pub struct OurPeer {
    pub endpoint: Endpoint,
    pub summary: Option<HandshakeSummary>,
    pub key_updates: usize,
    failure: Option<String>,
    outgoing: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
}

/// A configuration with a certificate of its own.
pub fn config(seed: u64, key_type: peerage_crypto::KeyType) -> Config {
    let provider = default_provider();
    let params = CertificateParams { key_type, ..CertificateParams::default() };
    let now = std::time::SystemTime::now();
    let certificate = Certificate::generate(&provider, params, now, &mut Rng::from_seed(seed))
        .expect("a certificate");
    Config::new(provider, Arc::new(certificate))
}

impl OurPeer {
    pub fn new(config: Config, is_client: bool, seed: u64, now: Instant) -> Self {
        let (config, rng) = (Arc::new(config), Rng::from_seed(seed));
        let endpoint = if is_client {
            Endpoint::client(config, rng, now)
        } else {
            Endpoint::server(config, rng, now)
        };
        Self {
            endpoint: endpoint.expect("an endpoint"),
            summary: None,
            key_updates: 0,
            failure: None,
            outgoing: Vec::new(),
            received: Vec::new(),
        }
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                Event::Connected(summary) => self.summary = Some(*summary),
                Event::KeyUpdated => self.key_updates += 1,
                Event::Failed(error) => self.failure = Some(error.to_string()),
                _ => {}
            }
        }
    }
}

impl Peer for OurPeer {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), String> {
        let mut datagram = datagram.to_vec();
        let data =
            self.endpoint.handle_input(now, &mut datagram).map_err(|e| format!("ours: {e}"))?;
        self.drain_events();
        for range in data.iter() {
            self.received.push(datagram[range].to_vec());
        }
        Ok(())
    }

    fn poll(&mut self, now: Instant) -> Result<Vec<Vec<u8>>, String> {
        if self.timeout().is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(now);
        }
        let mut out = std::mem::take(&mut self.outgoing);
        let mut buf = Vec::new();
        while self.endpoint.poll_transmit(now, &mut buf).is_some() {
            out.push(std::mem::take(&mut buf));
        }
        self.drain_events();
        match self.failure.take() {
            Some(failure) => Err(format!("ours: {failure}")),
            None => Ok(out),
        }
    }

    fn timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout()
    }

    fn is_connected(&self) -> bool {
        self.summary.is_some()
    }

    fn send(&mut self, data: &[u8]) -> Result<(), String> {
        let mut buf = vec![0; self.endpoint.header_len()];
        buf.extend_from_slice(data);
        self.endpoint.seal_application_data(&mut buf, 0).map_err(|error| error.to_string())?;
        self.outgoing.push(buf);
        Ok(())
    }

    fn received(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.received)
    }

    fn keying_material(&mut self) -> Option<Vec<u8>> {
        let mut out = vec![0; self.summary.as_ref()?.srtp_profile?.keying_material_len()];
        self.endpoint.export_keying_material("EXTRACTOR-dtls_srtp", None, &mut out).ok()?;
        Some(out)
    }

    fn peer_certificate(&self) -> Option<Vec<u8>> {
        self.summary.as_ref()?.peer_certificates.first().cloned()
    }
}
