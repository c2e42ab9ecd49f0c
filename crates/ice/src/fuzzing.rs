//! Bodies of fuzz targets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use peerage_crypto::{Rng, default_provider};
use peerage_stun::{
    Attribute, AttributeType, Class, IntegrityAlgorithm, IntegrityKey, Message, MessageBuilder,
    Method, TransactionId,
};

use crate::{
    Candidate, Credentials, Event, IceAgent, IceConfig, IceConnectionState, Input, MdnsMode,
    Protocol, Role, mdns,
};

/// Reads a candidate; what is read is written and read again the same.
pub fn candidate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(candidate) = text.parse::<Candidate>() {
        let written = candidate.to_string();
        assert_eq!(written.parse::<Candidate>().as_ref(), Ok(&candidate), "{written}");
    }
}

/// Parses a multicast DNS message and gives it to a resolver and responder that knows two names.
pub fn mdns_message(data: &[u8]) {
    mdns::check_codec(data);
    let now = Instant::now();
    let mut mdns = mdns::Mdns::new(mdns::MdnsConfig::default());
    mdns.publish(now, "a.local", [192, 0, 2, 1].into()).expect("room for a name");
    mdns.resolve(now, "b.local").expect("room for a query");
    for port in [mdns::MDNS_PORT, 1] {
        let source = SocketAddr::from(([192, 0, 2, 2], port));
        mdns.handle_input(
            now,
            Input {
                source,
                destination: mdns::MDNS_IPV4,
                protocol: Protocol::Udp,
                ecn: None,
                data,
            },
        );
    }
    let mut buf = Vec::new();
    while mdns.poll_transmit(now, &mut buf).is_some() {}
    assert!(buf.len() < 64 * 1024);
}

/// Takes bytes off the front of the input; zeros after its end.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn bytes(&mut self, n: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(n.min(self.0.len()));
        self.0 = tail;
        head
    }
}

const LOCAL: [&str; 2] = ["10.0.0.1:1000", "[2001:db8::1]:1000"];

/// Drives an agent by a script of API calls, raw datagrams, well-signed checks of a peer with bad manners, responses to
/// our own requests, and time.
pub fn agent(data: &[u8]) {
    let mut script = Script(data);
    let start = Instant::now();
    let mut now = start;
    let flags = script.byte();
    let config = IceConfig {
        role: if flags & 1 == 0 { Role::Controlling } else { Role::Controlled },
        lite: flags & 2 != 0,
        mdns: if flags & 4 != 0 { MdnsMode::ResolveAndPublish } else { MdnsMode::Resolve },
        max_pairs: 8,
        ..IceConfig::default()
    };
    let provider = default_provider();
    let mut agent = IceAgent::new(now, config, Rng::from_seed(flags.into()), provider.clone());
    let remote = |n: u8| {
        Credentials::new(format!("peer{n}"), "0123456789abcdef012345").expect("valid credentials")
    };
    let mut requests: Vec<(SocketAddr, SocketAddr, Vec<u8>)> = Vec::new();

    while !script.0.is_empty() {
        let local: SocketAddr = LOCAL[usize::from(script.byte() & 1)].parse().expect("an address");
        let last = script.byte();
        let source = match local {
            SocketAddr::V4(_) => SocketAddr::from(([10, 0, 1, last], 2000)),
            SocketAddr::V6(_) => {
                SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()], 2000))
            }
        };
        match script.byte() % 18 {
            0 => drop(agent.add_local_address(now, local)),
            1 => agent.remove_local_address(now, local),
            2 => drop(agent.add_stun_server(now, source)),
            3 => agent.start_gathering(now),
            4 => agent.finish_gathering(now),
            5 => drop(agent.set_remote_credentials(now, remote(last & 1))),
            6 => drop(agent.add_remote_candidate(now, Candidate::host(source))),
            7 => agent.end_of_remote_candidates(now),
            8 => drop(agent.restart(now)),
            9 => drop(agent.rollback_restart(now)),
            10 => agent.set_controlling(now, last & 1 == 0),
            11 => agent.set_remote_lite(now, last & 1 == 0),
            12 => {
                let name = format!("n{}.local", last & 3);
                let candidate =
                    format!("1 1 udp 5 {name} 9 typ host").parse().expect("a candidate");
                drop(agent.add_remote_candidate(now, candidate));
                if last & 4 != 0 {
                    agent.mdns_resolved(now, &name, source.ip());
                } else if last & 8 != 0 {
                    agent.mdns_failed(now, &name);
                }
            }
            13 => now += Duration::from_millis(u64::from(last) * u64::from(script.byte())),
            14 => {
                let data = script.bytes(last.into());
                let input =
                    Input { source, destination: local, protocol: Protocol::Udp, ecn: None, data };
                let _ = agent.wants(&input);
                drop(agent.handle_input(now, input));
            }
            15 => {
                // A check that is signed as it should be.
                let flags = script.byte();
                let ours = agent.local_credentials().clone();
                let key =
                    IntegrityKey::short_term(&*provider, IntegrityAlgorithm::HmacSha1, ours.pwd());
                let mut id = [0; 12];
                id[..1].copy_from_slice(&[flags]);
                let mut buf = Vec::new();
                let theirs = if flags & 1 == 0 { "peer0" } else { "peer1" };
                let mut builder = MessageBuilder::new(
                    &mut buf,
                    Class::Request,
                    Method::BINDING,
                    TransactionId(id),
                )
                .parts(
                    AttributeType::USERNAME,
                    &[ours.ufrag().as_bytes(), b":", theirs.as_bytes()],
                );
                if flags & 2 == 0 {
                    builder = builder.attribute(&Attribute::Priority(script.byte().into()));
                }
                if flags & 4 != 0 {
                    builder = builder.attribute(&Attribute::UseCandidate);
                }
                builder = match flags >> 3 & 3 {
                    0 => builder.attribute(&Attribute::IceControlled(0)),
                    1 => builder.attribute(&Attribute::IceControlling(u64::MAX)),
                    2 => builder.attribute(&Attribute::IceControlled(u64::MAX)),
                    _ => builder.attribute(&Attribute::Raw(AttributeType(0x7000), &[1, 2, 3])),
                };
                builder.integrity(&key).fingerprint();
                let input = Input {
                    source,
                    destination: local,
                    protocol: Protocol::Udp,
                    ecn: None,
                    data: &buf,
                };
                drop(agent.handle_input(now, input));
            }
            16 => {
                // An answer to one of our requests.
                if requests.is_empty() {
                    continue;
                }
                let (from, to, request) = requests.swap_remove(usize::from(last) % requests.len());
                let request = Message::parse(&request).expect("our request parses");
                let flags = script.byte();
                let key = IntegrityKey::short_term(
                    &*provider,
                    IntegrityAlgorithm::HmacSha1,
                    remote(0).pwd(),
                );
                let class =
                    if flags & 1 == 0 { Class::SuccessResponse } else { Class::ErrorResponse };
                let mut buf = Vec::new();
                let builder =
                    MessageBuilder::new(&mut buf, class, Method::BINDING, request.transaction_id());
                let builder = match flags & 7 {
                    0 | 2 => builder.attribute(&Attribute::XorMappedAddress(from)),
                    4 => builder.attribute(&Attribute::XorMappedAddress(source)),
                    1 | 3 => builder
                        .attribute(&Attribute::ErrorCode(peerage_stun::ErrorCode::ROLE_CONFLICT)),
                    _ => builder,
                };
                builder.integrity(&key).fingerprint();
                let source = if flags & 8 == 0 { to } else { source };
                let input = Input {
                    source,
                    destination: from,
                    protocol: Protocol::Udp,
                    ecn: None,
                    data: &buf,
                };
                drop(agent.handle_input(now, input));
            }
            _ => {
                if last == 255 {
                    agent.close(now);
                }
            }
        }
        // Timers must come to rest: each call does what was due.
        let mut rounds = 0;
        while let Some(due) = agent.poll_timeout().filter(|t| *t <= now) {
            agent.handle_timeout(now);
            rounds += 1;
            assert!(rounds < 1000, "a timer that never gets later: {:?}", due - start);
        }
        let mut buf = Vec::new();
        while let Some(t) = agent.poll_transmit(now, &mut buf) {
            assert_eq!(t.size, buf.len());
            let message = Message::parse(&buf).expect("what we send parses");
            message.verify_fingerprint().expect("our fingerprint is right");
            if message.class() == Class::Request && requests.len() < 64 {
                requests.push((t.source, t.destination, buf.clone()));
            }
            buf.clear();
        }
        while let Some(event) = agent.poll_event() {
            if event == Event::ConnectionStateChange(IceConnectionState::Connected) {
                assert!(
                    agent.selected_pair().is_some()
                        || agent.connection_state() != IceConnectionState::Connected
                );
            }
        }
        assert!(agent.pairs().len() <= 8);
        assert!(agent.remote_candidates().len() <= 64);
        if agent.connection_state() == IceConnectionState::Failed {
            assert!(agent.selected_pair().is_none(), "no sending without consent");
        }
    }
}

#[cfg(test)]
#[path = "../../../fuzz/inputs.rs"]
mod inputs;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_hold_on_noise() {
        let mut rng = Rng::from_seed(11);
        let mut bytes = [0u8; 512];
        for round in 0..2_000 {
            rng.fill(&mut bytes);
            let data = &bytes[..round % bytes.len()];
            mdns_message(data);
            agent(data);
            candidate(data);
            let ascii: Vec<u8> = data
                .iter()
                .map(|b| b"candidate: 0123456789.typhost\n"[usize::from(*b) % 30])
                .collect();
            candidate(&ascii);
        }
        candidate(b"candidate:1 1 udp 5 10.0.0.1 9 typ host raddr :: rport 0 tcptype active x y");
    }

    /// Scripts that begin as a call does, so that the noise after it meets a live agent.
    #[test]
    fn agents_hold_on_noise_in_the_middle_of_a_call() {
        let mut rng = Rng::from_seed(12);
        for flags in 0..8u8 {
            for _ in 0..300 {
                let mut data = vec![flags];
                for call in [[0, 0, 0], [0, 0, 3], [0, 0, 4], [0, 0, 5], [0, 7, 6]] {
                    data.extend_from_slice(&call);
                }
                data.extend_from_slice(&[0, 7, 15, 4, 9, 0, 0, 16, 0, 0, 0, 16, 0]);
                let mut noise = [0u8; 256];
                rng.fill(&mut noise);
                data.extend_from_slice(&noise);
                agent(&data);
            }
        }
    }

    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("ice_agent", agent);
        inputs::run("ice_candidate", candidate);
        inputs::run("ice_mdns_message", mdns_message);
    }
}
