//! JavaScript Session Establishment Protocol (RFC 9429): descriptions of this end ([`local`]) and of the peer
//! ([`remote`]), what they say of audio and video ([`media`]), the rules between them ([`verify`]),
//! which section goes over which transport ([`placement`]) and the state machine ([`negotiation`]).

mod local;
mod media;
mod negotiation;
mod placement;
mod remote;
mod verify;

pub(crate) use local::LocalBody;
pub(crate) use media::{AgreedMedia, MediaParameters};
pub(crate) use negotiation::{LocalParameters, Negotiation};
pub(crate) use placement::{LocalTransports, TransportParameters};
pub(crate) use remote::{MAX_CANDIDATES, RemoteDescription, RemoteSection, RemoteTransport};
