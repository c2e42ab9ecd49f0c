//! libsrtp beside peerage-srtp.
