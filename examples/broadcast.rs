//! One publisher, many viewers: the server in the middle passes RTP packets on and never looks into a picture.
//!
//! `cargo run --example broadcast`. Publisher and viewers are made here too; an application has browsers there. For layers of
//! a simulcast see `peerage::rtp::forward`.

use std::time::Duration;

use peerage::media::MediaKind;
use peerage::{
    Configuration, Endpoint, EndpointConfig, Event, Frame, OutgoingPacket, PeerConnection,
    ReceiveMode, RtpTransceiver,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    // The server has one socket for all.
    let server = Endpoint::bind(EndpointConfig::loopback()).await?;
    let (ingress, publisher) = pair(&server).await?;
    let camera = publisher.add_track(MediaKind::Video, "camera", vec!["live".to_owned()]).await?;
    negotiate(&publisher, &ingress).await?;

    let mut outputs = Vec::new();
    let mut viewers = Vec::new();
    for _ in 0..3 {
        let (egress, viewer) = pair(&server).await?;
        let track = egress.add_track(MediaKind::Video, "camera", vec!["live".to_owned()]).await?;
        negotiate(&egress, &viewer).await?;
        outputs.push((egress, track));
        viewers.push(tokio::spawn(watch(viewer)));
    }
    tokio::spawn(relay(ingress, outputs));
    tokio::spawn(async move {
        for index in 0..1_000 {
            // Every picture is a key frame of VP8 (RFC 6386 §9.1): whoever joins sees the next one.
            let mut picture = vec![0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0];
            picture.resize(2_500, index as u8);
            let _ = camera.send_frame(Frame::new(picture, index * 3_000)).await;
            tokio::time::sleep(Duration::from_millis(33)).await;
        }
    });
    for viewer in viewers {
        println!("a viewer saw {} pictures", viewer.await??);
    }
    publisher.close().await;
    Ok(())
}

/// Passes every packet of the publisher on to all viewers; the payload is shared by all of them.
async fn relay(
    ingress: PeerConnection,
    outputs: Vec<(PeerConnection, RtpTransceiver)>,
) -> Result<()> {
    let track = track_of(&ingress).await?;
    track.set_receive_mode(ReceiveMode::Packets).await?;
    while let Some(packet) = track.recv_rtp().await {
        for (_, output) in &outputs {
            // A viewer that is gone or slow is no reason to stop.
            let _ = output.send_rtp(0, OutgoingPacket::forward(&packet)).await;
        }
    }
    Ok(())
}

/// Watches until fifty pictures were seen.
async fn watch(viewer: PeerConnection) -> Result<usize> {
    let track = track_of(&viewer).await?;
    for seen in 0..50 {
        let frame = track.recv_frame().await.ok_or_else(|| format!("only {seen} came"))?;
        assert_eq!(frame.frame.data.len(), 2_500);
    }
    Ok(50)
}

async fn track_of(connection: &PeerConnection) -> Result<RtpTransceiver> {
    while let Some(event) = connection.next_event().await {
        if let Event::Track { transceiver, .. } = event {
            return Ok(transceiver);
        }
    }
    Err("the connection is closed".into())
}

/// A connection of the server, and one of a client with a socket of its own.
async fn pair(server: &Endpoint) -> Result<(PeerConnection, PeerConnection)> {
    let client = Endpoint::bind(EndpointConfig::loopback()).await?;
    let (here, there) = (Configuration::default(), Configuration::default());
    Ok((server.connect(here).await?, client.connect(there).await?))
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
