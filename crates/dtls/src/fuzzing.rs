//! The bodies of the fuzz targets. Each takes any bytes, and must neither panic nor loop nor grow without bound.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use peerage_crypto::{Certificate, CertificateParams, Rng, default_provider};

use crate::{
    Config, Endpoint, NamedGroup, ProtocolVersion, State,
    codec::Reader,
    handshake::{ClientHello, FragmentHeader, HelloVerifyRequest, ServerHello},
    reassembler::Reassembler,
    record::RecordHeader,
};

/// Splits a datagram into records, and reads the headers.
pub fn records(data: &[u8]) {
    let mut at = 0;
    while let Some(header) = data.get(at..).and_then(RecordHeader::parse) {
        assert!(header.header_len() <= header.record_len());
        at += header.record_len();
        assert!(at <= data.len());
        if header.record_len() == 0 {
            break;
        }
    }
}

/// Reads every message that both versions share, and compares what is written with what was read.
pub fn handshake_messages(data: &[u8]) {
    if let Ok(hello) = ClientHello::parse(data) {
        let mut out = Vec::new();
        hello.write(&mut out);
        assert_eq!(ClientHello::parse(&out), Ok(hello));
    }
    if let Ok(hello) = ServerHello::parse(data) {
        let mut out = Vec::new();
        hello.write(&mut out);
        assert_eq!(ServerHello::parse(&out), Ok(hello));
    }
    if let Some(request) = HelloVerifyRequest::parse(data) {
        let mut out = Vec::new();
        request.write(&mut out);
        assert_eq!(HelloVerifyRequest::parse(&out), Some(request));
    }
    crate::dtls12::fuzz_messages(data);
    crate::dtls13::fuzz_messages(data);
}

/// Puts fragments together. Whole messages have the length that their header says.
pub fn reassembly(data: &[u8]) {
    let mut reassembler = Reassembler::default();
    let mut reader = Reader::new(data);
    while let Some((header, body)) = FragmentHeader::read(&mut reader) {
        reassembler.insert(&header, body);
        while let Some(message) = reassembler.pop() {
            let [_, a, b, c] = message.bytes[..4] else { unreachable!("a message has a header") };
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            assert_eq!(message.body().len(), length);
        }
    }
}

fn config(choice: u8) -> Arc<Config> {
    static CERTIFICATE: OnceLock<Arc<Certificate>> = OnceLock::new();
    let certificate = CERTIFICATE.get_or_init(|| {
        let now = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let params = CertificateParams::default();
        let certificate =
            Certificate::generate(&default_provider(), params, now, &mut Rng::from_seed(1));
        Arc::new(certificate.expect("a certificate"))
    });
    let mut config = Config::new(default_provider(), Arc::clone(certificate));
    if choice & 1 != 0 {
        config.max_version = ProtocolVersion::Dtls12;
    }
    if choice & 2 != 0 {
        config.min_version = config.max_version;
    }
    if choice & 4 != 0 {
        config.require_cookie = true;
    }
    if choice & 8 != 0 {
        config.mtu = 200;
    }
    if choice & 16 != 0 {
        config.groups = vec![NamedGroup::Secp256r1, NamedGroup::X25519];
    }
    if choice & 32 != 0 {
        config.key_shares = vec![NamedGroup::X25519];
    }
    Arc::new(config)
}

/// When every run begins: one instant for the whole process, since none can be made from a number.
fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

fn drain(endpoint: &mut Endpoint, now: Instant) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut buf = Vec::new();
    while let Some(transmit) = endpoint.poll_transmit(now, &mut buf) {
        assert_eq!(transmit.size, buf.len());
        out.push(std::mem::take(&mut buf));
        assert!(out.len() < 500, "an endpoint never stops sending");
    }
    while endpoint.poll_event().is_some() {}
    out
}

/// One endpoint, fed with datagrams made of the input: two bytes of length, then the datagram; a length of 0 lets time
/// pass. The first byte chooses the configuration and the role.
pub fn endpoint(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let mut now = start();
    let rng = Rng::from_seed(u64::from(choice));
    let endpoint = if choice & 128 != 0 {
        Endpoint::client(config(choice), rng, now)
    } else {
        Endpoint::server(config(choice), rng, now)
    };
    let mut endpoint = endpoint.expect("an endpoint");
    drain(&mut endpoint, now);
    let mut reader = Reader::new(data);
    while let Some(length) = reader.u16() {
        if length == 0 {
            now = endpoint.poll_timeout().unwrap_or(now).max(now);
            endpoint.handle_timeout(now);
        } else {
            let mut datagram = match reader.take(usize::from(length)) {
                Some(datagram) => datagram.to_vec(),
                None => reader.rest().to_vec(),
            };
            let _ = endpoint.handle_input(now, &mut datagram);
        }
        drain(&mut endpoint, now);
    }
    assert_ne!(endpoint.state(), State::Connected, "nobody can guess a key");
}

/// Two endpoints joined by a wire that the input controls: which datagram arrives, is lost, repeated or damaged, when
/// time passes, and what the applications do.
pub fn pair(data: &[u8]) {
    let [client_choice, server_choice, commands @ ..] = data else { return };
    let mut now = start();
    let rng = || Rng::from_seed(u64::from(*client_choice) << 8 | u64::from(*server_choice));
    let client = Endpoint::client(config(*client_choice), rng().fork(), now);
    let server = Endpoint::server(config(*server_choice), rng(), now);
    let mut ends = [client.expect("a client"), server.expect("a server")];
    // Datagrams for the client, and for the server.
    let mut wires: [Vec<Vec<u8>>; 2] = [Vec::new(), Vec::new()];
    let mut commands = commands.iter().copied();
    for _ in 0..400 {
        for at in 0..2 {
            wires[1 - at].extend(drain(&mut ends[at], now));
            wires[1 - at].truncate(64);
        }
        // When the input ends, everything arrives.
        let command = commands.next().unwrap_or(0);
        let at = usize::from(command & 1);
        let first =
            |wires: &mut [Vec<Vec<u8>>; 2]| (!wires[at].is_empty()).then(|| wires[at].remove(0));
        match command >> 1 & 15 {
            0..=7 => {
                let Some(mut datagram) = first(&mut wires).or_else(|| {
                    let other = &mut wires[1 - at];
                    (!other.is_empty()).then(|| other.remove(0))
                }) else {
                    let Some(next) = ends.iter().filter_map(Endpoint::poll_timeout).min() else {
                        return;
                    };
                    now = next.max(now);
                    for end in &mut ends {
                        end.handle_timeout(now);
                    }
                    continue;
                };
                let _ = ends[at].handle_input(now, &mut datagram);
            }
            8 => drop(first(&mut wires)),
            9 => {
                if let Some(datagram) = first(&mut wires) {
                    wires[at].push(datagram.clone());
                    let _ = ends[at].handle_input(now, &mut datagram.clone());
                }
            }
            10 => {
                let (offset, bits) = (commands.next().unwrap_or(0), commands.next().unwrap_or(1));
                if let Some(mut datagram) = first(&mut wires) {
                    let offset = usize::from(offset) * 4 % datagram.len().max(1);
                    if let Some(byte) = datagram.get_mut(offset) {
                        *byte ^= bits;
                    }
                    let _ = ends[at].handle_input(now, &mut datagram);
                }
            }
            11 => {
                let length = usize::from(commands.next().unwrap_or(0));
                if let Some(mut datagram) = first(&mut wires) {
                    datagram.truncate(length * 4);
                    let _ = ends[at].handle_input(now, &mut datagram);
                }
            }
            12 => {
                if let Some(datagram) = first(&mut wires) {
                    wires[at].push(datagram);
                }
            }
            13 => {
                now += Duration::from_millis(u64::from(commands.next().unwrap_or(0)) * 4);
                ends[at].handle_timeout(now);
            }
            14 => {
                let _ = ends[at].update_keys(now, command & 32 != 0);
            }
            _ => {
                let mut buf = vec![0; ends[at].header_len() + 10];
                if ends[at].seal_application_data(&mut buf, 0).is_ok() {
                    wires[1 - at].push(buf);
                } else if command == 255 {
                    ends[at].close(now);
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "../../../fuzz/inputs.rs"]
mod inputs;

#[cfg(test)]
mod tests {
    use super::*;

    const BODIES: [fn(&[u8]); 5] = [records, handshake_messages, reassembly, endpoint, pair];

    #[test]
    fn every_body_survives_noise() {
        let mut rng = Rng::from_seed(1);
        for body in BODIES {
            body(&[]);
            for length in [1, 2, 13, 100, 600] {
                for _ in 0..10 {
                    let mut data = vec![0; length];
                    rng.fill(&mut data);
                    body(&data);
                }
            }
        }
    }

    #[test]
    fn a_hello_survives_the_endpoint_body() {
        let mut client = Endpoint::client(config(0), Rng::from_seed(3), start()).expect("a client");
        let mut data = vec![0];
        for datagram in drain(&mut client, start()) {
            data.extend_from_slice(&(datagram.len() as u16).to_be_bytes());
            data.extend_from_slice(&datagram);
        }
        endpoint(&data);
        // The same, with one byte changed at a time, and with time passing.
        data.extend_from_slice(&[0, 0, 0, 0]);
        for at in (0..data.len()).step_by(37) {
            let mut mutant = data.clone();
            mutant[at] ^= 1;
            endpoint(&mutant);
        }
    }

    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("dtls_endpoint", endpoint);
        inputs::run("dtls_handshake_messages", handshake_messages);
        inputs::run("dtls_pair", pair);
        inputs::run("dtls_reassembly", reassembly);
        inputs::run("dtls_records", records);
    }
}
