//! Sends a peer's sound and pictures back to it, frame by frame, without decoding them. What `peerage echo` does.
//!
//! `cargo run --example mirror`. The peer is in the same process and plays `examples/media`.

mod support;

use peerage::{Event, Frame, PeerConnection, TransceiverDirection};
use support::{Result, add_video, file, play_video, two_peers};

#[tokio::main]
async fn main() -> Result<()> {
    let clip = file(1, "clip.ivf");
    let (caller, mirror) = two_peers().await?;
    let video = add_video(&caller, &clip).await?;

    caller.set_local_description(None).await?;
    caller.gathering_complete().await?;
    mirror.set_remote_description(caller.local_description().ok_or("no offer")?).await?;
    // The offer has made transceivers that only receive; before the answer they are set to send as well.
    for transceiver in mirror.transceivers().await? {
        transceiver.set_direction(TransceiverDirection::SendRecv).await?;
        transceiver.replace_track(Some("mirrored".to_owned())).await?;
    }
    mirror.set_local_description(None).await?;
    mirror.gathering_complete().await?;
    caller.set_remote_description(mirror.local_description().ok_or("no answer")?).await?;
    tokio::spawn(reflect(mirror));
    caller.connected().await?;

    let back = video.clone();
    let counting = tokio::spawn(async move {
        let mut frames = 0;
        while let Some(received) = support::recv_until_quiet(&back).await {
            frames += 1;
            println!("{} bytes came back", received.frame.data.len());
        }
        frames
    });
    let sent = play_video(&clip, &video, 0).await?;
    let returned = counting.await?;
    println!("{returned} of {sent} frames came back");
    assert!(returned + 3 >= sent);
    caller.close().await;
    Ok(())
}

/// Sends back whatever comes, on every track.
async fn reflect(pc: PeerConnection) {
    while let Some(event) = pc.next_event().await {
        match event {
            Event::Track { transceiver, .. } => {
                tokio::spawn(async move {
                    while let Some(received) = transceiver.recv_frame().await {
                        if let Err(error) = transceiver.send_frame(Frame::from(received)).await {
                            eprintln!("a frame did not go back: {error}");
                        }
                    }
                });
            }
            // Who watches the mirror asks for a keyframe, which only the source can make.
            Event::KeyframeRequested { transceiver, .. } => {
                let _ = transceiver.request_keyframe().await;
            }
            _ => {}
        }
    }
}
