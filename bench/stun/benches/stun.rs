//! What an ICE agent does with each check that arrives: parse, MESSAGE-INTEGRITY, FINGERPRINT, and find the attributes it
//! needs. Beside `rtc-stun`. And what it does to answer: write a response with both. Rates are per CPU-second.

use std::hint::black_box;

use bench_measure::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use peerage_crypto::default_provider;
use peerage_stun::{
    Attribute, AttributeType, Class, IntegrityAlgorithm, IntegrityKey, Message, MessageBuilder,
    Method, TransactionId,
};
use rtc_stun::attributes::ATTR_USERNAME;
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message as rtc;

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt24";

/// A connectivity check as browsers send it.
fn check(key: &IntegrityKey) -> Vec<u8> {
    let mut buf = Vec::new();
    MessageBuilder::new(&mut buf, Class::Request, Method::BINDING, TransactionId([7; 12]))
        .attribute(&Attribute::Username("f1/Yabcd:evtjh6vY"))
        .attribute(&Attribute::GoogNetworkInfo { id: 1, cost: 10 })
        .attribute(&Attribute::IceControlling(0x1234_5678_9abc_def0))
        .attribute(&Attribute::UseCandidate)
        .attribute(&Attribute::Priority(1_853_693_695))
        .integrity(key)
        .fingerprint();
    buf
}

fn receive(c: &mut Criterion<CpuTime>) {
    let key =
        IntegrityKey::short_term(&*default_provider(), IntegrityAlgorithm::HmacSha1, PASSWORD);
    let check = check(&key);
    let mut group = c.benchmark_group("stun_receive");
    group.throughput(Throughput::Elements(1));

    group.bench_function("peerage", |b| {
        b.iter(|| {
            let message = Message::parse(black_box(&check)).unwrap();
            message.verify_fingerprint().unwrap();
            message.verify_integrity(&key).unwrap();
            let use_candidate = message.get(AttributeType::USE_CANDIDATE).is_some();
            (message.username().map(<[u8]>::len), message.priority(), use_candidate)
        });
    });

    let provider = rtc_crypto::default_provider().expect("a built-in provider");
    let (key_bytes, crypto) = (PASSWORD.as_bytes(), provider.crypto());
    group.bench_function("rtc-stun", |b| {
        b.iter(|| {
            let mut message = rtc::Message::new();
            message.unmarshal_binary(black_box(&check)).unwrap();
            FINGERPRINT.check(&message).unwrap();
            MessageIntegrity::check(&mut message, key_bytes, crypto).unwrap();
            message.get(ATTR_USERNAME).map(|u| u.len())
        });
    });

    group.bench_function("peerage_parse_only", |b| {
        b.iter(|| Message::parse(black_box(&check)).unwrap().class());
    });
    group.finish();
}

fn respond(c: &mut Criterion<CpuTime>) {
    let key =
        IntegrityKey::short_term(&*default_provider(), IntegrityAlgorithm::HmacSha1, PASSWORD);
    let mapped = "192.0.2.1:32853".parse().unwrap();
    let mut buf = Vec::with_capacity(256);
    let mut group = c.benchmark_group("stun_respond");
    group.throughput(Throughput::Elements(1));
    group.bench_function("peerage", |b| {
        b.iter(|| {
            buf.clear();
            MessageBuilder::new(
                &mut buf,
                Class::SuccessResponse,
                Method::BINDING,
                TransactionId([7; 12]),
            )
            .attribute(&Attribute::XorMappedAddress(black_box(mapped)))
            .integrity(&key)
            .fingerprint()
        });
    });
    group.finish();
}

criterion_group!(name = benches; config = CpuTime::criterion(); targets = receive, respond);
criterion_main!(benches);
