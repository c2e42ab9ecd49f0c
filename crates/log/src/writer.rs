//! Writes a log: a line for the header, and one for each event.

use std::fmt;
use std::io::{self, Write};
use std::time::{Instant, SystemTime};

use crate::event::LogEvent;
use crate::header::Stored;
use crate::sink::EventSink;

/// Writes events as JSON lines, each with one call of `write_all`, so that a log which is cut off lacks whole lines but
/// for the last. Wrap a file into a [`BufWriter`](std::io::BufWriter).
///
/// As an [`EventSink`] it stops for good at the first error, which [`error`](Self::error) then tells.
pub struct LogWriter<W: Write> {
    writer: W,
    start: Instant,
    line: Vec<u8>,
    error: Option<io::Error>,
}

impl<W: Write> LogWriter<W> {
    /// Writes the header. `start` and `started` are one moment, by both clocks; times in the log count from it.
    ///
    /// # Errors
    /// The writer fails.
    pub fn new(writer: W, start: Instant, started: SystemTime, name: &str) -> io::Result<Self> {
        let mut log = Self { writer, start, line: Vec::with_capacity(256), error: None };
        serde_json::to_writer(&mut log.line, &Stored::new(started, name))?;
        log.end_line()?;
        Ok(log)
    }

    /// Writes an event. One from before the start counts as of the start.
    ///
    /// # Errors
    /// The writer fails.
    pub fn write(&mut self, now: Instant, event: &LogEvent<'_>) -> io::Result<()> {
        let at = now.saturating_duration_since(self.start).as_micros();
        self.line.clear();
        write!(self.line, "{{\"at\":{at}")?;
        let brace = self.line.len();
        serde_json::to_writer(&mut self.line, event)?;
        // Two objects become one.
        self.line[brace] = b',';
        self.end_line()
    }

    fn end_line(&mut self) -> io::Result<()> {
        self.line.push(b'\n');
        self.writer.write_all(&self.line)
    }

    /// What went wrong, if it stopped.
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// What it writes to.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// Writes what waits and gives the writer back.
    ///
    /// # Errors
    /// The writer fails, or failed before.
    pub fn finish(mut self) -> io::Result<W> {
        match self.error {
            Some(error) => Err(error),
            None => self.writer.flush().map(|()| self.writer),
        }
    }
}

impl<W: Write> EventSink for LogWriter<W> {
    fn record(&mut self, now: Instant, event: &LogEvent<'_>) {
        if self.error.is_none() {
            self.error = self.write(now, event).err();
        }
    }
}

impl<W: Write> fmt::Debug for LogWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogWriter").field("error", &self.error).finish_non_exhaustive()
    }
}
