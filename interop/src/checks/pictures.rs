//! What a peer read from the test pictures that it showed, and what it means.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::test_media::{FRAMES, RATE};

/// Cells of a picture that are coloured.
const COLOURS: u64 = 8;

/// A picture that was shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shown {
    /// Milliseconds of Unix time.
    pub at: f64,
    /// Seconds on the peer's own timeline.
    pub media_time: f64,
    /// `None` if it could not be read.
    pub number: Option<u32>,
    pub layer: Option<u8>,
    /// Whether the colours are those of the number.
    pub colours: bool,
    pub size: (u64, u64),
}

/// The pictures in an answer to `watched`.
pub(super) fn readings(watched: &Value) -> Vec<Shown> {
    let all = watched["readings"].as_array().into_iter().flatten();
    let read = |one: &Value| Shown {
        at: one[0].as_f64().unwrap_or(0.0),
        media_time: one[1].as_f64().unwrap_or(0.0),
        number: one[2].as_u64().map(|number| number as u32),
        layer: one[3].as_u64().map(|layer| layer as u8),
        colours: one[4].as_u64() == Some(COLOURS),
        size: (one[5].as_u64().unwrap_or(0), one[6].as_u64().unwrap_or(0)),
    };
    all.map(read).collect()
}

/// A sequence of pictures, judged.
#[derive(Debug, Default)]
pub(super) struct Tale {
    pub unreadable: u64,
    pub wrong_colours: u64,
    /// Times that a number was below the one before; the file begins again after the last.
    pub backwards: u64,
    /// Between two numbers that differ.
    pub longest_gap_ms: f64,
    /// Frames of the file from the first picture to the last.
    advance: u64,
    seconds: f64,
}

impl Tale {
    /// # Errors
    /// When there are too few to judge.
    pub(super) fn of(shown: &[Shown]) -> Result<Self> {
        let mut tale = Self::default();
        let mut last: Option<(u32, f64)> = None;
        let mut first = None;
        let mut newest = 0.0;
        for picture in shown {
            let Some(number) = picture.number else {
                tale.unreadable += 1;
                continue;
            };
            tale.wrong_colours += u64::from(!picture.colours);
            first.get_or_insert(picture.at);
            newest = picture.at;
            match last {
                Some((before, _)) if before == number => continue,
                Some((before, at)) => {
                    let step = (number + FRAMES - before) % FRAMES;
                    if step > FRAMES / 2 {
                        tale.backwards += 1;
                    } else {
                        tale.advance += u64::from(step);
                    }
                    tale.longest_gap_ms = tale.longest_gap_ms.max(picture.at - at);
                }
                None => {}
            }
            last = Some((number, picture.at));
        }
        tale.seconds = (newest - first.unwrap_or(newest)) / 1000.0;
        ensure!(
            tale.advance >= u64::from(RATE) / 2,
            "only {} pictures were shown, {} of them cannot be read",
            shown.len(),
            tale.unreadable
        );
        Ok(tale)
    }

    /// Seconds from the first picture to the last.
    pub(super) fn lasted(&self) -> f64 {
        self.seconds
    }

    /// Frames of the file a second, less those that the sender left out.
    pub(super) fn rate(&self, skipped: u64) -> f64 {
        self.advance.saturating_sub(skipped) as f64 / self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u32, ms: f64) -> Shown {
        let number = Some(number);
        Shown { at: ms, media_time: 0.0, number, layer: Some(0), colours: true, size: (1, 1) }
    }

    #[test]
    fn the_end_of_the_file_is_no_step_back() {
        let shown: Vec<_> =
            (0..60).map(|i| at((210 + i) % FRAMES, f64::from(i) * 1000.0 / 30.0)).collect();
        let tale = Tale::of(&shown).unwrap();
        assert_eq!((tale.backwards, tale.unreadable, tale.advance), (0, 0, 59));
        assert!((tale.rate(0) - 30.0).abs() < 0.01, "{tale:?}");
        assert!((tale.lasted() - 59.0 / 30.0).abs() < 0.01, "{tale:?}");
    }

    #[test]
    fn pauses_and_steps_back_are_seen() {
        let mut shown: Vec<_> = (0..40).map(|i| at(i, f64::from(i) * 33.0)).collect();
        shown.push(at(40, 2287.0));
        shown.push(at(38, 2300.0));
        shown.push(Shown { number: None, ..at(0, 2310.0) });
        let tale = Tale::of(&shown).unwrap();
        assert_eq!((tale.backwards, tale.unreadable), (1, 1));
        assert_eq!(tale.longest_gap_ms, 1000.0);
        assert!(Tale::of(&shown[..5]).is_err());
    }
}
