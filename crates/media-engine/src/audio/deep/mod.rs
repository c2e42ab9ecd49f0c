//! The deep suppressor of noise: GTCRN, a small convolutional and recurrent network (23,000 parameters, published by Rong Xiaobin under
//! the MIT licence, see `models/LICENSE.gtcrn`), run by code of our own. It also takes out voices in the background, which neither
//! spectral suppressors nor RNNoise do.
//!
//! ```text
//! block of 10 ms ─▶ frames of 32 ms, each 16 ms ─▶ spectrum ─▶ up to 8 kHz: network ─▶ complex mask ─▶ overlap and add
//!                                                          └▶ above 8 kHz: gain of the bands below ┘
//! ```

mod denoiser;
mod layers;
mod network;

pub use denoiser::DeepDenoiser;
