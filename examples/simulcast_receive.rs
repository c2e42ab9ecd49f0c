//! Receives three layers of one picture and picks among them, as a conference server does: a switch waits for a keyframe
//! of the layer that is wanted.
//!
//! `cargo run --example simulcast_receive`. The publisher is in the same process; a browser offers the same with
//! `addTransceiver(track, {sendEncodings: [{rid: "q"}, {rid: "h"}, {rid: "f"}]})`.

mod support;

use std::collections::BTreeMap;

use peerage::media::MediaKind;
use peerage::{RtpEncodingParameters, RtpTransceiver, TransceiverInit};
use support::{Result, file, negotiate, next_track, play_video, two_peers, use_codec_of};

const LAYERS: [&str; 3] = ["q", "h", "f"];

#[tokio::main]
async fn main() -> Result<()> {
    let clip = file(1, "clip.ivf");
    let (publisher, server) = two_peers().await?;
    let mut init = TransceiverInit::send_only();
    init.track = Some("camera".to_owned());
    init.send_encodings = LAYERS.map(RtpEncodingParameters::new).to_vec();
    let video = publisher.add_transceiver(MediaKind::Video, init).await?;
    use_codec_of(&video, &clip).await?;
    negotiate(&publisher, &server).await?;
    let receiving = tokio::spawn(choose(next_track(&server).await?));

    // A publisher has an encoder for each layer; here all play the same file.
    tokio::try_join!(
        play_video(&clip, &video, 0),
        play_video(&clip, &video, 1),
        play_video(&clip, &video, 2),
    )?;
    let (received, forwarded) = receiving.await?;
    println!("received {received:?}, forwarded {forwarded:?}");
    assert_eq!(received.len(), 3, "every layer comes");
    assert!(forwarded.contains_key("f"), "the switch to the best layer was made");
    publisher.close().await;
    Ok(())
}

type Counts = BTreeMap<String, u32>;

/// Begins with the smallest layer and wants the largest after ten frames.
async fn choose(transceiver: RtpTransceiver) -> (Counts, Counts) {
    let (mut received, mut forwarded) = (Counts::new(), Counts::new());
    let (mut current, mut wanted) = (None, LAYERS[0]);
    while let Some(frame) = support::recv_until_quiet(&transceiver).await {
        let Some(layer) = frame.rid else { continue };
        *received.entry(layer.clone()).or_default() += 1;
        if layer == wanted && frame.frame.keyframe && current.as_ref() != Some(&layer) {
            println!("now forwarding {layer}");
            current = Some(layer.clone());
        }
        if current.as_ref() == Some(&layer) {
            *forwarded.entry(layer).or_default() += 1;
            if wanted == LAYERS[0] && forwarded[LAYERS[0]] == 10 {
                wanted = LAYERS[2];
                // Files have their keyframes where they have them; an encoder makes one at once.
                let _ = transceiver.request_keyframe().await;
            }
        }
    }
    (received, forwarded)
}
