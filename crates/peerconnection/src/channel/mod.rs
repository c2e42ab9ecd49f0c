//! Data channels: what one is ([`init`]), and the table of all of them.

mod init;

pub use init::{DataChannelHandle, DataChannelInfo, DataChannelInit, Priority};
