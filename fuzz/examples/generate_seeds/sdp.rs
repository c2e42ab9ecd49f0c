//! Seeds of the targets of peerage-sdp: small descriptions that together use every attribute the crate types.

use crate::Sink;

const CANDIDATES: [(&str, &str); 5] = [
    ("host", "candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host generation 0 ufrag abcd network-id 1 network-cost 10"),
    ("srflx", "candidate:842163049 1 udp 1677729535 203.0.113.5 3478 typ srflx raddr 0.0.0.0 rport 0"),
    ("relay_v6", "candidate:7 2 UDP 41885439 2001:db8::1 50000 typ relay raddr 2001:db8::2 rport 9"),
    ("tcp", "candidate:3 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active"),
    ("mdns", "candidate:2 1 udp 2113937151 5b7e5a3c-1c1a-4b0e-9d4c-2f1f3c6f0a11.local 60000 typ host"),
];

const SESSION: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

const DATA: &str = "a=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=ice-options:trickle renomination\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=tls-id:abc3de65cddef001be82\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n\
    a=dcmap:0 subprotocol=\"bfcp\";ordered=true;label=\"chat\"\r\na=dcsa:0 accept-types:text/plain\r\n\
    a=sctp-init:AQAAIAAAAAEAAAABAAEAAQAAAAE=\r\n\
    a=candidate:1 1 udp 2122260223 192.0.2.1 54321 typ host\r\na=end-of-candidates\r\n";

const VIDEO: &str = "a=group:BUNDLE 1 2\r\na=group:LS 1 2\r\na=ice-lite\r\na=identity:abc\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111 63 0 126\r\nc=IN IP4 0.0.0.0\r\nb=AS:64\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=mid:1\r\n\
    a=extmap:1/sendonly urn:ietf:params:rtp-hdrext:ssrc-audio-level vad=on\r\na=sendrecv\r\na=rtcp-mux\r\n\
    a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
    a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:126 telephone-event/8000\r\na=ptime:20\r\na=maxptime:60\r\n\
    m=video 0 UDP/TLS/RTP/SAVPF 96 97 98\r\nc=IN IP6 ::\r\nb=TIAS:2000000\r\na=mid:2\r\na=recvonly\r\na=bundle-only\r\n\
    a=rtcp-mux-only\r\na=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:* nack pli\r\na=rtcp-fb:96 ccm fir\r\n\
    a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtpmap:98 H264/90000\r\n\
    a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
    a=imageattr:96 send [x=[480:16:800],y=[320:16:640],par=[1.2-1.3]] recv *\r\n\
    a=rid:hi send pt=96;max-width=1280;max-fps=30\r\na=rid:lo send\r\na=simulcast:send hi;~lo recv q\r\n\
    a=ssrc-group:FID 1001 1002\r\na=ssrc:1001 cname:abc\r\na=ssrc:1001 msid:stream track\r\na=msid:stream track\r\n\
    a=framerate:29.97\r\na=content:slides\r\na=x-unknown:kept verbatim\r\n";

pub(crate) fn write(sink: &Sink) {
    for (name, line) in CANDIDATES {
        sink.seed("sdp_candidate", name, line.as_bytes());
    }
    for (name, body) in [("empty", ""), ("data", DATA), ("audio_video", VIDEO)] {
        let text = format!("{SESSION}{body}");
        let session = peerage_sdp::SessionDescription::parse(&text).expect("a valid description");
        sink.seed("sdp_session_description", name, session.to_string().as_bytes());
    }
    let bare = "v=0\no=a 1 1 IN IP6 ::1\ns=x\ni=info\nu=http://example.org\ne=a@example.org\np=+1 617\nc=IN IP4 224.2.1.1/127/3\n\
        b=X-YZ:128\nt=2873397496 2873404696\nr=7d 1h 0 25h\nz=2882844526 -1h\nk=clear:x\na=tool:y\nm=text 11000/2 RTP/AVP 98\ni=title\n";
    sink.seed("sdp_session_description", "every_line", bare.as_bytes());
}
