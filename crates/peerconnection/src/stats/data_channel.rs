//! Data channels.

use super::dictionary::dictionary;
use crate::state::DataChannelState;

dictionary! {
    /// `RTCDataChannelStats`: a channel that lives.
    DataChannelStats {
        /// `readyState`.
        state: DataChannelState,
        ;
        /// `label`.
        label: String,
        /// `protocol`.
        protocol: String,
        /// `id`, once it is known.
        data_channel_identifier: u16,
        /// Messages taken by `send`.
        messages_sent: u32,
        /// Their bytes.
        bytes_sent: u64,
        /// Messages handed to the application.
        messages_received: u32,
        /// Their bytes.
        bytes_received: u64,
    }
}
