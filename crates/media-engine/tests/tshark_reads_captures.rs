//! A capture of cleartext RTP and RTCP is what tshark takes for one.

use std::process::Command;
use std::time::Duration;

use peerage_media::files::RtpCapture;
use peerage_rtp::rtcp::{FeedbackSources, PictureLossIndication, ReceiverReport};
use peerage_rtp::{PayloadType, RtpHeader, RtpTimestamp, SequenceNumber, Ssrc};

fn rtp(ssrc: u32, index: u16) -> Vec<u8> {
    let header = RtpHeader {
        marker: index.is_multiple_of(3),
        payload_type: PayloadType::new(96).unwrap(),
        sequence_number: SequenceNumber(65_530).plus(index),
        timestamp: RtpTimestamp(u32::from(index) * 3000),
        ssrc: Ssrc(ssrc),
    };
    let mut packet = Vec::new();
    header.write(&mut packet, |_| {});
    packet.extend([0x10, 1, 2, 3, 4, 5]);
    packet
}

fn rtcp(sender: u32, media: u32) -> Vec<u8> {
    let mut packet = Vec::new();
    ReceiverReport { ssrc: Ssrc(sender), reports: (&[]).into() }.write(&mut packet);
    let sources = FeedbackSources { sender: Ssrc(sender), media: Ssrc(media) };
    PictureLossIndication { sources }.write(&mut packet);
    packet
}

#[test]
fn tshark_tells_rtp_and_rtcp_and_directions() {
    let mut capture = RtpCapture::new(Vec::new()).unwrap();
    let time = |ms| Duration::from_millis(1_700_000_000_000 + ms);
    for index in 0..20u16 {
        let at = u64::from(index) * 20;
        capture.write_packet(time(at), true, false, &rtp(0xAAAA_0001, index)).unwrap();
        capture.write_packet(time(at + 1), false, false, &rtp(0xBBBB_0002, index)).unwrap();
    }
    capture.write_packet(time(500), false, true, &rtcp(0xBBBB_0002, 0xAAAA_0001)).unwrap();
    capture.write_packet(time(501), true, true, &rtcp(0xAAAA_0001, 0xBBBB_0002)).unwrap();
    let too_long = capture.write_packet(time(502), true, false, &[0; 70_000]);
    assert!(too_long.unwrap_err().to_string().contains("longer than a UDP datagram"));
    let file = capture.finish().unwrap();

    if Command::new("tshark").arg("-v").output().is_err() {
        println!("skipped: no tshark");
        return;
    }
    let path = std::env::temp_dir().join(format!("peerage-capture-{}.pcap", std::process::id()));
    std::fs::write(&path, file).unwrap();
    let lines = |filter: &str, fields: &[&str]| -> Vec<String> {
        let out = Command::new("tshark")
            .args(["-d", "udp.port==5004,rtp", "-d", "udp.port==5005,rtcp", "-r"])
            .arg(&path)
            .args(["-Y", filter, "-T", "fields"])
            .args(fields.iter().flat_map(|field| ["-e", field]))
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
    };
    let sent = lines("rtp && ip.src == 192.0.2.1", &["rtp.ssrc", "rtp.seq", "rtp.p_type"]);
    assert_eq!(sent.len(), 20);
    assert_eq!(sent[0], "0xaaaa0001\t65530\t96");
    assert_eq!(sent[19], "0xaaaa0001\t13\t96");
    let received = lines("rtp && ip.src == 192.0.2.2", &["rtp.ssrc"]);
    assert_eq!(received, vec!["0xbbbb0002"; 20]);
    let requests = lines("rtcp.psfb.fmt == 1", &["rtcp.senderssrc", "rtcp.mediassrc", "ip.src"]);
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(
        requests[0].contains("0xbbbb0002") || requests[0].contains("3149594626"),
        "{requests:?}"
    );
    assert_eq!(lines("_ws.malformed || udp.checksum.status == 0", &["frame.number"]).len(), 0);
    let _ = std::fs::remove_file(&path);
}
