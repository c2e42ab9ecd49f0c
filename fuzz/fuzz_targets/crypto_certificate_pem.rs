//! PEM to a certificate and back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| peerage_crypto::fuzzing::certificate_pem(data));
