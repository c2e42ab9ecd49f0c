#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod agent;
mod candidate;
mod candidate_text;
mod checklist;
mod config;
mod consent;
mod credentials;
mod error;
mod event;
mod failure;
pub mod framing;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod local;
pub mod mdns;
pub mod relay;
mod remote;
mod session;
mod state;
mod transmit;

pub use agent::{IceAgent, local_ufrag};
pub use candidate::{
    Candidate, CandidateAddress, CandidateKind, CandidateTransport, TcpType, pair_priority,
    priority, tcp_priority,
};
pub use candidate_text::{MAX_CANDIDATE_LEN, MAX_EXTENSIONS};
pub use config::{FamilyPolicy, IceConfig, MdnsMode, Timers, TransportPolicy};
pub use credentials::{Credentials, MAX_CREDENTIAL_LEN};
pub use error::Error;
pub use event::{Counters, Event, Handled, PairStats, SelectedPair};
pub use failure::{Failure, FailureCause, PairAttempt};
pub use state::{GatheringState, IceConnectionState, PairState, Role};
pub use transmit::{Ecn, Input, Protocol, StreamEnd, Transmit};
