//! One stream with layers (SVC), and two viewers: the server gives one of them all pictures and the other every fourth, and
//! neither misses a packet.
//!
//! `cargo run --example svc_forward`. Publisher and viewers are made here too; a browser offers the same with
//! `addTransceiver(track, {sendEncodings: [{scalabilityMode: "L1T3"}]})`.

mod support;

use std::sync::Arc;
use std::time::Duration;

use peerage::media::{Capabilities, MediaKind};
use peerage::rtp::forward::{Layer, LayerChoice, LayerReader, LayerSelector, StreamRewriter};
use peerage::rtp::payload::PayloadFormat;
use peerage::{
    Frame, FrameInfo, OutgoingPacket, PeerConnection, ReceiveMode, ReceivedPacket,
    RtpEncodingParameters, RtpTransceiver, TransceiverInit,
};
use support::{Result, negotiate, next_track, two_peers};

/// A viewer as the server has it.
type Output = (RtpTransceiver, LayerSelector<Arc<ReceivedPacket>>, StreamRewriter);

#[tokio::main]
async fn main() -> Result<()> {
    let (publisher, ingress) = two_peers().await?;
    let camera = vp9(&publisher).await?;
    negotiate(&publisher, &ingress).await?;
    let (mut outputs, mut viewers) = (Vec::new(), Vec::new());
    for temporal in [2, 0] {
        let (egress, viewer) = two_peers().await?;
        let track = vp9(&egress).await?;
        negotiate(&egress, &viewer).await?;
        let mut selector = LayerSelector::new();
        selector.set_wanted(Layer { spatial: 0, temporal });
        outputs.push((track, selector, StreamRewriter::new(PayloadFormat::Vp9, 90_000)));
        viewers.push((tokio::spawn(watch(next_track(&viewer).await?)), egress, viewer));
    }
    let serving = tokio::spawn(serve(next_track(&ingress).await?, outputs));
    for index in 0..80_u32 {
        // Every other picture is of the highest layer, and every fourth of the lowest.
        let temporal_layer = Some([0, 2, 1, 2][index as usize % 4]);
        let info = FrameInfo { keyframe: Some(index == 0), temporal_layer, ..FrameInfo::default() };
        let picture = vec![index as u8; 2_500];
        camera.send_frame(Frame::new(picture, index * 3_000).with_info(info)).await?;
        tokio::time::sleep(Duration::from_millis(33)).await;
    }
    let mut seen = Vec::new();
    for (watching, _egress, _viewer) in viewers {
        seen.push(watching.await?);
    }
    println!("one viewer saw {} pictures, the other {}", seen[0], seen[1]);
    assert!(seen[0] > 70 && (18..=20).contains(&seen[1]), "80 and 20 were sent");
    publisher.close().await;
    Ok(serving.await??)
}

/// Hands each packet to all viewers.
async fn serve(track: RtpTransceiver, mut outputs: Vec<Output>) -> Result<()> {
    track.set_receive_mode(ReceiveMode::Packets).await?;
    let mut reader = LayerReader::new(PayloadFormat::Vp9);
    while let Some(packet) = track.recv_rtp().await {
        reader.insert(Arc::new(packet));
        while let Some((layers, packet)) = reader.poll() {
            for output in &mut outputs {
                output.2.switch_to(packet.ssrc);
                output.1.insert(&layers, packet.clone());
                forward(output).await;
            }
        }
    }
    Ok(())
}

/// Sends what a viewer gets.
async fn forward((track, selector, rewriter): &mut Output) {
    while let Some(choice) = selector.poll() {
        let outgoing = match choice {
            LayerChoice::Forward(chosen) => rewriter
                .forward(&chosen.packet.source())
                .map(|place| OutgoingPacket::of_layers(&chosen).rewritten(&place)),
            // Later numbers close up; where they are gone already, an empty packet fills the gap.
            LayerChoice::Skip(packet) => rewriter
                .skip(&packet.source())
                .map(|number| OutgoingPacket::filler(number, packet.timestamp)),
            LayerChoice::Lose(_) => None,
        };
        if let Some(outgoing) = outgoing {
            // A viewer that is gone or slow is no reason to stop.
            let _ = track.send_rtp(0, outgoing).await;
        }
    }
}

/// Counts the pictures that come, until none comes for a second.
async fn watch(track: RtpTransceiver) -> usize {
    let mut seen = 0;
    while support::recv_until_quiet(&track).await.is_some() {
        seen += 1;
    }
    seen
}

/// A track of VP9 with three temporal layers.
async fn vp9(connection: &PeerConnection) -> Result<RtpTransceiver> {
    let mut encoding = RtpEncodingParameters::default();
    encoding.scalability_mode = Some("L1T3".to_owned());
    let mut init = TransceiverInit::send_only();
    (init.track, init.send_encodings) = (Some("camera".to_owned()), vec![encoding]);
    let track = connection.add_transceiver(MediaKind::Video, init).await?;
    let mut codecs = Capabilities::default().rtp_codecs(MediaKind::Video);
    codecs.retain(|codec| codec.is("VP9") || codec.is("rtx"));
    track.set_codec_preferences(codecs).await?;
    Ok(track)
}
