//! Typed parse, and write, of an offer as a browser makes it: audio, video with ten codecs, data;
//! 6.6 kB, 190 lines. Beside `webrtc-sdp`, which also parses into types. Rates are per CPU-second.

use bench_measure::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use peerage_sdp::SessionDescription;
use std::fmt::Write;
use std::hint::black_box;

/// An offer of the shape and size of Chromium's.
fn offer() -> String {
    let mut sdp = String::from(
        "v=0\r\no=- 9180202051367561999 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
         a=group:BUNDLE 0 1 2\r\na=extmap-allow-mixed\r\n\
         a=msid-semantic: WMS 11111111-2222-3333-4444-555555555555\r\n",
    );
    let transport = "c=IN IP4 192.0.2.1\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
         a=candidate:1187377234 1 udp 2122194687 192.0.2.1 54448 typ host generation 0 network-id 1\r\n\
         a=candidate:3253644706 1 udp 2122265343 2001:db8::1 51739 typ host generation 0 network-id 2\r\n\
         a=candidate:3094291654 1 tcp 1518214911 192.0.2.1 9 typ host tcptype active generation 0 network-id 1\r\n\
         a=candidate:1061452086 1 tcp 1518285567 2001:db8::1 9 typ host tcptype active generation 0 network-id 2\r\n\
         a=ice-ufrag:f1/Y\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=ice-options:trickle\r\n\
         a=fingerprint:sha-256 A6:10:15:3E:BE:AA:AF:1E:7E:ED:C9:9D:3F:89:0D:23:A4:00:88:EA:FF:E4:91:75:F8:9D:E3:6B:6A:BB:5C:25\r\n\
         a=setup:actpass\r\n";
    let extensions = [
        "urn:ietf:params:rtp-hdrext:toffset",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "urn:3gpp:video-orientation",
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
        "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type",
        "http://www.webrtc.org/experiments/rtp-hdrext/video-timing",
        "http://www.webrtc.org/experiments/rtp-hdrext/color-space",
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    ];
    let media = |sdp: &mut String, mid, extensions: &[&str]| {
        sdp.push_str(transport);
        let _ = write!(sdp, "a=mid:{mid}\r\n");
        for (i, uri) in extensions.iter().enumerate() {
            let _ = write!(sdp, "a=extmap:{} {uri}\r\n", i + 1);
        }
        sdp.push_str(
            "a=sendrecv\r\n\
             a=msid:11111111-2222-3333-4444-555555555555 66666666-7777-8888-9999-000000000000\r\n\
             a=rtcp-mux\r\na=rtcp-rsize\r\na=rtcp-xr:rcvr-rtt=all\r\n",
        );
    };
    sdp.push_str("m=audio 54448 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\n");
    media(&mut sdp, 0, &extensions[7..]);
    sdp.push_str(
        "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
         a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n\
         a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\n\
         a=rtpmap:126 telephone-event/8000\r\na=ssrc:292431254 cname:Bqsup5rTntL0pa3F\r\n\
         a=ssrc:292431254 msid:11111111-2222-3333-4444-555555555555 66666666-7777-8888-9999-000000000000\r\n",
    );
    let codecs = [
        ("VP8", ""),
        ("H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f"),
        ("H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f"),
        ("H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
        ("H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f"),
        ("H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f"),
        ("H264", "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=4d001f"),
        ("VP9", "profile-id=0"),
        ("VP9", "profile-id=2"),
    ];
    sdp.push_str("m=video 40425 UDP/TLS/RTP/SAVPF");
    (96..96 + 2 * codecs.len()).for_each(|payload| {
        let _ = write!(sdp, " {payload}");
    });
    sdp.push_str("\r\n");
    media(&mut sdp, 1, &extensions);
    for (i, (codec, parameters)) in codecs.iter().enumerate() {
        let payload = 96 + 2 * i;
        let _ = write!(sdp, "a=rtpmap:{payload} {codec}/90000\r\n");
        for feedback in ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"] {
            let _ = write!(sdp, "a=rtcp-fb:{payload} {feedback}\r\n");
        }
        if !parameters.is_empty() {
            let _ = write!(sdp, "a=fmtp:{payload} {parameters}\r\n");
        }
        let _ = write!(sdp, "a=rtpmap:{} rtx/90000\r\na=fmtp:{0} apt={payload}\r\n", payload + 1);
    }
    sdp.push_str("a=ssrc-group:FID 924769581 3634634875\r\n");
    for ssrc in [924_769_581u32, 3_634_634_875] {
        let _ = write!(
            sdp,
            "a=ssrc:{ssrc} cname:Bqsup5rTntL0pa3F\r\na=ssrc:{ssrc} \
             msid:11111111-2222-3333-4444-555555555555 66666666-7777-8888-9999-000000000000\r\n"
        );
    }
    sdp.push_str("m=application 59073 UDP/DTLS/SCTP webrtc-datachannel\r\n");
    sdp.push_str(&transport.replace("a=rtcp:9 IN IP4 0.0.0.0\r\n", ""));
    sdp.push_str("a=mid:2\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n");
    sdp
}

fn parse(criterion: &mut Criterion<CpuTime>) {
    let offer = offer();
    let session = SessionDescription::parse(&offer).expect("the offer is valid");
    assert_eq!(session.to_string(), offer);
    webrtc_sdp::parse_sdp(&offer, false).expect("the offer is valid");

    let mut group = criterion.benchmark_group("sdp_parse");
    group.throughput(Throughput::Elements(1));
    group.bench_function("peerage-sdp", |b| {
        b.iter(|| SessionDescription::parse(black_box(&offer)).expect("valid"));
    });
    group.bench_function("webrtc-sdp", |b| {
        b.iter(|| webrtc_sdp::parse_sdp(black_box(&offer), false).expect("valid"));
    });
    group.finish();
}

fn write(criterion: &mut Criterion<CpuTime>) {
    let offer = offer();
    let ours = SessionDescription::parse(&offer).expect("valid");
    let theirs = webrtc_sdp::parse_sdp(&offer, false).expect("valid");
    let mut group = criterion.benchmark_group("sdp_write");
    group.throughput(Throughput::Elements(1));
    group.bench_function("peerage-sdp", |b| b.iter(|| black_box(&ours).to_string()));
    group.bench_function("webrtc-sdp", |b| b.iter(|| black_box(&theirs).to_string()));
    group.finish();
}

criterion_group!(name = benches; config = CpuTime::criterion(); targets = parse, write);
criterion_main!(benches);
