#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod address;
mod attribute;
mod attributes;
mod error;
mod field;
mod media;
mod parse;
mod scan;
mod session;
mod sink;
mod text;
mod value;

#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;

pub use address::{Host, NetworkAddress};
pub use attribute::Attribute;
pub use attribute::candidate::{Candidate, CandidateKind, CandidateTransport, TcpType};
pub use attribute::dtls::{ConnectionReuse, Fingerprint, HashFunction, Identity, Setup, TlsId};
pub use attribute::group::{Group, GroupSemantics, Msid, MsidSemantic};
pub use attribute::ice::{IcePwd, IceUfrag, RemoteCandidate, RemoteCandidates};
pub use attribute::image::{ImageAttr, ImageSet, ImageSets, SizeRange};
pub use attribute::rtp::{Direction, Extmap, Feedback, Fmtp, Rtcp, RtcpFb, Rtpmap};
pub use attribute::sctp::{Dcmap, Dcsa, SctpInit, SctpMap};
pub use attribute::simulcast::{Rid, RidDirection, Simulcast, SimulcastFormat, SimulcastStreams};
pub use attribute::ssrc::{Ssrc, SsrcAttribute, SsrcGroup, SsrcGroupSemantics};
pub use attributes::Attributes;
pub use error::Error;
pub use field::Field;
pub use media::{MediaDescription, MediaKind, MediaLine, Protocol};
pub use parse::Limits;
pub use session::{Bandwidth, Origin, Section, SessionDescription, TimeDescription, Timing};
pub use text::{Text, Word, Words};
pub use value::Decimal;
