//! Bodies of fuzz targets for the file readers.

use std::io::Cursor;

use super::{
    AnnexBCodec, AnnexBReader, IvfReader, MAX_FRAME, MatroskaReader, ObuReader, ObuStreamFormat,
    OggOpusReader, PcapReader, RtpDumpReader, WavReader, Y4mReader,
};

/// Reads a file as the kind that the first byte chooses, to its end or the first error. Nothing comes out that is
/// longer than the file (but for start codes and sizes that are put in), and nothing after an error.
pub fn files(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    match choice % 11 {
        0 => drain(IvfReader::new(data).into_iter().flatten(), data, |f| f.data.len()),
        1 => drain(AnnexBReader::new(data, AnnexBCodec::H264), data, |u| u.data.len()),
        2 => drain(AnnexBReader::new(data, AnnexBCodec::H265), data, |u| u.data.len()),
        3 => drain(ObuReader::new(data, ObuStreamFormat::LowOverhead), data, |u| u.len()),
        4 => drain(ObuReader::new(data, ObuStreamFormat::LengthDelimited), data, |u| u.len()),
        5 => drain(OggOpusReader::new(data).into_iter().flatten(), data, |p| p.data.len()),
        6 => drain(RtpDumpReader::new(data).into_iter().flatten(), data, |p| p.data.len()),
        9 => drain(Y4mReader::new(data).into_iter().flatten(), data, |p| p.as_bytes().len()),
        10 => drain(MatroskaReader::new(data).into_iter().flatten(), data, |f| f.data.len()),
        7 => drain(PcapReader::new(data).into_iter().flatten(), data, |d| d.data.len()),
        _ => {
            if let Ok(mut reader) = WavReader::new(Cursor::new(data)) {
                let mut samples = [0; 64];
                let mut total = 0;
                while let Ok(count @ 1..) = reader.read(&mut samples) {
                    total += count;
                    assert!(total <= data.len());
                }
            }
        }
    }
}

fn drain<T, E>(
    mut items: impl Iterator<Item = Result<T, E>>,
    data: &[u8],
    size: impl Fn(&T) -> usize,
) {
    let mut count = 0;
    while let Some(item) = items.next() {
        let Ok(item) = item else {
            assert!(items.next().is_none(), "something came after an error");
            return;
        };
        count += 1;
        assert!(count <= data.len() + 1);
        assert!(size(&item) <= 3 * data.len() && size(&item) <= 2 * MAX_FRAME);
    }
}

#[cfg(test)]
#[path = "../../../../fuzz/inputs.rs"]
pub(crate) mod inputs;

#[cfg(test)]
mod tests {
    use super::inputs;

    #[test]
    fn bodies_hold_on_noise() {
        // Beginnings that get past the first checks, by kind.
        let heads: [&[u8]; 11] = [
            b"DKIF\0\0\x20\0VP80\x40\x01\xF0\0\x1E\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x03\0\0\0",
            &[0, 0, 0, 1, 0x65],
            &[0, 0, 1, 0x26, 1],
            &[0x12, 0, 0x32],
            &[5, 4, 3],
            b"OggS\0\x02",
            b"#!rtpplay1.0 1.2.3.4/5\n0123456789abcdef\0\x0C\0\x04",
            b"\xD4\xC3\xB2\xA1\x02\0\x04\0\0\0\0\0\0\0\0\0\xFF\xFF\0\0\x01\0\0\0",
            b"RIFF\x40\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1F\0\0\x80\x3E\0\0\x02\0\x10\0data\x20\0\0\0",
            b"YUV4MPEG2 W4 H2 F30:1\nFRAME\n0123456789abFRAME\n",
            b"\x1A\x45\xDF\xA3\x80\x18\x53\x80\x67\xFF\x16\x54\xAE\x6B\x8D\xAE\x8B\xD7\x81\x01\x83\x81\x01\x86\x83V_1\x1F\x43\xB6\x75\xFF\xE7\x81\0\xA3",
        ];
        let mut state = 0x2545_F491_4F6C_DD1Du64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        for round in 0..19_800usize {
            let kind = round % 11;
            let mut data = vec![kind as u8];
            if round % 4 != 0 {
                data.extend(heads[kind]);
            }
            for _ in 0..next() {
                let byte = next();
                data.push(if byte & 3 == 0 { byte >> 6 } else { byte });
            }
            super::files(&data);
        }
    }
    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("media_files", super::files);
    }
}
