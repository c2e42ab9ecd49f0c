//! What lies beneath media and data, layer by layer: gathering and ICE ([`ice`]), what goes over each pair ([`paths`]),
//! DTLS with the check of the peer's certificate ([`dtls`]) and SCTP ([`sctp`]). A [`set`] of them belongs to a connection,
//! which moves packets between the layers.

pub(crate) mod dtls;
pub(crate) mod early;
pub(crate) mod ice;
pub(crate) mod paths;
pub(crate) mod sctp;
pub(crate) mod set;
pub(crate) mod srtp;
