//! What a receiver keeps of each stream, and when it reports: statistics (RFC 3550 App. A.1, A.3, A.8), the schedule of
//! RTCP (RFC 3550 §6.3, RFC 4585 §3.5), arrivals for the sender's congestion control, and which media section a stream belongs to (RFC 9143 §9.2).

mod arrivals;
mod demux;
mod schedule;
mod statistics;

pub use arrivals::{
    FEW_ARRIVALS, MAX_ARRIVALS, MAX_REPORTED_STREAMS, MAX_STREAM_ARRIVALS, StreamArrivals,
    TransportArrivals,
};
pub use demux::{
    Demultiplexer, MAX_LATCHED_STREAMS, MAX_SECTIONS, MAX_STREAM_IDS, MediaSection, Route,
    StreamRole,
};
pub use schedule::{EarlyFeedback, RtcpSchedule, RtcpScheduleConfig};
pub use statistics::{MAX_DROPOUT, MAX_MISORDER, ReceiveStatistics, Reception};
