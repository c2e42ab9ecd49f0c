//! What the primitives on packet paths cost: `cargo bench -p peerage-crypto`.

use std::{hint::black_box, time::Instant};

use peerage_crypto::{
    AeadAlgorithm, HashAlgorithm, KeyType, NamedGroup, Rng, SignatureScheme, default_provider,
};

fn main() {
    let provider = default_provider();
    let mut rng = Rng::from_seed(1);

    for (algorithm, length) in
        [(HashAlgorithm::Sha1, 100), (HashAlgorithm::Sha256, 100), (HashAlgorithm::Sha1, 1200)]
    {
        let key = provider.hmac(algorithm, &[7; 20]);
        let message = vec![1; length];
        report(&format!("HMAC {algorithm:?}, {length} bytes"), 200_000, || {
            black_box(key.sign(&[black_box(&message)]));
        });
    }
    for algorithm in
        [AeadAlgorithm::Aes128Gcm, AeadAlgorithm::Aes256Gcm, AeadAlgorithm::ChaCha20Poly1305]
    {
        let mut key = provider.aead(algorithm, &vec![7; algorithm.key_len()]).expect("a key");
        let mut tag = [0; 16];
        for length in [64, 1200] {
            let mut data = vec![1; length];
            report(&format!("seal {algorithm:?}, {length} bytes"), 200_000, || {
                key.seal_in_place(&[3; 12], &[0; 13], &mut data, &mut tag).expect("sealed");
            });
            let mut sealed = data.clone();
            key.seal_in_place(&[3; 12], &[0; 13], &mut sealed, &mut tag).expect("sealed");
            sealed.extend_from_slice(&tag);
            let mut record = sealed.clone();
            report(&format!("copy and open {algorithm:?}, {length} bytes"), 200_000, || {
                record.copy_from_slice(&sealed);
                key.open_in_place(&[3; 12], &[0; 13], &mut record).expect("opened");
            });
        }
        let mut mask =
            provider.record_number_mask(algorithm, &vec![7; algorithm.key_len()]).expect("a key");
        report(&format!("record number mask {algorithm:?}"), 200_000, || {
            black_box(mask.mask(black_box(&[9; 16])));
        });
    }
    for key_len in [16, 32] {
        let mut key = provider.aes_counter_mode(&vec![7; key_len]).expect("a key");
        for length in [64, 1200] {
            let mut data = vec![1; length];
            report(&format!("AES-{} counter mode, {length} bytes", 8 * key_len), 200_000, || {
                key.apply(black_box(&[3; 16]), &mut data).expect("applied");
            });
        }
    }
    for group in [
        NamedGroup::X25519,
        NamedGroup::Secp256r1,
        NamedGroup::Secp384r1,
        NamedGroup::X25519MlKem768,
    ] {
        report(&format!("key exchange {group:?}, both sides"), 200, || {
            let first = provider.start_key_exchange(group, &mut rng).expect("a share");
            let second =
                provider.accept_key_exchange(group, first.share(), &mut rng).expect("a share");
            first.finish(&second.share).expect("a secret");
        });
    }
    let key = provider.generate_key(KeyType::EcdsaP256, &mut rng).expect("a key");
    report("ECDSA P-256 signature", 500, || {
        key.sign(SignatureScheme::EcdsaSecp256r1Sha256, b"message", &mut rng).expect("a signature");
    });
}

/// The fastest of many short batches: what the code costs when nobody else wants the processor.
fn report(what: &str, rounds: u32, mut body: impl FnMut()) {
    let batch = (rounds / 100).max(1);
    let fastest = (0..100).map(|_| {
        let start = Instant::now();
        for _ in 0..batch {
            body();
        }
        start.elapsed().as_nanos() as f64 / f64::from(batch)
    });
    println!("{what:<50} {:>10.0} ns", fastest.fold(f64::INFINITY, f64::min));
}
