//! A call between two connections, and what `getStats` tells of it, once a second.

use std::error::Error;
use std::time::Duration;

use peerage::media::MediaKind;
use peerage::stats::{InboundRtpStreamStats, StatsReport};
use peerage::{Configuration, Endpoint, EndpointConfig, Frame, PeerConnection};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoints = [
        Endpoint::bind(EndpointConfig::loopback()).await?,
        Endpoint::bind(EndpointConfig::loopback()).await?,
    ];
    let alice = endpoints[0].connect(Configuration::default()).await?;
    let bob = endpoints[1].connect(Configuration::default()).await?;
    let video = alice.add_track(MediaKind::Video, "camera", vec!["call".into()]).await?;
    connect(&alice, &bob).await?;

    let sending = tokio::spawn(async move {
        let mut clock = tokio::time::interval(Duration::from_millis(33));
        for index in 0u32.. {
            clock.tick().await;
            // Stands for an encoder: a VP8 frame's header (RFC 6386 §9.1), then noise.
            let mut frame = match index % 90 {
                0 => vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01],
                _ => vec![0x11, 0, 0],
            };
            frame.resize(4_000, index as u8);
            video.send_frame(Frame::new(frame, index * 3_000)).await?;
        }
        Ok::<_, peerage::Error>(())
    });
    println!("  kind frames    size  lost   kbit/s jitter ms");
    let mut before = bob.get_stats().await?;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = bob.get_stats().await?;
        print(&before, &now);
        before = now;
    }
    sending.abort();
    Ok(())
}

/// A line for each stream that comes in: what grew since the last report.
fn print(before: &StatsReport, now: &StatsReport) {
    for stream in now.inbound_rtp() {
        let last = before.inbound_rtp().find(|last| last.id == stream.id);
        let bytes = |s: &InboundRtpStreamStats| s.bytes_received.unwrap_or(0) as f64;
        let grown = bytes(stream) - last.map_or(0.0, bytes);
        let milliseconds = stream.timestamp - last.map_or(stream.timestamp - 1e3, |s| s.timestamp);
        let (kind, frames) = (stream.kind.as_str(), stream.frames_received.unwrap_or(0));
        let (width, height) = stream.frame_width.zip(stream.frame_height).unwrap_or_default();
        let (lost, rate) = (stream.packets_lost.unwrap_or(0), 8.0 * grown / milliseconds);
        let jitter = 1e3 * stream.jitter.unwrap_or(0.0);
        println!(
            "{kind:>6} {frames:>6} {width:>3}x{height:>3} {lost:>5} {rate:>8.0} {jitter:>9.2}"
        );
    }
}

async fn connect(alice: &PeerConnection, bob: &PeerConnection) -> Result<(), Box<dyn Error>> {
    alice.set_local_description(None).await?;
    alice.gathering_complete().await?;
    bob.set_remote_description(alice.local_description().ok_or("no offer")?).await?;
    bob.set_local_description(None).await?;
    bob.gathering_complete().await?;
    alice.set_remote_description(bob.local_description().ok_or("no answer")?).await?;
    Ok(alice.connected().await?)
}
