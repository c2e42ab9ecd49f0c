//! A TURN client whose server says what it likes: sometimes well signed, sometimes noise.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use peerage_crypto::Rng;

use crate::turn::{Client, ClientConfig, Link, Received};
use crate::{
    Attribute, AttributeType, Class, ErrorCode, IntegrityAlgorithm, IntegrityKey,
    LongTermCredentials, Message, MessageBuilder, PasswordAlgorithm,
};

/// Bytes that are left, none once they are all read.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, &[][..]), |(b, rest)| (*b, rest));
        self.0 = rest;
        first
    }

    fn bytes(&mut self, len: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn address(&mut self) -> SocketAddr {
        match self.byte() {
            byte @ 0..=0xBF => {
                SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, byte % 4, byte)), byte.into())
            }
            byte => format!("[2001:db8::{byte:x}]:{byte}").parse().expect("an address"),
        }
    }
}

/// The error codes that are treated specially, and one that is not.
const CODES: [u16; 12] = [300, 400, 401, 403, 420, 437, 438, 440, 441, 442, 486, 508];

/// An answer to a request, as the input would have it.
fn answer(input: &mut Input<'_>, request: &[u8]) -> Option<Vec<u8>> {
    let request = Message::parse(request).ok()?;
    let kind = input.byte();
    let class = if kind & 1 == 0 { Class::SuccessResponse } else { Class::ErrorResponse };
    let mut bytes = Vec::new();
    let id = request.transaction_id();
    let mut builder = MessageBuilder::new(&mut bytes, class, request.method(), id);
    for _ in 0..input.byte() % 8 {
        let attribute = match input.byte() % 10 {
            0 => Attribute::XorRelayedAddress(input.address()),
            1 => Attribute::XorMappedAddress(input.address()),
            2 => Attribute::Lifetime(u32::from(input.byte()) * 16),
            3 => {
                let code = CODES[usize::from(input.byte()) % CODES.len()];
                Attribute::ErrorCode(ErrorCode::new(code, "so").expect("a code of STUN"))
            }
            4 => Attribute::Realm(if input.byte() & 1 == 0 { "one" } else { "other" }),
            5 => Attribute::Nonce(if input.byte() & 1 == 0 { "nonce" } else { "obMatJos2AAAAx" }),
            6 => Attribute::Nonce("obMatJos2gAAAx"),
            7 => Attribute::PasswordAlgorithm(PasswordAlgorithm::Sha256),
            8 => Attribute::AlternateServer(input.address()),
            _ => Attribute::Raw(AttributeType::PASSWORD_ALGORITHMS, &[0, 2, 0, 0, 0, 1, 0, 0]),
        };
        builder = builder.attribute(&attribute);
    }
    let realm = if kind & 2 == 0 { "one" } else { "other" };
    let provider = peerage_crypto::default_provider();
    let credentials = LongTermCredentials::new("user", realm, "password").expect("fit");
    let (algorithm, integrity) = match kind & 4 {
        0 => (PasswordAlgorithm::Md5, IntegrityAlgorithm::HmacSha1),
        _ => (PasswordAlgorithm::Sha256, IntegrityAlgorithm::HmacSha256),
    };
    let secret = credentials.key(&*provider, algorithm).expect("a known algorithm");
    let key = IntegrityKey::from_bytes(&*provider, integrity, secret.as_ref());
    if kind & 8 == 0 {
        builder.integrity(&key).finish()
    } else {
        builder.finish()
    };
    Some(bytes)
}

/// Drives a client by commands.
pub fn turn_client(data: &[u8]) {
    drive(data);
}

/// Whether there ever was an allocation.
fn drive(data: &[u8]) -> bool {
    let mut allocated = false;
    let mut input = Input(data);
    let mut now = Instant::now();
    let link = if input.byte() & 1 == 0 { Link::Datagrams } else { Link::Stream };
    let server = SocketAddr::from(([192, 0, 2, 1], 3478));
    let mut config = ClientConfig::new(server, link, "user", "password");
    config.additional_ipv6 = input.byte() & 1 == 0;
    let provider = peerage_crypto::default_provider();
    let mut client = Client::new(now, config, Rng::from_seed(1), provider).expect("fit");
    let (mut last, mut buf) = (Vec::new(), Vec::new());
    while !input.0.is_empty() {
        match input.byte() % 8 {
            0 => now += Duration::from_millis(u64::from(input.byte()) * 500),
            1 => client.permit(now, input.address().ip()),
            2 => client.bind(now, input.address()),
            3 | 4 => {
                let (peer, len) = (input.address(), input.byte());
                buf.clear();
                buf.extend_from_slice(b"before");
                buf.extend_from_slice(input.bytes(len.into()));
                let sent = client.wrap(now, peer, &mut buf, 6);
                assert!(buf.starts_with(b"before") && (sent || buf.len() == 6));
            }
            5 => {
                let len = input.byte();
                let bytes = input.bytes(len.into());
                if let Received::Data { range, .. } = client.handle_input(now, bytes) {
                    assert!(range.end <= bytes.len() && range.start <= range.end);
                }
            }
            6 => {
                if let Some(bytes) = answer(&mut input, &last) {
                    assert_eq!(client.handle_input(now, &bytes), Received::Handled);
                }
            }
            _ if input.byte() == 7 => client.close(now),
            _ => {}
        }
        // What is due is done, and is not due again at once.
        if client.poll_timeout().is_some_and(|at| at <= now) {
            client.handle_timeout(now);
        }
        assert!(client.poll_timeout().is_none_or(|at| at > now), "{client:?}");
        for _ in 0..200 {
            buf.clear();
            let Some(size) = client.poll_transmit(now, &mut buf) else { break };
            assert_eq!(size, buf.len());
            assert!(link == Link::Datagrams || size % 4 == 0, "padded on streams");
            last.clone_from(&buf);
        }
        buf.clear();
        assert_eq!(client.poll_transmit(now, &mut buf), None, "it comes to an end");
        while client.poll_event().is_some() {}
        allocated |= !client.relayed().is_empty();
    }
    allocated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_and_commands_break_nothing() {
        let mut rng = Rng::from_seed(5);
        for _ in 0..300 {
            let mut data = vec![0; 600];
            rng.fill(&mut data);
            turn_client(&data);
        }
    }

    /// The commands of a whole life: challenged, allocated, a peer let through, closed.
    #[test]
    fn seeds_reach_an_allocation() {
        for seed in ["life", "sha256"] {
            let path =
                format!("{}/../../fuzz/seeds/stun_turn_client/{seed}", env!("CARGO_MANIFEST_DIR"));
            assert!(drive(&std::fs::read(path).expect("a seed")), "{seed}");
        }
    }
}
