//! What happens, told as text on standard error or as JSON lines on standard output.

use std::fmt;
use std::io::Write;

use peerage::stats::StatsReport;
use serde::Serialize;

use crate::commands::diagnose::Diagnosis;

/// Something that happened. The JSON form has the field `event` with the name in kebab case.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event<'a> {
    /// The HTTP server is up.
    Listening { url: String },
    /// A description to be handed to the other side.
    Description { kind: &'a str, sdp: &'a str, blob: &'a str },
    /// The state of a connection changed.
    State { connection: u64, state: &'a str },
    /// The addresses that carry a connection.
    Path { connection: u64, local: String, remote: String },
    /// DTLS is up.
    Handshake { connection: u64, version: &'a str, group: &'a str, cipher_suite: &'a str },
    /// A channel opened.
    Channel { connection: u64, label: &'a str, id: Option<u16> },
    /// A channel closed.
    ChannelClosed { connection: u64, label: &'a str, messages: u64, bytes: u64 },
    /// A message was received.
    Message { connection: u64, label: &'a str, kind: &'a str, bytes: usize },
    /// Media of the peer goes back to it.
    Track { connection: u64, kind: &'a str },
    /// Media went back; the connection is over.
    Mirrored { connection: u64, kind: &'a str, frames: u64, bytes: u64 },
    /// What `getStats` tells at the end of a connection.
    Statistics { connection: u64, statistics: &'a StatsReport },
    /// A message came back.
    Echoed { kind: &'a str, bytes: usize, milliseconds: f64 },
    /// All messages came back.
    Checked { messages: u64, bytes: u64, milliseconds: f64 },
    /// A file is about to be sent or received.
    File { name: &'a str, size: u64, sha256: &'a str, offset: u64 },
    /// So much of a file is done.
    Progress { bytes: u64, size: u64 },
    /// A file is complete.
    Complete { name: &'a str, size: u64, sha256: &'a str },
    /// A source was opened, to be sent.
    #[cfg(feature = "call")]
    Capturing { kind: &'a str, label: &'a str },
    /// A track of the other side came.
    #[cfg(feature = "call")]
    Receiving { connection: u64, kind: &'a str },
    /// A recording is complete.
    #[cfg(feature = "call")]
    Recorded { file: &'a str, pictures: u64, seconds: f64 },
    /// A call is over: pictures that were shown, seconds of sound that were played.
    #[cfg(feature = "call")]
    Called { connection: u64, pictures: u64, sound: f64 },
    /// A page was made of a log.
    Page { page: &'a str, bytes: u64, summary: &'a str },
    /// A client of the TURN server has an allocation.
    Allocated { client: String, username: &'a str, relayed: String },
    /// It is gone.
    Freed { client: String, username: &'a str, reason: String, sent: u64, received: u64 },
    /// What stands between this machine and the internet.
    Diagnosis { diagnosis: &'a Diagnosis, text: &'a str },
    /// Something failed, but the program goes on.
    Warning { message: String },
    /// The program ends with this reason.
    Error { message: String },
}

impl Event<'_> {
    /// Whether only `--verbose` and `--json` show it.
    fn is_detail(&self) -> bool {
        matches!(
            self,
            Event::Message { .. }
                | Event::Path { .. }
                | Event::Handshake { .. }
                | Event::Echoed { .. }
                | Event::Progress { .. }
        )
    }
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Listening { url } => write!(f, "listening on {url}"),
            Event::Description { blob, .. } => f.write_str(blob),
            Event::State { connection, state } => write!(f, "connection {connection}: {state}"),
            Event::Path { connection, local, remote } => {
                write!(f, "connection {connection}: {local} to {remote}")
            }
            Event::Handshake { connection, version, group, cipher_suite } => {
                write!(f, "connection {connection}: {version}, {group}, {cipher_suite}")
            }
            Event::Channel { connection, label, .. } => {
                write!(f, "connection {connection}: channel {label:?} opened")
            }
            Event::Allocated { client, username, relayed } => {
                write!(f, "{client}: {username} has {relayed}")
            }
            Event::Freed { client, username, reason, sent, received } => write!(
                f,
                "{client}: {username}'s allocation ended ({reason}): {sent} bytes sent, {received} received"
            ),
            Event::ChannelClosed { connection, label, messages, bytes } => write!(
                f,
                "connection {connection}: channel {label:?} closed after {messages} messages, {bytes} bytes"
            ),
            Event::Track { connection, kind } => {
                write!(f, "connection {connection}: {kind} comes in and goes back")
            }
            Event::Mirrored { connection, kind, frames, bytes } => {
                write!(
                    f,
                    "connection {connection}: {kind}: {frames} frames went back, {bytes} bytes"
                )
            }
            Event::Message { connection, label, kind, bytes } => {
                write!(f, "connection {connection}: {bytes} bytes of {kind} on {label:?}")
            }
            Event::Echoed { kind, bytes, milliseconds } => {
                write!(f, "{bytes} bytes of {kind} came back in {milliseconds:.1} ms")
            }
            Event::Checked { messages, bytes, milliseconds } => write!(
                f,
                "ok: {messages} messages, {bytes} bytes came back as they were sent, in {milliseconds:.1} ms"
            ),
            Event::File { name, size, offset: 0, .. } => write!(f, "{name}: {size} bytes"),
            Event::File { name, size, offset, .. } => {
                write!(f, "{name}: {size} bytes, resuming at {offset}")
            }
            Event::Progress { bytes, size } => write!(f, "{bytes} of {size} bytes"),
            Event::Complete { name, size, sha256 } => {
                write!(f, "{name}: complete, {size} bytes, SHA-256 {sha256}")
            }
            Event::Statistics { statistics, .. } => {
                let text = serde_json::to_string_pretty(statistics).map_err(|_| fmt::Error)?;
                f.write_str(&text)
            }
            #[cfg(feature = "call")]
            Event::Capturing { kind, label } => write!(f, "{kind} of {label:?} is sent"),
            #[cfg(feature = "call")]
            Event::Receiving { connection, kind } => {
                write!(f, "connection {connection}: {kind} comes")
            }
            #[cfg(feature = "call")]
            Event::Recorded { file, pictures, seconds } => {
                write!(f, "{file}: {pictures} pictures, {seconds:.1} s")
            }
            #[cfg(feature = "call")]
            Event::Called { connection, pictures, sound } => {
                write!(
                    f,
                    "connection {connection}: {pictures} pictures and {sound:.1} s of sound came"
                )
            }
            Event::Page { page, summary, .. } => write!(f, "{summary}page: {page}"),
            Event::Diagnosis { text, .. } => f.write_str(text),
            Event::Warning { message } => write!(f, "warning: {message}"),
            Event::Error { message } => write!(f, "error: {message}"),
        }
    }
}

/// Where events go. Copied freely: it is two flags.
#[derive(Clone, Copy)]
pub(crate) struct Report {
    json: bool,
    verbose: bool,
}

impl Report {
    pub(crate) fn new(json: bool, verbose: bool) -> Report {
        Report { json, verbose }
    }

    /// Whether events are JSON lines.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Tells an event. A closed pipe is no reason to stop: whoever reads may have seen enough.
    pub(crate) fn event(self, event: &Event<'_>) {
        if self.json {
            if let Ok(line) = serde_json::to_string(event) {
                let _ = writeln!(std::io::stdout().lock(), "{line}");
            }
        } else if matches!(
            event,
            Event::Description { .. } | Event::Statistics { .. } | Event::Diagnosis { .. }
        ) {
            // For the other terminal, or a pipe: what was asked for goes to standard output.
            let _ = writeln!(std::io::stdout().lock(), "{event}");
        } else if self.verbose || !event.is_detail() {
            let _ = writeln!(std::io::stderr().lock(), "{event}");
        }
    }

    /// Tells a person what to do next; JSON readers know.
    pub(crate) fn hint(self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    pub(crate) fn warning(self, message: impl fmt::Display) {
        self.event(&Event::Warning { message: message.to_string() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_named_in_kebab_case() {
        let event = Event::ChannelClosed { connection: 1, label: "chat", messages: 2, bytes: 3 };
        assert_eq!(
            serde_json::to_string(&event).expect("it serializes"),
            r#"{"event":"channel-closed","connection":1,"label":"chat","messages":2,"bytes":3}"#
        );
    }
}
