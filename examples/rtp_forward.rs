//! What a peer sends, as plain RTP on a UDP port, for ffmpeg, ffplay or GStreamer.
//!
//! `cargo run --example rtp_forward -- 127.0.0.1:5004`, then, within a minute, `ffplay -protocol_whitelist file,udp,rtp`
//! and the `.sdp` file that it names. Without an address a socket of its own counts what comes. The peer is made here too,
//! and what it sends is no picture that means anything; an application has a browser there.

use std::net::SocketAddr;
use std::time::Duration;

use peerage::media::MediaKind;
use peerage::rtp::{PayloadType, RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc};
use peerage::{Configuration, Endpoint, EndpointConfig, Event, Frame, PeerConnection, ReceiveMode};
use tokio::net::UdpSocket;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let endpoint = Endpoint::bind(EndpointConfig::loopback()).await?;
    let here = endpoint.connect(Configuration::default()).await?;
    let theirs = Endpoint::bind(EndpointConfig::loopback()).await?;
    let peer = theirs.connect(Configuration::default()).await?;
    let camera = peer.add_track(MediaKind::Video, "camera", vec!["stream".to_owned()]).await?;
    negotiate(&peer, &here).await?;

    let counter = UdpSocket::bind("127.0.0.1:0").await?;
    let argument = std::env::args().nth(1).map(|text| text.parse::<SocketAddr>()).transpose()?;
    let target = argument.unwrap_or(counter.local_addr()?);
    tokio::spawn(forward(here, target));
    let frames = if argument.is_some() { 2_000 } else { 60 };
    for index in 0..frames {
        // The header of a VP8 picture (RFC 6386 §9.1) and nothing that means anything.
        let mut picture = vec![0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0];
        picture.resize(2_000, 0);
        camera.send_frame(Frame::new(picture, index * 2_700)).await?;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    if argument.is_none() {
        let mut buffer = [0; 1_500];
        for _ in 0..40 {
            let len = counter.recv(&mut buffer).await?;
            assert_eq!(RtpPacket::parse(&buffer[..len])?.payload_type().get(), 96);
        }
        println!("plain RTP came to {target}");
    }
    peer.close().await;
    Ok(())
}

/// Sends all video of a connection on, and writes a description of it for players.
async fn forward(connection: PeerConnection, target: SocketAddr) -> Result<()> {
    let (ip, port) = (target.ip(), target.port());
    let sdp = format!(
        "v=0\r\no=- 0 0 IN IP4 {ip}\r\ns=Peerage\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=video {port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    );
    let path = std::env::temp_dir().join("rtp_forward.sdp");
    std::fs::write(&path, sdp)?;
    println!("described in {}", path.display());
    let socket = UdpSocket::bind("0.0.0.0:0").await?;
    let track = loop {
        match connection.next_event().await.ok_or("the connection is closed")? {
            Event::Track { transceiver, .. } => break transceiver,
            _ => continue,
        }
    };
    track.set_receive_mode(ReceiveMode::Packets).await?;
    while let Some(packet) = track.recv_rtp().await {
        let mut datagram = Vec::with_capacity(12 + packet.payload.len());
        let header = RtpHeader {
            marker: packet.marker,
            payload_type: PayloadType::from_low_bits(96),
            sequence_number: SequenceNumber(packet.sequence as u16),
            timestamp: RtpTimestamp(packet.timestamp),
            ssrc: Ssrc(packet.ssrc),
        };
        header.write(&mut datagram, |_| {});
        datagram.extend_from_slice(&packet.payload);
        socket.send_to(&datagram, target).await?;
    }
    Ok(())
}

/// Offer and answer, with all candidates inside.
async fn negotiate(offerer: &PeerConnection, answerer: &PeerConnection) -> Result<()> {
    offerer.set_local_description(None).await?;
    offerer.gathering_complete().await?;
    answerer.set_remote_description(offerer.local_description().ok_or("no offer")?).await?;
    answerer.set_local_description(None).await?;
    answerer.gathering_complete().await?;
    offerer.set_remote_description(answerer.local_description().ok_or("no answer")?).await?;
    Ok(())
}
