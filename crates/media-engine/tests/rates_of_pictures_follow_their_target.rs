//! Every encoder's rate is what was asked for, a second after it was asked.
#![cfg(any(feature = "av1", feature = "h264", feature = "vpx"))]

mod codecs;

use codecs::{Clip, all, encode};
use peerage_media::codec::VideoTarget;

/// Seconds, and kilobits a second that are asked for in them.
const STEPS: [(usize, u64); 4] = [(4, 800), (4, 250), (4, 1_200), (3, 400)];

/// What a second may have of what was asked for. The first one begins with a keyframe, and the first after a change has until its end;
/// it is printed, and bounded all the same.
const SETTLED: std::ops::Range<f64> = 0.6..1.25;
const CHANGING: std::ops::Range<f64> = 0.4..1.5;

#[test]
fn a_step_is_followed_within_a_second() {
    let seconds: Vec<(bool, u64)> = STEPS
        .iter()
        .flat_map(|(length, rate)| (0..*length).map(move |second| (second == 0, rate * 1_000)))
        .collect();
    // A moving clock: its pictures differ from each other throughout.
    let clip = Clip::clock(640, 360, seconds.len() as u32 * 30);
    for codec in all::all() {
        let mut encoder = codec.encoder();
        let mut got = Vec::new();
        for ((_, wanted), frames) in seconds.iter().zip(clip.frames.chunks(30)) {
            encoder.set_target(VideoTarget::new(*wanted, 30.0)).unwrap();
            let pictures = frames.iter().flat_map(|frame| encode(&mut *encoder, frame, false));
            let bits: usize = pictures.map(|picture| 8 * picture.data.len()).sum();
            got.push(bits as f64 / *wanted as f64);
        }
        let shares: Vec<String> = got.iter().map(|share| format!("{share:.2}")).collect();
        println!("{}: {}", codec.name, shares.join(" "));
        for (at, ((first, _), share)) in seconds.iter().zip(&got).enumerate() {
            let allowed = if *first { CHANGING } else { SETTLED };
            assert!(allowed.contains(share), "{}, second {at}: {shares:?}", codec.name);
        }
    }
}
