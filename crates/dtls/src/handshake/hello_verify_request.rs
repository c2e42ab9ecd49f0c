//! HelloVerifyRequest, the cookie exchange of DTLS 1.2 (RFC 6347 §4.2.1).

use crate::codec::{Reader, put_u16, put_vec8};

/// A server's demand to repeat the ClientHello with a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HelloVerifyRequest {
    /// Says nothing about the version that will be negotiated (RFC 6347 §4.2.1).
    pub(crate) server_version: u16,
    pub(crate) cookie: Vec<u8>,
}

impl HelloVerifyRequest {
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let message = Self { server_version: reader.u16()?, cookie: reader.vec8()?.to_vec() };
        reader.is_empty().then_some(message)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        put_u16(out, self.server_version);
        put_vec8(out, |out| out.extend_from_slice(&self.cookie));
    }
}
