//! Bodies of fuzz targets: packets that were genuinely protected, among noise that was not, and a model of what must come
//! out.

use std::collections::HashSet;

use peerage_crypto::default_provider;

use crate::{Config, Cryptex, MasterKey, ProtectionProfile, Receiver, Rejected, Sender};

/// What the input asks for, byte by byte; zeros at its end.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rtp,
    Rtcp,
}

/// A packet that was protected.
struct Genuine {
    plain: Vec<u8>,
    protected: Vec<u8>,
}

struct Model {
    kind: Kind,
    sender: Sender,
    receiver: Receiver,
    genuine: Vec<Genuine>,
    /// Those of `genuine` that were accepted.
    accepted: HashSet<usize>,
    streams: HashSet<u32>,
}

impl Model {
    fn new(kind: Kind, script: &mut Script<'_>) -> Self {
        let profiles = ProtectionProfile::ALL;
        let profile = profiles[usize::from(script.byte()) % profiles.len()];
        let flags = script.byte();
        let mut config = Config {
            cryptex: [Cryptex::Off, Cryptex::Enabled, Cryptex::Required]
                [usize::from(flags & 3) % 3],
            encrypt_rtcp: flags & 4 == 0,
            max_streams: 8,
            ..Config::default()
        };
        if flags & 8 != 0 {
            config.encrypted_header_extensions = [1, 3, 200].into_iter().collect();
        }
        let mut key = MasterKey::new(
            profile,
            &[0x5a; 32][..profile.key_len()],
            &[0xa5; 14][..profile.salt_len()],
        )
        .expect("lengths of the profile");
        if flags & 16 != 0 {
            key = key.with_mki(b"key1").expect("short");
        }
        let provider = default_provider();
        Self {
            kind,
            sender: Sender::new(&provider, &key, config.clone()).expect("a sender"),
            receiver: Receiver::new(&provider, &key, config).expect("a receiver"),
            genuine: Vec::new(),
            accepted: HashSet::new(),
            streams: HashSet::new(),
        }
    }

    /// Protects what the script says, if it is a packet at all.
    fn send(&mut self, script: &mut Script<'_>) {
        let ssrc = u32::from(script.byte() % 10);
        let first = script.byte();
        let mut plain = match self.kind {
            Kind::Rtp => {
                let mut plain = vec![0x80 | first & 0x3f, 96];
                plain.extend(script.word().to_be_bytes());
                plain.extend([0, 0, 0, 7]);
                plain
            }
            Kind::Rtcp => vec![0x80 | first & 0x3f, 200, 0, 1],
        };
        plain.extend(ssrc.to_be_bytes());
        let len = usize::from(script.byte());
        plain.extend(script.take(len));
        let mut protected = plain.clone();
        let done = match self.kind {
            Kind::Rtp => self.sender.protect_rtp(&mut protected, 0),
            Kind::Rtcp => self.sender.protect_rtcp(&mut protected, 0),
        };
        if done.is_ok() {
            let overhead = match self.kind {
                Kind::Rtp => self.sender.rtp_overhead(),
                Kind::Rtcp => self.sender.rtcp_overhead(),
            };
            assert!(protected.len() > plain.len() && protected.len() <= plain.len() + overhead);
            self.genuine.push(Genuine { plain, protected });
        }
    }

    /// Delivers a datagram and compares what comes out with what was sent.
    fn deliver(&mut self, datagram: &[u8]) {
        let before = self.receiver.statistics();
        let mut packet = datagram.to_vec();
        let opened = match self.kind {
            Kind::Rtp => self.receiver.unprotect_rtp(&mut packet),
            Kind::Rtcp => self.receiver.unprotect_rtcp(&mut packet),
        };
        let known = self.genuine.iter().position(|genuine| genuine.protected == datagram);
        match (opened, known) {
            (Ok(opened), Some(known)) => {
                assert!(self.accepted.insert(known), "accepted twice");
                let plain = &self.genuine[known].plain;
                // Cryptex leaves an empty extension behind where there were contributing sources alone (RFC 9335 §5.2).
                let grown = opened.len() == plain.len() + 4 && self.kind == Kind::Rtp;
                assert!(grown || opened == plain, "something else came out");
                let at = if self.kind == Kind::Rtp { 8 } else { 4 };
                self.streams
                    .insert(u32::from_be_bytes(plain[at..at + 4].try_into().expect("four")));
                assert!(before.rejected() == self.receiver.statistics().rejected());
            }
            (Ok(_), None) => panic!("a forgery was accepted"),
            (Err(rejected), known) => {
                // A repeated RTP packet may be taken for one of another round of sequence numbers; an RTCP packet says itself.
                let repeated = self.kind == Kind::Rtcp
                    && known.is_some_and(|known| self.accepted.contains(&known));
                assert!(!repeated || matches!(rejected, Rejected::Replayed | Rejected::TooOld));
                assert_eq!(before.rejected() + 1, self.receiver.statistics().rejected());
            }
        }
        // Only what is authentic leaves a trace.
        let (rtp, rtcp) = self.receiver.streams();
        assert!(rtp + rtcp <= self.streams.len() && rtp + rtcp <= 8);
    }

    fn run(&mut self, script: &mut Script<'_>) {
        while !script.0.is_empty() {
            let choice = script.byte();
            match choice % 5 {
                0 | 1 => {
                    self.send(script);
                    if choice & 0x80 == 0
                        && let Some(genuine) = self.genuine.last()
                    {
                        let datagram = genuine.protected.clone();
                        self.deliver(&datagram);
                    }
                }
                2 if !self.genuine.is_empty() => {
                    let which = usize::from(script.byte()) % self.genuine.len();
                    let datagram = self.genuine[which].protected.clone();
                    self.deliver(&datagram);
                }
                3 if !self.genuine.is_empty() => {
                    let which = usize::from(script.byte()) % self.genuine.len();
                    let mut datagram = self.genuine[which].protected.clone();
                    let at = usize::from(script.word()) % datagram.len();
                    datagram[at] ^= script.byte();
                    datagram.truncate(datagram.len() - usize::from(script.byte() % 8));
                    self.deliver(&datagram);
                }
                _ => {
                    let len = usize::from(script.byte());
                    self.deliver(script.take(len));
                }
            }
        }
    }
}

fn run(kind: Kind, data: &[u8]) {
    let mut script = Script(data);
    Model::new(kind, &mut script).run(&mut script);
}

/// RTP: genuine packets, replays, changed packets and noise, under a profile and options of the input's choice.
pub fn rtp(data: &[u8]) {
    run(Kind::Rtp, data);
}

/// The same for RTCP.
pub fn rtcp(data: &[u8]) {
    run(Kind::Rtcp, data);
}

#[cfg(test)]
#[path = "../../../fuzz/inputs.rs"]
mod inputs;

#[cfg(test)]
mod tests {
    use super::inputs;

    #[test]
    fn bodies_hold_on_noise() {
        let mut rng = peerage_crypto::Rng::from_seed(7);
        let mut bytes = [0u8; 600];
        for round in 0..1_000 {
            rng.fill(&mut bytes);
            if round % 2 == 0 {
                // Short packets, many of each stream, and no contributing sources that they have no room for.
                for at in (2..bytes.len() - 4).step_by(5) {
                    let small = [bytes[at] % 5, bytes[at + 1] % 3, 0, 0];
                    bytes[at..at + 4].copy_from_slice(&small);
                }
            }
            let len = bytes.len() - round % 100;
            super::rtp(&bytes[..len]);
            super::rtcp(&bytes[..len]);
        }
        super::rtp(&[]);
        super::rtcp(&[]);
    }

    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("srtp_rtp", super::rtp);
        inputs::run("srtp_rtcp", super::rtcp);
    }
}
