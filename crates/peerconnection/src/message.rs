//! Application messages (RFC 8831 §6.6), as they go in by `send` and come out by `Event::Message`.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

/// A message on a data channel.
#[derive(Clone, PartialEq, Eq)]
pub enum Message {
    /// Text, in UTF-8. Bytes from a peer are handed on as they came; [`Message::as_text`] decodes them.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(Bytes::from(text.into()))
    }

    /// A binary message.
    pub fn binary(data: impl Into<Bytes>) -> Self {
        Self::Binary(data.into())
    }

    /// The payload.
    pub const fn data(&self) -> &Bytes {
        match self {
            Self::Text(data) | Self::Binary(data) => data,
        }
    }

    /// The payload, without copying.
    pub fn into_data(self) -> Bytes {
        match self {
            Self::Text(data) | Self::Binary(data) => data,
        }
    }

    /// The text of a text message. Bytes that are not UTF-8 become U+FFFD, as "UTF-8 decode" of the Encoding
    /// standard does and webrtc-pc §6.2 demands.
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(data) => Some(String::from_utf8_lossy(data)),
            Self::Binary(_) => None,
        }
    }

    /// Payload length in bytes.
    pub const fn len(&self) -> usize {
        self.data().len()
    }

    /// Whether the payload is empty.
    pub const fn is_empty(&self) -> bool {
        self.data().is_empty()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Payloads may be large and private: only their size is shown.
        match self {
            Self::Text(data) => write!(f, "Text({} bytes)", data.len()),
            Self::Binary(data) => write!(f, "Binary({} bytes)", data.len()),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Bytes> for Message {
    fn from(data: Bytes) -> Self {
        Self::Binary(data)
    }
}

impl From<Vec<u8>> for Message {
    fn from(data: Vec<u8>) -> Self {
        Self::Binary(data.into())
    }
}

impl From<&[u8]> for Message {
    fn from(data: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(data))
    }
}
