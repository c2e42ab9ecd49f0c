//! Snapshots: a picture as PNG, upright.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::convert::{ColorSpace, RgbLayout, to_rgb};
use super::scale::rotate;
use super::{I420, Rotation, VideoFrame};

/// Writes a picture as PNG (8 bits of red, green and blue), turned as it is to be shown.
///
/// # Errors
///
/// What `out` says.
pub fn write_png(frame: &VideoFrame, space: ColorSpace, out: impl Write) -> io::Result<()> {
    let upright = match frame.rotation {
        Rotation::None => Cow::Borrowed(&*frame.picture),
        rotation => {
            let mut upright = I420::black(1, 1);
            rotate(&frame.picture, rotation, &mut upright);
            Cow::Owned(upright)
        }
    };
    let (width, height) = (upright.width(), upright.height());
    let stride = usize::from(width) * RgbLayout::Rgb.bytes();
    let mut pixels = vec![0; stride * usize::from(height)];
    to_rgb(&upright, space, RgbLayout::Rgb, &mut pixels, stride).map_err(io::Error::other)?;
    let mut encoder = png::Encoder::new(out, width.into(), height.into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(())
}

/// Writes a picture as a PNG file, in place of one of the same name.
///
/// # Errors
///
/// What the file system says, after the file's name.
pub fn save_png(frame: &VideoFrame, space: ColorSpace, path: impl AsRef<Path>) -> io::Result<()> {
    let path = path.as_ref();
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        write_png(frame, space, &mut file)?;
        file.flush()
    };
    // What the system says names no file.
    write().map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_picture_is_read_back_upright() {
        let mut picture = I420::black(6, 4);
        // The lower left corner is white: turned by a quarter it is the upper left one.
        let luma = picture.planes_mut().0;
        for at in [12, 13, 18, 19] {
            luma[at] = 235;
        }
        let mut frame = VideoFrame::new(picture, Duration::ZERO);
        frame.rotation = Rotation::Quarter;
        let mut file = Vec::new();
        write_png(&frame, ColorSpace::BT601, &mut file).unwrap();
        let mut reader = png::Decoder::new(io::Cursor::new(file)).read_info().unwrap();
        let mut pixels = vec![0; 4 * 6 * 3];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height, info.color_type), (4, 6, png::ColorType::Rgb));
        for (at, pixel) in pixels.chunks_exact(3).enumerate() {
            let white = at % 4 < 2 && at / 4 < 2;
            assert_eq!(pixel, if white { [255; 3] } else { [0; 3] }, "{at}");
        }
    }

    #[test]
    fn an_error_names_the_file() {
        let frame = VideoFrame::new(I420::black(2, 2), Duration::ZERO);
        let error = save_png(&frame, ColorSpace::BT601, "/nowhere/at/all.png").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("/nowhere/at/all.png: "), "{error}");
    }
}
