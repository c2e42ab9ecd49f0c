#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod audio;
pub mod codec;
pub mod devices;
pub mod files;
pub mod player;
pub mod recorder;
pub mod sync;
pub mod track;
pub mod video;
