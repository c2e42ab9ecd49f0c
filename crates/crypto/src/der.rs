//! The little DER (X.690) that self-signed certificates need: a writer that nests, and a reader that walks.

use std::time::{Duration, SystemTime};

use crate::Error;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
/// Context tag 0, constructed: the version field of a certificate.
pub(crate) const CONTEXT_0: u8 = 0xa0;
/// Context tags 1 and 2, primitive: the unique identifiers of issuer and subject.
pub(crate) const CONTEXT_1: u8 = 0x81;
pub(crate) const CONTEXT_2: u8 = 0x82;
/// Context tag 3, constructed: the extensions.
pub(crate) const CONTEXT_3: u8 = 0xa3;

/// Encodes one element around the concatenation of `contents`.
pub(crate) fn element(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let length: usize = contents.iter().map(|part| part.len()).sum();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let octets = length.to_be_bytes();
        let octets = &octets[octets.iter().take_while(|octet| **octet == 0).count()..];
        out.push(0x80 | octets.len() as u8);
        out.extend_from_slice(octets);
    }
    for part in contents {
        out.extend_from_slice(part);
    }
    out
}

/// Walks the elements of DER; offsets in errors count from the start of the outermost encoding.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    data: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, offset: 0 }
    }

    pub(crate) fn peek_tag(&self) -> Option<u8> {
        self.data.first().copied()
    }

    pub(crate) fn error(&self, reason: &'static str) -> Error {
        Error::InvalidCertificate { offset: self.offset, reason }
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Steps over one element with this tag, whole, header included.
    pub(crate) fn whole(&mut self, tag: u8, reason: &'static str) -> Result<&'a [u8], Error> {
        let before = self.data;
        self.enter(tag, reason)?;
        Ok(&before[..before.len() - self.data.len()])
    }

    /// Steps over one element with this tag and gives a reader of its contents.
    pub(crate) fn enter(&mut self, tag: u8, reason: &'static str) -> Result<Reader<'a>, Error> {
        let error = self.error(reason);
        let [found, first, rest @ ..] = self.data else { return Err(error) };
        if *found != tag {
            return Err(error);
        }
        let (length, octets) = match *first {
            short @ 0..=0x7f => (usize::from(short), 0),
            // Four octets of length hold more than any certificate in a handshake (2^24 bytes).
            long @ 0x81..=0x84 => {
                let octets = usize::from(long & 0x7f);
                let Some(value) = rest.get(..octets) else { return Err(error) };
                (value.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), octets)
            }
            _ => return Err(error),
        };
        let Some(contents) = rest.get(octets..).and_then(|rest| rest.get(..length)) else {
            return Err(error);
        };
        let header = 2 + octets;
        let inner = Reader { data: contents, offset: self.offset + header };
        self.data = &self.data[header + length..];
        self.offset += header + length;
        Ok(inner)
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.data
    }
}

/// Encodes a time as a certificate wants it: UTCTime until 2049, GeneralizedTime after (RFC 5280 §4.1.2.5).
pub(crate) fn time(time: SystemTime) -> Vec<u8> {
    // Times before 1970 or after 9999 cannot come from a working clock; they are clamped to what can be written.
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
        .min(253_402_300_799);
    let (year, month, day) = civil_from_days(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let rest = format!("{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
    if year < 2050 {
        element(UTC_TIME, &[format!("{:02}", year % 100).as_bytes(), rest.as_bytes()])
    } else {
        element(GENERALIZED_TIME, &[format!("{year:04}").as_bytes(), rest.as_bytes()])
    }
}

/// Reads a UTCTime or GeneralizedTime in the one form that RFC 5280 §4.1.2.5 allows.
pub(crate) fn read_time(reader: &mut Reader<'_>) -> Result<SystemTime, Error> {
    const WANTED: &str = "a time was expected";
    let error = reader.error(WANTED);
    let (text, year_len) = match reader.peek_tag() {
        Some(UTC_TIME) => (reader.enter(UTC_TIME, WANTED)?.bytes(), 2),
        _ => (reader.enter(GENERALIZED_TIME, WANTED)?.bytes(), 4),
    };
    if text.len() != year_len + 11 || text[year_len + 10] != b'Z' {
        return Err(error);
    }
    let number = |range: std::ops::Range<usize>| {
        text[range].iter().try_fold(0_u64, |value, digit| {
            digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0'))
        })
    };
    let read = || {
        let year = number(0..year_len)?;
        // RFC 5280 §4.1.2.5.1: two digits from 50 on are of the last century.
        let year = match year_len {
            2 if year >= 50 => 1900 + year,
            2 => 2000 + year,
            _ => year,
        };
        let mut fields = [0; 5];
        for (index, field) in fields.iter_mut().enumerate() {
            let at = year_len + 2 * index;
            *field = number(at..at + 2)?;
        }
        let [month, day, hour, minute, second] = fields;
        if !(1..=12).contains(&month)
            || !(1..=31).contains(&day)
            || hour > 23
            || minute > 59
            || second > 60
        {
            return None;
        }
        // Validity that began before 1970 is as good as validity that began in 1970.
        let days = days_from_civil(year, month, day).unwrap_or(0);
        Some(
            SystemTime::UNIX_EPOCH
                + Duration::from_secs(days * 86_400 + hour * 3600 + minute * 60 + second),
        )
    };
    read().ok_or(error)
}

/// Days since 1970-01-01 to a date of the Gregorian calendar. Counting years from March puts the leap day last.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    // 719,468 days lie between 0000-03-01 and 1970-01-01; 146,097 make the 400-year cycle.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The inverse of [`civil_from_days`]; `None` before 1970.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = year.checked_sub(u64::from(month <= 2))?;
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn times_are_written_as_rfc_5280_asks() {
        assert_eq!(time(at(0)), b"\x17\x0d700101000000Z");
        assert_eq!(time(at(951_782_400)), b"\x17\x0d000229000000Z");
        assert_eq!(time(at(1_700_000_000)), b"\x17\x0d231114221320Z");
        assert_eq!(time(at(2_524_608_000)), b"\x18\x0f20500101000000Z");
    }

    #[test]
    fn times_round_trip() {
        for seconds in (0..5_000_000_000).step_by(86_400 * 7 + 3601) {
            let encoded = time(at(seconds));
            assert_eq!(read_time(&mut Reader::new(&encoded)), Ok(at(seconds)));
        }
    }

    #[test]
    fn malformed_times_are_refused() {
        for text in ["231314221320Z", "2311142213200", "23111422132Z", "23x114221320Z"] {
            let encoded = element(UTC_TIME, &[text.as_bytes()]);
            assert!(read_time(&mut Reader::new(&encoded)).is_err(), "{text}");
        }
    }

    #[test]
    fn long_lengths_round_trip() {
        for length in [0, 127, 128, 255, 256, 70_000] {
            let encoded = element(SEQUENCE, &[&vec![7; length]]);
            let inner = Reader::new(&encoded).enter(SEQUENCE, "").expect("valid");
            assert_eq!(inner.bytes().len(), length);
        }
        assert!(Reader::new(&[SEQUENCE, 0x85, 1, 1, 1, 1, 1]).enter(SEQUENCE, "").is_err());
        assert!(
            Reader::new(&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]).enter(SEQUENCE, "").is_err()
        );
    }
}
