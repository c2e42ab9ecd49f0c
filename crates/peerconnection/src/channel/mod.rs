//! Data channels: what one is ([`init`]), which stream ids they take ([`stream_ids`]) and the table of all of them
//! ([`table`]).

mod init;
mod stream_ids;
mod table;

pub use init::{DataChannelHandle, DataChannelInfo, DataChannelInit, Priority};
pub(crate) use stream_ids::MAX_STREAM_ID;
pub(crate) use table::{Channel, DataChannels};
