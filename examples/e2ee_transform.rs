//! End-to-end encryption of frames: whoever forwards the packets, an SFU say, cannot see what is in them.
//!
//! `cargo run --example e2ee_transform`. A key is shared by other means; each frame is sealed with AES-128-GCM under a
//! counter that travels with it. Browsers do the same with `RTCRtpScriptTransform`.

mod support;

use peerage::{FrameToTransform, FrameTransform, clear_prefix};
use peerage_crypto::{AeadAlgorithm, AeadKey, default_provider};
use support::{Result, add_video, file, negotiate, next_track, play_video, two_peers};

struct Seal(Box<dyn AeadKey>, u64);
struct Open(Box<dyn AeadKey>);

fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    nonce
}

impl FrameTransform for Seal {
    fn transform(&mut self, frame: &FrameToTransform<'_>, out: &mut Vec<u8>) -> bool {
        // What tells keyframes apart stays readable, but is authenticated.
        let Some(clear) = clear_prefix(frame.codec, frame.data) else { return false };
        out.extend_from_slice(frame.data);
        let (head, body) = out.split_at_mut(clear);
        let mut tag = [0; 16];
        let sealed = self.0.seal_in_place(&nonce(self.1), head, body, &mut tag).is_ok();
        out.extend_from_slice(&tag);
        out.extend_from_slice(&self.1.to_be_bytes());
        self.1 += 1; // never the same nonce twice
        sealed
    }
}

impl FrameTransform for Open {
    fn transform(&mut self, frame: &FrameToTransform<'_>, out: &mut Vec<u8>) -> bool {
        let Some(clear) = clear_prefix(frame.codec, frame.data) else { return false };
        let Some((sealed, counter)) = frame.data.split_last_chunk::<8>() else { return false };
        if sealed.len() < clear + 16 {
            return false;
        }
        out.extend_from_slice(sealed);
        let (head, body) = out.split_at_mut(clear);
        let opened = self.0.open_in_place(&nonce(u64::from_be_bytes(*counter)), head, body);
        opened.map(|len| out.truncate(clear + len)).is_ok()
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let clip = file(1, "clip.ivf");
    let key = |bytes: [u8; 16]| default_provider().aead(AeadAlgorithm::Aes128Gcm, &bytes);
    for (theirs, expected) in [([7; 16], "the right key"), ([8; 16], "the wrong key")] {
        let (sender, receiver) = two_peers().await?;
        let video = add_video(&sender, &clip).await?;
        negotiate(&sender, &receiver).await?;
        let track = next_track(&receiver).await?;
        video.set_sender_transform(Some(Box::new(Seal(key([7; 16])?, 0)))).await?;
        track.set_receiver_transform(Some(Box::new(Open(key(theirs)?)))).await?;
        let watching = tokio::spawn(async move {
            let mut frames = 0;
            while support::recv_until_quiet(&track).await.is_some() {
                frames += 1;
            }
            frames
        });
        let sent = play_video(&clip, &video, 0).await?;
        let seen: u32 = watching.await?;
        println!("with {expected}: {seen} of {sent} frames");
        assert_eq!(seen > 0, theirs == [7; 16]);
    }
    Ok(())
}
