//! Bodies of the fuzz targets.

use crate::{Candidate, Limits, SessionDescription};

/// Whatever parses is written back as it was, and what is written parses to the same.
pub fn session_description(data: &[u8]) {
    let Ok(session) = SessionDescription::parse_bytes(data, &Limits::default()) else { return };
    let written = session.to_string();
    let again = SessionDescription::parse(&written).expect("what was written parses");
    assert_eq!(again, session);
    assert_eq!(again.to_string(), written);
    // Everything that is decoded on access must not panic either.
    for section in session.sections() {
        let _ = (section.direction(), section.fingerprints().count(), section.is_rejected());
        let _ = section.line.payload_types().count();
        for fmtp in section.fmtps() {
            let _ = (fmtp.payload_type(), fmtp.parameters().count());
        }
        for rid in section.rids() {
            let _ = (rid.payload_types().count(), rid.restrictions().count());
        }
        for image in section.image_attrs() {
            for sets in [&image.send, &image.recv].into_iter().flatten() {
                let _ = sets.iter().count();
            }
        }
        for candidate in section.candidates() {
            let _ = candidate.extensions().count();
        }
        if let Some(simulcast) = section.simulcast() {
            for streams in [&simulcast.send, &simulcast.recv].into_iter().flatten() {
                let _ = streams.iter().map(Iterator::count).sum::<usize>();
            }
        }
    }
}

/// A candidate that parses is written as a line that parses to the same.
pub fn candidate(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(candidate) = text.parse::<Candidate>() else { return };
    let written = candidate.to_string();
    assert_eq!(written.parse::<Candidate>().as_ref(), Ok(&candidate));
}
