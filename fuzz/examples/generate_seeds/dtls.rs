//! Seeds of the targets of peerage-dtls: the first flights of real endpoints, cut up as each target wants them.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use peerage_crypto::{Certificate, CertificateParams, Rng, default_provider};
use peerage_dtls::{Config, Endpoint, ProtocolVersion};

use crate::Sink;

/// Lengths of a DTLS record header in plaintext and of a handshake fragment header (RFC 6347 §4.1, §4.2.2).
const RECORD_HEADER: usize = 13;
const FRAGMENT_HEADER: usize = 12;

pub(crate) fn write(sink: &Sink) {
    let now = Instant::now();
    // The first byte of these inputs chooses the configuration: bit 0 is DTLS 1.2, bit 7 the client.
    for (name, version, choice) in [("1_2", ProtocolVersion::Dtls12, 1), ("1_3", ProtocolVersion::Dtls13, 0)] {
        let config = config(version);
        let mut client = Endpoint::client(Arc::clone(&config), Rng::from_seed(1), now).expect("a client");
        let mut server = Endpoint::server(config, Rng::from_seed(2), now).expect("a server");
        let hello = drain(&mut client, now);
        let mut answer = Vec::new();
        for datagram in &hello {
            let _ = server.handle_input(now, &mut datagram.clone());
            answer.extend(drain(&mut server, now));
        }
        sink.seed("dtls_endpoint", &format!("hello_{name}"), &script(choice, &hello));
        sink.seed("dtls_endpoint", &format!("answer_{name}"), &script(choice | 128, &answer));
        sink.seed("dtls_records", &format!("hello_{name}"), &hello.concat());
        sink.seed("dtls_records", &format!("answer_{name}"), &answer.concat());
        let fragments: Vec<u8> = hello.iter().flat_map(|datagram| datagram[RECORD_HEADER..].to_vec()).collect();
        sink.seed("dtls_reassembly", &format!("hello_{name}"), &fragments);
        for (which, flight) in [("hello", &hello), ("answer", &answer)] {
            if let Some(message) = message(flight) {
                sink.seed("dtls_handshake_messages", &format!("{which}_{name}"), &message);
            }
        }
    }
    // Two bytes of configuration, then commands.
    for (name, script) in [
        ("all_arrives", &[0, 0][..]),
        ("all_arrives_1_2", &[1, 0]),
        ("cookie", &[4, 4]),
        ("small_mtu", &[8, 8]),
        ("losses", &[0, 0, 16, 0, 17, 0, 1, 16, 17, 0, 1]),
        ("repeats", &[1, 1, 18, 0, 19, 1, 18, 0, 19, 1]),
        ("damage", &[0, 0, 0, 1, 20, 9, 1, 0, 21, 40, 128]),
        ("key_updates", &[0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 28, 60, 29, 61, 0, 1, 30, 31]),
    ] {
        sink.seed("dtls_pair", name, script);
    }
}

fn config(version: ProtocolVersion) -> Arc<Config> {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let provider = default_provider();
    let certificate = Certificate::generate(&provider, CertificateParams::default(), now, &mut Rng::from_seed(1));
    let mut config = Config::new(provider, Arc::new(certificate.expect("a certificate")));
    config.max_version = version;
    Arc::new(config)
}

fn drain(endpoint: &mut Endpoint, now: Instant) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    let mut buf = Vec::new();
    while endpoint.poll_transmit(now, &mut buf).is_some() {
        datagrams.push(std::mem::take(&mut buf));
    }
    datagrams
}

/// Each datagram behind its length, and a timeout.
fn script(choice: u8, datagrams: &[Vec<u8>]) -> Vec<u8> {
    let mut out = vec![choice];
    for datagram in datagrams {
        out.extend_from_slice(&(datagram.len() as u16).to_be_bytes());
        out.extend_from_slice(datagram);
    }
    out.extend_from_slice(&[0, 0]);
    out
}

/// The body of the first message of a flight, its fragments in order.
fn message(flight: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let mut total = None;
    for datagram in flight {
        let fragment = datagram.get(RECORD_HEADER..)?;
        let number = |at: usize| Some(u32::from_be_bytes([0, *fragment.get(at)?, *fragment.get(at + 1)?, *fragment.get(at + 2)?]) as usize);
        let length = number(9)?;
        body.extend_from_slice(fragment.get(FRAGMENT_HEADER..FRAGMENT_HEADER + length)?);
        let total = *total.get_or_insert(number(1)?);
        if body.len() >= total {
            return Some(body);
        }
    }
    None
}
