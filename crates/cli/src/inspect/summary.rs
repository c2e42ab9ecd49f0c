//! A digest as a few lines for the terminal. Control characters that came from the log or the peer are not passed on.

use std::fmt::Write;

use peerage::log::{Direction, StateOf};

use super::Digest;
use super::digest::{bitrate, way};

/// The lines.
pub(crate) fn summary(digest: &Digest) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_summary(&mut text, digest);
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{FFFD}' } else { c }).collect()
}

fn write_summary(out: &mut String, digest: &Digest) -> std::fmt::Result {
    writeln!(out, "{}: {} events in {:.1} s", digest.name, digest.events, digest.seconds)?;
    let states: Vec<String> = digest
        .states
        .iter()
        .filter(|(_, of, _)| *of == StateOf::Connection)
        .map(|(at, _, state)| format!("{state} at {at:.2} s"))
        .collect();
    if !states.is_empty() {
        writeln!(out, "connection: {}", shortened(&states))?;
    }
    if let Some((local, remote)) = &digest.path {
        writeln!(out, "path: {local} to {remote}")?;
    }
    if let Some(handshake) = &digest.handshake {
        writeln!(out, "handshake: {handshake}")?;
    }
    for stream in digest.streams.iter().take(20) {
        let lasted = stream.ended.unwrap_or(digest.seconds) - stream.began;
        write!(out, "{:8} {}: {} packets", way(stream.direction), stream.label, stream.packets)?;
        if lasted >= 0.5 {
            write!(out, ", {}", bitrate((stream.bytes as f64 * 8.0 / lasted) as u64))?;
        }
        if stream.frames > 0 {
            write!(out, ", {} frames", stream.frames)?;
        }
        if let Some((width, height)) = stream.dimensions {
            write!(out, " of {width}x{height}")?;
        }
        if let Some(lost) = stream.lost {
            let all = stream.packets.max(1) as f64;
            let share = match stream.direction {
                Direction::Sent => f64::from(lost) / all,
                Direction::Received => f64::from(lost) / (all + f64::from(lost.max(0))),
            };
            write!(out, ", {lost} lost ({:.1} %)", share * 100.0)?;
        }
        if let Some(ms) = stream.round_trip_ms {
            write!(out, ", round trip {ms:.0} ms")?;
        }
        writeln!(out)?;
    }
    if digest.streams.len() > 20 {
        writeln!(out, "... and {} streams more", digest.streams.len() - 20)?;
    }
    if digest.truncated {
        writeln!(
            out,
            "the log's last line is cut off: its program was ended before it could finish"
        )?;
    }
    if digest.damaged > 0 {
        writeln!(out, "{} lines are damaged and were passed over", digest.damaged)?;
    }
    if digest.unknown > 0 {
        writeln!(
            out,
            "{} events are of a newer version and were passed over: update peerage to see them",
            digest.unknown
        )?;
    }
    Ok(())
}

/// The first and the last.
fn shortened(items: &[String]) -> String {
    match items {
        [first @ .., _] if first.len() > 6 => {
            let left = items.len() - 6;
            format!(
                "{}, ... {left} more ..., {}",
                items[..3].join(", "),
                items[items.len() - 3..].join(", ")
            )
        }
        _ => items.join(", "),
    }
}
