//! Key logging in the NSS format (SSLKEYLOGFILE), so that a capture can be read by Wireshark.
//!
//! It is off unless the application hands a [`KeyLog`] over: these lines undo all protection of the traffic.

use std::{fmt, io, sync::Mutex};

use zeroize::Zeroizing;

/// Receives the secrets of a connection.
pub trait KeyLog: fmt::Debug + Send + Sync {
    /// Called once per secret: `label` is, for instance, `CLIENT_RANDOM` (DTLS 1.2) or `CLIENT_TRAFFIC_SECRET_0`
    /// (DTLS 1.3).
    fn log(&self, label: &str, client_random: &[u8; 32], secret: &[u8]);
}

/// Formats one line, newline included: `<label> <client random in hex> <secret in hex>`.
pub fn key_log_line(label: &str, client_random: &[u8; 32], secret: &[u8]) -> Zeroizing<String> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut line = Zeroizing::new(String::with_capacity(
        label.len() + 2 * (client_random.len() + secret.len()) + 3,
    ));
    line.push_str(label);
    for field in [&client_random[..], secret] {
        line.push(' ');
        for byte in field {
            line.push(char::from(HEX[usize::from(byte >> 4)]));
            line.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    line.push('\n');
    line
}

/// A [`KeyLog`] that writes its lines to any writer: a file that the application opened, or a buffer in a test.
///
/// Failures to write are ignored: a full disk must not end calls.
pub struct KeyLogWriter<W>(Mutex<W>);

impl<W: io::Write + Send> KeyLogWriter<W> {
    /// Wraps a writer; each line is one `write_all` followed by a flush.
    pub fn new(writer: W) -> Self {
        Self(Mutex::new(writer))
    }

    /// Gives the writer back.
    pub fn into_inner(self) -> W {
        self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<W: io::Write + Send> KeyLog for KeyLogWriter<W> {
    fn log(&self, label: &str, client_random: &[u8; 32], secret: &[u8]) {
        let line = key_log_line(label, client_random, secret);
        let mut writer = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let _ = writer.write_all(line.as_bytes()).and_then(|()| writer.flush());
    }
}

impl<W> fmt::Debug for KeyLogWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyLogWriter")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_in_nss_format() {
        let log = KeyLogWriter::new(Vec::new());
        log.log("CLIENT_RANDOM", &[0xab; 32], &[0x01, 0xf0]);
        let expected = format!("CLIENT_RANDOM {} 01f0\n", "ab".repeat(32));
        assert_eq!(String::from_utf8(log.into_inner()).expect("text"), expected);
    }
}
