//! The connection as a whole.

use super::dictionary::dictionary;

dictionary! {
    /// `RTCPeerConnectionStats`.
    PeerConnectionStats {
        ;
        /// Channels that reached `open`.
        data_channels_opened: u32,
        /// Channels that were open and no longer are.
        data_channels_closed: u32,
    }
}
