//! What lies beneath the data channels, layer by layer: gathering and ICE ([`ice`]), what goes over each pair ([`paths`]),
//! DTLS with the check of the peer's certificate ([`dtls`]) and SCTP ([`sctp`]). The connection moves packets between them.

pub(crate) mod dtls;
pub(crate) mod early;
pub(crate) mod ice;
pub(crate) mod paths;
pub(crate) mod sctp;
pub(crate) mod srtp;
