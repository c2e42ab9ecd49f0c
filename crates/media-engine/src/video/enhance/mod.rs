//! Makes pictures better: less noise, more light where it is dark, sharper edges, no colour of the light. All of it is ours, in integers
//! where there are samples, and takes a few milliseconds for a picture of 1280 x 720.
//!
//! ```text
//! picture ─▶ denoise ─▶ white balance ─▶ low light ─▶ sharpen ─▶ picture
//!                └── noise that is left ──────┴────────────┘
//! spent() ─▶ governor ─▶ which stages are left out
//! ```
//!
//! [`Enhancer`] runs them; each is of use by itself too. Every stage measures what pictures lack and leaves alone those that lack nothing:
//! clean, light, sharp and neutral ones come out as they went in.

mod config;
mod denoise;
mod enhancer;
mod governor;
mod low_light;
mod noise;
mod padded;
mod sharpen;
mod white_balance;

pub use config::{EnhanceConfig, EnhanceStatistics, Stage};
pub use denoise::Denoiser;
pub use enhancer::Enhancer;
pub use governor::Governor;
pub use low_light::LowLight;
pub use sharpen::Sharpener;
pub use white_balance::WhiteBalance;
