//! Descriptions as text that survives copying, pasting and mailing.
//!
//! Base64 of the JSON form in short lines between two markers: a terminal cuts input lines at 4,096 characters, and
//! mail programs break long ones. The JSON form itself is accepted as well.

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use peerage::{SdpType, SessionDescription};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The longest blob that is read, in bytes.
const MAX_BLOB: usize = 1 << 20;
const LINE: usize = 72;

/// `RTCSessionDescriptionInit` as browsers write it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Json {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) sdp: String,
}

/// The JSON form of a description.
pub(crate) fn to_json(description: &SessionDescription) -> String {
    let json = Json { kind: description.kind.name().into(), sdp: description.sdp.clone() };
    // Two strings always serialize.
    serde_json::to_string(&json).unwrap_or_default()
}

/// Reads the JSON form.
pub(crate) fn from_json(text: &[u8], expected: SdpType) -> Result<SessionDescription> {
    let json: Json = serde_json::from_slice(text)
        .context(r#"expected JSON of the form {"type":"offer","sdp":"v=0..."}"#)?;
    let kind = SdpType::from_name(&json.kind)
        .with_context(|| format!("{:?} is no type of description", json.kind))?;
    if kind != expected {
        bail!("expected an {expected}, not an {kind}");
    }
    Ok(SessionDescription { kind, sdp: json.sdp })
}

/// The form to be pasted.
pub(crate) fn encode(description: &SessionDescription) -> String {
    let kind = description.kind.name().to_uppercase();
    let mut text = format!("-----BEGIN PEERAGE {kind}-----\n");
    let base64 = STANDARD.encode(to_json(description));
    for line in base64.as_bytes().chunks(LINE) {
        text.push_str(std::str::from_utf8(line).unwrap_or_default());
        text.push('\n');
    }
    text.push_str(&format!("-----END PEERAGE {kind}-----"));
    text
}

/// Reads either form from pasted text; what stands before it is skipped.
pub(crate) async fn read(
    input: &mut (impl AsyncBufRead + Unpin),
    expected: SdpType,
) -> Result<SessionDescription> {
    let mut base64: Option<String> = None;
    let mut read = 0;
    let mut line = String::new();
    loop {
        line.clear();
        let length = input.read_line(&mut line).await.context("cannot read standard input")?;
        read += length;
        if length == 0 {
            bail!("standard input ended before the {expected} was complete");
        }
        if read > MAX_BLOB {
            bail!("more than {MAX_BLOB} bytes, and no {expected} among them");
        }
        let text = line.trim();
        if let Some(base64) = &mut base64 {
            if text.starts_with("-----END PEERAGE") {
                let json =
                    STANDARD.decode(base64.as_bytes()).context("the pasted text is damaged")?;
                return from_json(&json, expected);
            }
            base64.push_str(text);
        } else if text.starts_with("-----BEGIN PEERAGE") {
            base64 = Some(String::new());
        } else if text.starts_with('{') {
            return from_json(text.as_bytes(), expected);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_text(text: &str) -> Result<SessionDescription> {
        read(&mut text.as_bytes(), SdpType::Offer).await
    }

    #[tokio::test]
    async fn both_forms_are_read_back() -> Result<()> {
        let offer = SessionDescription::offer("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n".repeat(40));
        let blob = encode(&offer);
        assert!(blob.lines().all(|line| line.len() <= LINE), "{blob}");
        assert_eq!(read_text(&format!("Hello,\n> paste this:\n  {blob}\n")).await?, offer);
        assert_eq!(read_text(&blob.replace('\n', "\r\n")).await?, offer);
        assert_eq!(read_text(&to_json(&offer)).await?, offer);
        Ok(())
    }

    #[tokio::test]
    async fn what_is_wrong_is_said() {
        let answer = SessionDescription::answer("v=0");
        let damaged = encode(&SessionDescription::offer("v=0")).replacen("ey", "e", 1);
        for (text, message) in [
            ("", "standard input ended before the offer was complete"),
            ("-----BEGIN PEERAGE OFFER-----\nab", "standard input ended before the offer"),
            ("{}", "expected JSON of the form"),
            (&encode(&answer), "expected an offer, not an answer"),
            (&damaged, "the pasted text is damaged"),
        ] {
            let error = format!("{:#}", read_text(text).await.expect_err(message));
            assert!(error.contains(message), "{error}");
        }
    }
}
