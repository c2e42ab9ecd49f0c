//! Enhancement: how much nearer it brings degraded clips to what they were, beside ffmpeg's filters, and what it costs for a picture of
//! 1280 x 720. And what each stage of a call costs.
//!
//! `PEERAGE_VIDEO_ONLY` chooses one of the parts (quality, call, streams, cost); `PEERAGE_VIDEO_CLIP` and `PEERAGE_VIDEO_DAMAGE` choose
//! clips and what is done to them; `PEERAGE_VIDEO_PICTURES` names a folder for pictures of before and after.

#[path = "../../../../crates/media-engine/tests/picture_support/mod.rs"]
mod picture_support;

#[path = "../../../../crates/peerconnection/tests/common/allocations.rs"]
mod allocations;
mod call;
mod cost;
mod ffmpeg;
mod quality;
mod streams;

fn main() {
    let only = std::env::var("PEERAGE_VIDEO_ONLY").unwrap_or_default();
    if "quality".contains(&only) {
        quality::run();
    }
    if "call".contains(&only) {
        call::run();
    }
    if "streams".contains(&only) {
        streams::run();
    }
    if "cost".contains(&only) {
        cost::run();
    }
}
