//! Bodies of the fuzz targets.

use std::time::{Instant, SystemTime};

use crate::{LogReader, LogWriter};

/// Reads a log to its end; what comes out is written and read again, and is the same.
pub fn log(data: &[u8]) {
    let Ok(mut reader) = LogReader::new(data) else { return };
    let records: Vec<_> = reader.by_ref().map_while(Result::ok).collect();
    let lines = data.split(|byte| *byte == b'\n').count();
    let seen = records.len() as u64 + reader.unknown() + reader.damaged();
    assert!(seen < lines as u64, "{seen} records of {lines} lines");
    let start = Instant::now();
    let name = reader.header().name.clone();
    let mut writer = LogWriter::new(Vec::new(), start, SystemTime::UNIX_EPOCH, &name)
        .expect("a vector takes all");
    let mut written = Vec::new();
    for record in records {
        // A moment that the clock cannot name is not written either.
        if let Some(now) = start.checked_add(record.at) {
            writer.write(now, &record.event).expect("a vector takes all");
            written.push(record);
        }
    }
    let bytes = writer.finish().expect("a vector takes all");
    let mut reader = LogReader::new(&bytes[..]).expect("we wrote it");
    assert_eq!(reader.header().name, name);
    let again: Vec<_> = reader.by_ref().collect::<Result<_, _>>().expect("we wrote it");
    assert_eq!(again, written);
    assert_eq!((reader.unknown(), reader.damaged(), reader.truncated()), (0, 0, false));
}

#[cfg(test)]
#[path = "../../../fuzz/inputs.rs"]
mod inputs;

#[cfg(test)]
mod tests {
    use super::inputs;
    use crate::header::{FORMAT, VERSION};

    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("log_reader", super::log);
    }

    #[test]
    fn the_body_holds_on_noise() {
        let head = format!("{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\"name\":\"x\"}}\n");
        let lines = [
            r#"{"at":1,"event":"state","of":"ice","state":"checking"}"#,
            r#"{"at":2,"event":"packet-sent","ssrc":7,"sequence":9,"size":1200,"marker":true}"#,
            r#"{"at":3,"event":"selected-pair","local":"[::1]:5","remote":"192.0.2.1:6"}"#,
            r#"{"at":4,"event":"frame-received","ssrc":7,"dimensions":[640,360]}"#,
            r#"{"at":5,"event":"something-new","x":[1,{"y":null}]}"#,
            r#"{"at":18446744073709551615,"event":"note","text":"\u0000\ud83d\ude00</script>"}"#,
            r#"{"at":6,"event":"rtcp","kind":"of tomorrow","ssrc":-1}"#,
        ];
        let mut state = 0x2545_F491_4F6C_DD1Du64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as usize
        };
        for round in 0..4000 {
            let mut data = head.clone().into_bytes();
            for _ in 0..next() % 6 {
                data.extend_from_slice(lines[next() % lines.len()].as_bytes());
                data.push(b'\n');
            }
            for _ in 0..round % 4 {
                let at = next() % data.len();
                match next() % 3 {
                    0 => data[at] = next() as u8,
                    1 => data.truncate(at.max(1)),
                    _ => data.insert(at, b"\"{}[]:,\n0-\\"[next() % 11]),
                }
            }
            super::log(&data);
        }
    }
}
