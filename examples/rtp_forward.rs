//! What a peer sends, as plain RTP on a UDP port, for ffmpeg, ffplay or GStreamer.
//!
//! `cargo run --example rtp_forward -- 127.0.0.1:5004`, then, within a minute, `ffplay -protocol_whitelist file,udp,rtp`
//! and the `.sdp` file that it names. Without an address a socket of its own counts what comes. The peer is made here too,
//! and plays `examples/media/clip.ivf`; an application has a browser there.

mod support;

use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::time::Duration;

use peerage::rtp::{PayloadType, RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc};
use peerage::{Frame, ReceiveMode, RtpTransceiver};
use peerage_media::files::IvfReader;
use support::{Result, add_video, negotiate, next_track, sample, two_peers};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

/// How long the clip is played to players, and how often each frame of it comes, in ticks of 90 kHz.
const ROUNDS: u32 = 30;
const FRAME: u32 = 90_000 / 15;

#[tokio::main]
async fn main() -> Result<()> {
    let counter = UdpSocket::bind("127.0.0.1:0").await?;
    let argument = std::env::args().nth(1).map(|text| text.parse::<SocketAddr>()).transpose()?;
    let target = argument.unwrap_or(counter.local_addr()?);
    let path = std::env::temp_dir().join("rtp_forward.sdp");
    std::fs::write(&path, description(target))?;
    println!("described in {}", path.display());
    show(target, if argument.is_some() { ROUNDS } else { 1 }).await?;
    if argument.is_none() {
        let mut buffer = [0; 1_500];
        for _ in 0..30 {
            let len = counter.recv(&mut buffer).await?;
            assert_eq!(RtpPacket::parse(&buffer[..len])?.payload_type().get(), 96);
        }
        println!("plain RTP came to {target}");
    }
    Ok(())
}

/// What players are told of the stream.
pub(crate) fn description(target: SocketAddr) -> String {
    let (ip, port) = (target.ip(), target.port());
    format!(
        "v=0\r\no=- 0 0 IN IP4 {ip}\r\ns=Peerage\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=video {port} RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n"
    )
}

/// A peer plays the clip so many times, and what comes of it at the other end goes to a UDP port.
pub(crate) async fn show(target: SocketAddr, rounds: u32) -> Result<()> {
    let clip = sample("clip.ivf");
    let (peer, here) = two_peers().await?;
    let camera = add_video(&peer, &clip).await?;
    negotiate(&peer, &here).await?;
    let track = next_track(&here).await?;
    track.set_receive_mode(ReceiveMode::Packets).await?;
    let forwarding = tokio::spawn(forward(track, target));

    let (start, mut index) = (Instant::now(), 0);
    for _ in 0..rounds {
        for frame in IvfReader::new(BufReader::new(File::open(&clip)?))? {
            camera.send_frame(Frame::new(frame?.data, index * FRAME)).await?;
            index += 1;
            sleep_until(start + Duration::from_secs(1) * index / 15).await;
        }
    }
    forwarding.abort();
    peer.close().await;
    Ok(())
}

/// Sends all packets of a track on.
async fn forward(track: RtpTransceiver, target: SocketAddr) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0").await?;
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
        // A player that is gone is told of by an error, and another may come.
        let _ = socket.send_to(&datagram, target).await;
    }
    Ok(())
}
