//! The JSON messages of a transfer.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use peerage::{DataChannel, Message};
use serde::{Deserialize, Serialize};

use crate::wait::{try_within, within};

/// The longest control message that is parsed, in bytes.
const MAX_LENGTH: usize = 16_384;

/// What the two sides tell each other.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Control {
    /// The sender has this file.
    File {
        name: String,
        size: u64,
        /// Of the whole file, in hexadecimal.
        sha256: String,
    },
    /// The receiver wants it from here on.
    Accept { offset: u64 },
    /// The receiver has all of it, and the digest is right.
    Received {},
    /// Either side gives up.
    Refuse { reason: String },
}

impl Control {
    pub(crate) async fn send(&self, channel: &DataChannel, limit: Duration) -> Result<()> {
        let text = serde_json::to_string(self).context("a message cannot be written")?;
        try_within(limit, "room in the data channel", channel.send(Message::text(text))).await
    }

    /// Reads a message; [`Control::Refuse`] becomes an error.
    pub(crate) fn read(message: &Message) -> Result<Control> {
        let Message::Text(text) = message else {
            bail!("the other side sent {} bytes where a message was expected", message.len());
        };
        if text.len() > MAX_LENGTH {
            bail!("the other side sent a message of {} bytes", text.len());
        }
        match serde_json::from_slice(text).context("the other side speaks another protocol")? {
            Control::Refuse { reason } => {
                // The peer's words, but not its control characters.
                let reason: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
                bail!("the other side gave up: {reason}");
            }
            control => Ok(control),
        }
    }

    /// Waits for a message.
    pub(crate) async fn receive(
        channel: &DataChannel,
        limit: Duration,
        what: &str,
    ) -> Result<Control> {
        let message = within(limit, what, channel.recv()).await?;
        Control::read(&message.with_context(|| format!("the channel closed before {what} came"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_tagged_json() -> Result<()> {
        let accept = Control::Accept { offset: 7 };
        assert_eq!(serde_json::to_string(&accept)?, r#"{"type":"accept","offset":7}"#);
        assert_eq!(Control::read(&Message::text(r#"{"type":"accept","offset":7}"#))?, accept);
        assert_eq!(Control::read(&Message::text(r#"{"type":"received"}"#))?, Control::Received {});
        Ok(())
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for (message, reason) in [
            (Message::binary("x"), "sent 1 bytes where a message was expected"),
            (Message::text("x"), "speaks another protocol"),
            (
                Message::text(r#"{"type":"file","name":"x","size":-1,"sha256":""}"#),
                "another protocol",
            ),
            (Message::text("x".repeat(MAX_LENGTH + 1)), "sent a message of 16385 bytes"),
            (Message::text(r#"{"type":"refuse","reason":"no\u001b[2J"}"#), "gave up: no[2J"),
        ] {
            let error = format!("{:#}", Control::read(&message).expect_err(reason));
            assert!(error.contains(reason), "{error}");
        }
    }
}
