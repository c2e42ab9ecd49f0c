//! Recordings of cells: what travelled, decrypted with the session keys, and the descriptions that were exchanged.
//!
//! The runner writes one with `--record`; the tests under `tests/` replay those that lie in `vectors/interop/`.

pub mod capture;
pub mod dtls;

use std::collections::HashMap;

/// Session secrets in NSS format: by label and client random.
#[derive(Debug, Default)]
pub struct KeyLog(HashMap<(String, [u8; 32]), Vec<u8>>);

impl KeyLog {
    /// Reads lines of `LABEL CLIENT_RANDOM SECRET`; others are passed over.
    pub fn parse(text: &str) -> Self {
        let mut secrets = HashMap::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(label), Some(random), Some(secret)) =
                (words.next(), words.next().and_then(unhex), words.next().and_then(unhex))
            else {
                continue;
            };
            if let Ok(random) = random.try_into() {
                secrets.insert((label.to_owned(), random), secret);
            }
        }
        Self(secrets)
    }

    /// The secret of a session.
    pub fn secret(&self, label: &str, client_random: &[u8; 32]) -> Option<&[u8]> {
        self.0.get(&(label.to_owned(), *client_random)).map(Vec::as_slice)
    }

    /// The lines of a key log that belong to these sessions.
    pub fn lines_of(text: &str, client_randoms: &[[u8; 32]]) -> String {
        let names: Vec<String> =
            client_randoms.iter().map(|random| crate::payload::hex(random)).collect();
        text.lines()
            .filter(|line| names.iter().any(|name| line.contains(name.as_str())))
            .map(|line| format!("{line}\n"))
            .collect()
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_by_label_and_session() {
        let (ours, other) = ("11".repeat(32), "22".repeat(32));
        let text =
            format!("# comment\nCLIENT_RANDOM {ours} 0aff\nCLIENT_RANDOM {other} 01\nhalf a line");
        let log = KeyLog::parse(&text);
        assert_eq!(log.secret("CLIENT_RANDOM", &[0x11; 32]), Some(&[0x0a, 0xff][..]));
        assert_eq!(log.secret("SERVER", &[0x11; 32]), None);
        assert_eq!(KeyLog::lines_of(&text, &[[0x22; 32]]), format!("CLIENT_RANDOM {other} 01\n"));
    }
}
