//! What a server counts, and how Prometheus reads it.

use std::fmt::Write as _;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident, $metric:literal, $help:literal;)*) => {
        /// Counts since the start, of one worker or of several together.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// Adds another worker's.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// In Prometheus's text format, version 0.0.4.
            pub fn prometheus(&self, out: &mut String) {
                $({
                    let (name, help, value) = ($metric, $help, self.$name);
                    let _ = writeln!(
                        out,
                        "# HELP peerage_turn_{name}_total {help}\n# TYPE peerage_turn_{name}_total counter\npeerage_turn_{name}_total {value}"
                    );
                })*
            }
        }
    };
}

counters! {
    /// Allocations made.
    allocated, "allocations", "Allocations made.";
    /// Allocations ended.
    freed, "allocations_ended", "Allocations ended.";
    /// Binding requests answered.
    bindings, "bindings", "Binding requests answered.";
    /// Requests refused with 401 or 438.
    challenged, "challenges", "Requests refused for lack of credentials or for a stale nonce.";
    /// Requests refused with any other error.
    refused, "refusals", "Requests refused with an error other than 401 and 438.";
    /// Answers that were not sent, because their source had had enough of them.
    withheld, "withheld", "Answers to strangers that the rate limit withheld.";
    /// Datagrams and messages that are no STUN or ChannelData.
    malformed, "malformed", "Messages that are neither STUN nor ChannelData.";
    /// Peers refused by the rules.
    forbidden, "forbidden_peers", "Requests and datagrams for peers that the rules close.";
    /// Messages relayed from clients to peers.
    sent_packets, "sent_packets", "Messages relayed from clients to peers.";
    /// Their payload in bytes.
    sent_bytes, "sent_bytes", "Payload relayed from clients to peers.";
    /// Messages relayed from peers to clients.
    received_packets, "received_packets", "Messages relayed from peers to clients.";
    /// Their payload in bytes.
    received_bytes, "received_bytes", "Payload relayed from peers to clients.";
    /// Data without an allocation, permission or channel.
    unpermitted, "unpermitted", "Data dropped for lack of an allocation, a permission or a channel.";
    /// Messages that the system had no room for; of the driver alone.
    lost, "lost", "Messages that the system had no room for.";
    /// Data above a bandwidth limit.
    limited, "limited", "Data dropped by bandwidth limits.";
}
