//! Reads a log as a stream, whatever became of the program that wrote it: the last line may be cut off, lines in between
//! may be damaged, and events of newer versions are passed over. All of it is counted.

use std::fmt;
use std::io::{BufRead, Read};
use std::time::Duration;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::Error;
use crate::event::LogEvent;
use crate::header::{FORMAT, Header, Stored, VERSION};

/// The longest line that is read, in bytes: more than the longest description. Longer ones count as damaged.
pub const MAX_LINE: usize = 4 << 20;

/// An event of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When, since the log began.
    pub at: Duration,
    /// What.
    pub event: LogEvent<'static>,
}

#[derive(Deserialize)]
struct StoredRecord {
    at: u64,
    #[serde(flatten)]
    event: LogEvent<'static>,
}

/// What any event has.
#[derive(Deserialize)]
struct Outline {
    #[allow(dead_code, reason = "it has to be there")]
    at: u64,
    #[allow(dead_code, reason = "it has to be there")]
    event: String,
    #[serde(flatten)]
    #[allow(dead_code, reason = "the rest may be anything")]
    rest: std::collections::BTreeMap<String, IgnoredAny>,
}

/// Reads a log, as an iterator over its records.
pub struct LogReader<R: BufRead> {
    reader: R,
    header: Header,
    line: Vec<u8>,
    unknown: u64,
    damaged: u64,
    truncated: bool,
    ended: bool,
}

/// What there was of a line.
enum Line {
    Whole,
    /// The file ended before the line did.
    Cut,
    TooLong,
    None,
}

impl<R: BufRead> LogReader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// The file is empty, no log, or of another version.
    pub fn new(mut reader: R) -> Result<Self, Error> {
        let mut line = Vec::new();
        match read_line(&mut reader, &mut line)? {
            Line::None => return Err(Error::Empty),
            Line::TooLong => return Err(Error::NotALog),
            Line::Whole | Line::Cut => {}
        }
        let stored: Stored = serde_json::from_slice(&line).map_err(|_| Error::NotALog)?;
        if stored.format != FORMAT {
            return Err(Error::NotALog);
        }
        if stored.version != VERSION {
            return Err(Error::Version { found: stored.version });
        }
        let header = stored.into_header();
        Ok(Self { reader, header, line, unknown: 0, damaged: 0, truncated: false, ended: false })
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Events so far that a newer version wrote.
    pub fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Lines so far that are no events.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Whether the last line was cut off, as when the program that wrote it was ended by force.
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    fn take_line(&mut self) -> Option<Record> {
        match serde_json::from_slice::<StoredRecord>(&self.line) {
            Ok(StoredRecord { at, event }) => {
                return Some(Record { at: Duration::from_micros(at), event });
            }
            Err(_) if serde_json::from_slice::<Outline>(&self.line).is_ok() => self.unknown += 1,
            Err(_) => self.damaged += 1,
        }
        None
    }
}

impl<R: BufRead> Iterator for LogReader<R> {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match read_line(&mut self.reader, &mut self.line) {
                Ok(Line::Whole) if self.line.trim_ascii().is_empty() => {}
                Ok(Line::Whole) => {
                    if let Some(record) = self.take_line() {
                        return Some(Ok(record));
                    }
                }
                Ok(Line::TooLong) => self.damaged += 1,
                Ok(Line::Cut) => {
                    self.ended = true;
                    // An editor may have taken the last line feed away.
                    let before = (self.unknown, self.damaged);
                    let record = self.take_line();
                    self.truncated = self.damaged > before.1;
                    self.damaged = before.1;
                    return record.map(Ok);
                }
                Ok(Line::None) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error.into()));
                }
            }
        }
        None
    }
}

impl<R: BufRead> fmt::Debug for LogReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogReader").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Reads up to the next line feed, which is not kept. Of a line that is too long nothing is.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<Line> {
    line.clear();
    reader.by_ref().take(MAX_LINE as u64 + 1).read_until(b'\n', line)?;
    match line.last() {
        None => Ok(Line::None),
        Some(b'\n') => {
            line.pop();
            Ok(Line::Whole)
        }
        Some(_) if line.len() <= MAX_LINE => Ok(Line::Cut),
        Some(_) => {
            line.clear();
            reader.skip_until(b'\n')?;
            Ok(Line::TooLong)
        }
    }
}
