//! One stream with layers (SVC), and two viewers: the server gives one all pictures and the other every fourth.
//!
//! `cargo run --example svc_forward`. Publisher and viewers are made here too; a browser offers the same with
//! `addTransceiver(track, {sendEncodings: [{scalabilityMode: "L1T3"}]})`.

mod support;

use std::sync::Arc;

use peerage::media::MediaKind;
use peerage::rtp::forward::{Layer, LayerChoice, LayerReader, LayerSelector, StreamRewriter};
use peerage::rtp::payload::PayloadFormat;
use peerage::{
    Frame, FrameInfo, OutgoingPacket, ReceiveMode, ReceivedPacket, RtpEncodingParameters,
    RtpTransceiver, TransceiverInit,
};
use support::{Result, negotiate, next_track, recv_until_quiet, two_peers, use_codec};

type Packet = Arc<ReceivedPacket>;
/// A viewer as the server has it.
type Output = (RtpTransceiver, LayerSelector<Packet>, StreamRewriter);

#[tokio::main]
async fn main() -> Result<()> {
    let (publisher, ingress) = two_peers().await?;
    let mut encoding = RtpEncodingParameters::default();
    encoding.scalability_mode = Some("L1T3".to_owned());
    let init = TransceiverInit { send_encodings: vec![encoding], ..TransceiverInit::send_only() };
    let camera = publisher.add_transceiver(MediaKind::Video, init).await?;
    use_codec(&camera, "VP9").await?;
    negotiate(&publisher, &ingress).await?;
    let (mut outputs, mut viewers) = (Vec::new(), Vec::new());
    for temporal in [2, 0] {
        let (egress, viewer) = two_peers().await?;
        let track = egress.add_track(MediaKind::Video, "camera", vec![]).await?;
        negotiate(&egress, &viewer).await?;
        let mut selector = LayerSelector::new();
        selector.set_wanted(Layer { spatial: 0, temporal });
        outputs.push((track, selector, StreamRewriter::new(PayloadFormat::Vp9, 90_000)));
        let watched = next_track(&viewer).await?;
        let watching = tokio::spawn(async move {
            let mut seen = 0;
            while recv_until_quiet(&watched).await.is_some() {
                seen += 1;
            }
            seen
        });
        viewers.push((watching, egress, viewer));
    }
    tokio::spawn(serve(next_track(&ingress).await?, outputs));
    for index in 0..80_u32 {
        // Every other picture is of the highest layer, and every fourth of the lowest.
        let temporal_layer = Some([0, 2, 1, 2][index as usize % 4]);
        let keyframe = Some(index == 0);
        let info = FrameInfo { keyframe, temporal_layer, ..FrameInfo::default() };
        camera.send_frame(Frame::new(vec![7; 2_500], index * 3_000).with_info(info)).await?;
        tokio::time::sleep(std::time::Duration::from_millis(33)).await;
    }
    for ((watching, ..), expected) in viewers.into_iter().zip([80, 20]) {
        let seen = watching.await?;
        println!("a viewer saw {seen} pictures of {expected}");
        assert!((expected * 9 / 10..=expected).contains(&seen), "{seen} pictures of {expected}");
    }
    Ok(())
}

/// Hands each packet to all viewers.
async fn serve(track: RtpTransceiver, mut outputs: Vec<Output>) -> Result<()> {
    track.set_receive_mode(ReceiveMode::Packets).await?;
    let mut reader = LayerReader::new(PayloadFormat::Vp9);
    while let Some(packet) = track.recv_rtp().await {
        reader.insert(Arc::new(packet));
        while let Some((layers, packet)) = reader.poll() {
            for (track, selector, rewriter) in &mut outputs {
                rewriter.switch_to(packet.ssrc);
                selector.insert(&layers, packet.clone());
                while let Some(choice) = selector.poll() {
                    if let Some(outgoing) = place(choice, rewriter) {
                        let _ = track.send_rtp(0, outgoing).await;
                    }
                }
            }
        }
    }
    Ok(())
}

/// What a viewer gets of a packet. Numbers close up over those left out, or an empty packet fills the gap.
fn place(choice: LayerChoice<Packet>, rewriter: &mut StreamRewriter) -> Option<OutgoingPacket> {
    match choice {
        LayerChoice::Forward(chosen) => {
            let place = rewriter.forward(&chosen.packet.source())?;
            Some(OutgoingPacket::of_layers(&chosen).rewritten(&place))
        }
        LayerChoice::Skip(packet) => {
            Some(OutgoingPacket::filler(rewriter.skip(&packet.source())?, packet.timestamp))
        }
        LayerChoice::Lose(_) => None,
    }
}
