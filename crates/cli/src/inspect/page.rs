//! One HTML page of a digest. All that comes from the log goes in as one block of JSON that no parser of HTML can take for
//! anything else, and is shown as text; and the page's own policy lets no other script run than its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use super::Digest;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// How a page begins, so that it is known again.
pub(crate) const MARK: &str = "<!doctype html>\n<!-- written by peerage inspect -->\n";

/// The page.
pub(crate) fn page(digest: &Digest) -> Result<String, serde_json::Error> {
    let data = escape(&serde_json::to_string(digest)?);
    let hash = BASE64.encode(Sha256::digest(SCRIPT));
    // What came from the log is put in last, so that nothing is looked for in it.
    let page = TEMPLATE
        .replace("{{hash}}", &hash)
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT);
    let (before, after) = page.split_once("{{data}}").unwrap_or((&page, ""));
    Ok([MARK, before, &data, after].concat())
}

/// JSON that is JSON within HTML too: no tag and no comment begins or ends in it.
fn escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len() + json.len() / 16);
    for character in json.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped
}
