//! What a packet costs on its way: protected by one end, opened by the other, with replay protection on. Beside `rtc-srtp`
//! and libsrtp (2.3, over the same OpenSSL as ours). A video packet has 1,200 bytes, an audio packet 100. Rates are round
//! trips per CPU-second.

use std::hint::black_box;

use bench_measure::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use peerage_crypto::default_provider;
use peerage_srtp::{Config, KeyingMaterial, ProtectionProfile, Receiver, Sender};
use rtc_srtp::{context::Context, option, protection_profile::ProtectionProfile as RtcProfile};

const KEY: [u8; 16] = *b"sixteen byte key";
const SALT: [u8; 14] = *b"fourteen bytes";
const PROFILES: [(&str, ProtectionProfile, RtcProfile); 2] = [
    ("cm", ProtectionProfile::Aes128CmHmacSha1_80, RtcProfile::Aes128CmHmacSha1_80),
    ("gcm", ProtectionProfile::AeadAes128Gcm, RtcProfile::AeadAes128Gcm),
];

/// An RTP packet as browsers send it, of a given length.
fn packet(len: usize) -> Vec<u8> {
    let mut packet = vec![0x90, 96, 0, 0, 0, 0, 0, 9, 0xca, 0xfe, 0xba, 0xbe];
    packet.extend([0xbe, 0xde, 0, 2, 0x22, 1, 2, 3, 0x51, 1, 2, 0]);
    packet.resize(len, 0xab);
    packet
}

/// The next packet of the stream.
fn advance(packet: &mut [u8]) {
    let next = u16::from_be_bytes([packet[2], packet[3]]).wrapping_add(1);
    packet[2..4].copy_from_slice(&next.to_be_bytes());
}

fn round_trip(c: &mut Criterion<CpuTime>) {
    for (size, len) in [("video", 1200), ("audio", 100)] {
        for (name, profile, rtc_profile) in PROFILES {
            let mut group = c.benchmark_group(format!("srtp_{name}_{size}"));
            group.throughput(Throughput::Elements(1));
            let salt = &SALT[..profile.salt_len()];

            group.bench_function("peerage", |b| {
                let exported = [&KEY[..], &KEY, salt, salt].concat();
                let keys = KeyingMaterial::split(profile, &exported).unwrap();
                let provider = default_provider();
                let mut sender = Sender::new(&provider, &keys.client, Config::default()).unwrap();
                let mut receiver =
                    Receiver::new(&provider, &keys.client, Config::default()).unwrap();
                let mut plain = packet(len);
                let mut buffer = Vec::with_capacity(1500);
                b.iter(|| {
                    advance(&mut plain);
                    buffer.clear();
                    buffer.extend_from_slice(black_box(&plain));
                    sender.protect_rtp(&mut buffer, 0).unwrap();
                    receiver.unprotect_rtp(&mut buffer).unwrap().len()
                });
            });

            // As they leave and come in bursts, each packet in its own buffer.
            for burst in [4, 8] {
                group.throughput(Throughput::Elements(burst as u64));
                group.bench_function(format!("peerage, {burst} at a time"), |b| {
                    let exported = [&KEY[..], &KEY, salt, salt].concat();
                    let keys = KeyingMaterial::split(profile, &exported).unwrap();
                    let provider = default_provider();
                    let config = Config::default();
                    let mut sender = Sender::new(&provider, &keys.client, config.clone()).unwrap();
                    let mut receiver = Receiver::new(&provider, &keys.client, config).unwrap();
                    let mut plain = packet(len);
                    let mut buffers = vec![Vec::with_capacity(1500); burst];
                    let (mut sealed, mut opened) = (Vec::new(), Vec::new());
                    b.iter(|| {
                        for buffer in &mut buffers {
                            advance(&mut plain);
                            buffer.clear();
                            buffer.extend_from_slice(black_box(&plain));
                        }
                        sender.protect_rtp_batch(&mut buffers, &mut sealed);
                        let mut views: [&mut [u8]; 8] = Default::default();
                        for (view, buffer) in views.iter_mut().zip(&mut buffers) {
                            *view = buffer;
                        }
                        receiver.unprotect_rtp_batch(&mut views[..burst], &mut opened);
                        assert!(opened.iter().all(|len| len.is_ok()));
                    });
                });
            }
            group.throughput(Throughput::Elements(1));

            group.bench_function("rtc-srtp", |b| {
                let provider = rtc_crypto::default_provider().expect("a built-in provider");
                let window = || Some(option::srtp_replay_protection(1024));
                let context = || {
                    Context::new(&KEY, salt, rtc_profile, window(), None, provider.crypto())
                        .unwrap()
                };
                let (mut sender, mut receiver) = (context(), context());
                let mut plain = packet(len);
                b.iter(|| {
                    advance(&mut plain);
                    let protected = sender.encrypt_rtp(black_box(&plain)).unwrap();
                    receiver.decrypt_rtp(&protected).unwrap().len()
                });
            });

            group.bench_function("libsrtp", |b| {
                let key = [&KEY[..], salt].concat();
                let suite = match profile {
                    ProtectionProfile::AeadAes128Gcm => srtp::CryptoPolicy::aes_gcm_128_16_auth(),
                    _ => srtp::CryptoPolicy::aes_cm_128_hmac_sha1_80(),
                };
                let policy = || srtp::StreamPolicy {
                    rtp: suite,
                    rtcp: suite,
                    key: &key,
                    window_size: 1024,
                    ..Default::default()
                };
                let mut sender = srtp::Session::with_outbound_template(policy()).unwrap();
                let mut receiver = srtp::Session::with_inbound_template(policy()).unwrap();
                let mut plain = packet(len);
                let mut buffer = Vec::with_capacity(1500);
                b.iter(|| {
                    advance(&mut plain);
                    buffer.clear();
                    buffer.extend_from_slice(black_box(&plain));
                    sender.protect(&mut buffer).unwrap();
                    receiver.unprotect(&mut buffer).unwrap();
                    buffer.len()
                });
            });
            group.finish();
        }
    }
}

criterion_group!(name = benches; config = CpuTime::criterion(); targets = round_trip);
criterion_main!(benches);
