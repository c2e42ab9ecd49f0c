//! Pictures of what cameras give.

use std::sync::Arc;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace as JpegColor;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::video::convert::{
    ColorSpace, Packed422, RgbLayout, from_nv12, from_packed_422, from_rgb,
};
use crate::video::{I420, PicturePool};

/// Pictures that are used again: tracks and encoders hold some.
const POOL: usize = 8;

/// How a camera gives its pictures, the cheapest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Coding {
    /// Three planes, as all pictures are here.
    I420,
    /// Luma, and chroma whose differences take turns.
    Nv12,
    /// Two pixels in four bytes.
    Yuy2,
    /// The same in another order.
    Uyvy,
    /// JPEG pictures one after another.
    Jpeg,
}

impl Coding {
    const ALL: [(Self, [u8; 4]); 6] = [
        (Self::I420, *b"YU12"),
        (Self::Nv12, *b"NV12"),
        (Self::Yuy2, *b"YUYV"),
        (Self::Uyvy, *b"UYVY"),
        (Self::Jpeg, *b"MJPG"),
        (Self::Jpeg, *b"JPEG"),
    ];

    /// By the four letters of Video4Linux.
    pub(super) fn of(fourcc: [u8; 4]) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == fourcc).map(|(coding, _)| *coding)
    }

    pub(super) fn fourcc(self) -> [u8; 4] {
        let found = Self::ALL.iter().find(|(coding, _)| *coding == self);
        found.map_or(*b"YUYV", |(_, fourcc)| *fourcc)
    }
}

/// Makes pictures of one size of what a camera gives.
#[derive(Debug)]
pub(super) struct Converter {
    coding: Coding,
    size: (u16, u16),
    stride: usize,
    pool: PicturePool,
    pixels: Vec<u8>,
}

impl Converter {
    /// A stride of zero is that of rows without anything between.
    pub(super) fn new(coding: Coding, size: (u16, u16), stride: usize) -> Self {
        let width = usize::from(size.0);
        let stride = match (stride, coding) {
            (0, Coding::Yuy2 | Coding::Uyvy) => 4 * width.div_ceil(2),
            (0, _) => width,
            (stride, _) => stride,
        };
        Self { coding, size, stride, pool: PicturePool::new(POOL), pixels: Vec::new() }
    }

    /// A picture of what was given.
    ///
    /// # Errors
    ///
    /// It is cut off, damaged, or of another size: what a camera gives is not trusted.
    pub(super) fn picture(&mut self, data: &[u8]) -> Result<Arc<I420>, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let (width, height) = self.size;
        let (wide, high, stride) = (usize::from(width), usize::from(height), self.stride);
        let layout = match self.coding {
            Coding::I420 => {
                let half = stride.div_ceil(2);
                let (luma, chroma) = (stride * high, half * high.div_ceil(2));
                let planes = data
                    .split_at_checked(luma)
                    .and_then(|(y, rest)| Some((y, rest.split_at_checked(chroma)?)));
                let (y, (u, v)) = planes.ok_or("the picture is cut off")?;
                return I420::from_strided(width, height, [y, u, v], [stride, half, half])
                    .map(Arc::new)
                    .ok_or_else(|| "the picture is cut off".to_owned());
            }
            Coding::Nv12 => {
                let (y, uv) =
                    data.split_at_checked(stride * high).ok_or("the picture is cut off")?;
                return self
                    .pool
                    .take(width, height, |out| from_nv12((y, stride), (uv, stride), out))
                    .map_err(|error| text(&error));
            }
            Coding::Yuy2 => Packed422::Yuy2,
            Coding::Uyvy => Packed422::Uyvy,
            Coding::Jpeg => {
                self.jpeg(data)?;
                let pixels = &self.pixels;
                let (rgb, space) = (RgbLayout::Rgb, ColorSpace::BT601);
                return self
                    .pool
                    .take(width, height, |out| from_rgb(pixels, 3 * wide, rgb, space, out))
                    .map_err(|error| text(&error));
            }
        };
        self.pool
            .take(width, height, |out| from_packed_422(data, stride, layout, out))
            .map_err(|error| text(&error))
    }

    /// Decodes a picture into red, green and blue.
    fn jpeg(&mut self, data: &[u8]) -> Result<(), String> {
        let (width, height) = (usize::from(self.size.0), usize::from(self.size.1));
        let options = DecoderOptions::default()
            .jpeg_set_out_colorspace(JpegColor::RGB)
            .set_max_width(width)
            .set_max_height(height);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(data), options);
        decoder.decode_headers().map_err(|error| error.to_string())?;
        let size = decoder.info().map(|info| (usize::from(info.width), usize::from(info.height)));
        if size != Some((width, height)) {
            return Err("the picture has another size than the camera said".to_owned());
        }
        self.pixels.resize(3 * width * height, 0);
        decoder.decode_into(&mut self.pixels).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::Plane;
    use crate::video::pattern::NumberedPicture;

    /// 16 x 16 pixels of red, as ffmpeg writes them.
    const RED: [u8; 225] = [
        255, 216, 255, 224, 0, 16, 74, 70, 73, 70, 0, 1, 2, 0, 0, 1, 0, 1, 0, 0, 255, 254, 0, 16,
        76, 97, 118, 99, 53, 57, 46, 51, 55, 46, 49, 48, 48, 0, 255, 219, 0, 67, 0, 8, 40, 40, 47,
        40, 47, 55, 55, 55, 55, 55, 55, 65, 60, 65, 67, 67, 67, 65, 65, 65, 65, 67, 67, 67, 72, 72,
        72, 85, 85, 85, 72, 72, 72, 67, 67, 72, 72, 80, 80, 85, 85, 92, 95, 92, 87, 87, 85, 87, 95,
        95, 100, 100, 100, 120, 120, 115, 115, 140, 140, 145, 172, 172, 207, 255, 196, 0, 76, 0, 1,
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 6, 7, 16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 17, 1, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 192, 0, 17, 8, 0, 16, 0, 16, 3, 1, 34, 0, 2, 17,
        0, 3, 17, 0, 255, 218, 0, 12, 3, 1, 0, 2, 17, 3, 17, 0, 63, 0, 139, 0, 81, 127, 127, 255,
        217,
    ];

    fn numbered() -> I420 {
        NumberedPicture::new(77, 0).draw(320, 180)
    }

    #[test]
    fn each_coding_shows_the_same() {
        let picture = numbered();
        let (y, u, v) = picture.planes();
        let (width, rows) = picture.size(Plane::Y);
        let nv12: Vec<u8> =
            y.iter().copied().chain(u.iter().zip(v).flat_map(|(u, v)| [*u, *v])).collect();
        let packed = |order: fn([u8; 4]) -> [u8; 4]| -> Vec<u8> {
            (0..rows)
                .flat_map(|row| (0..width / 2).map(move |at| (row, at)))
                .flat_map(|(row, at)| {
                    let (luma, chroma) = (row * width + 2 * at, row / 2 * (width / 2) + at);
                    order([y[luma], u[chroma], y[luma + 1], v[chroma]])
                })
                .collect()
        };
        for (coding, data) in [
            (Coding::I420, picture.as_bytes().to_vec()),
            (Coding::Nv12, nv12),
            (Coding::Yuy2, packed(|pair| pair)),
            (Coding::Uyvy, packed(|[y0, u, y1, v]| [u, y0, v, y1])),
        ] {
            let mut converter = Converter::new(coding, (320, 180), 0);
            assert_eq!(*converter.picture(&data).unwrap(), picture, "{coding:?}");
            assert!(converter.picture(&data[..data.len() / 2]).is_err(), "{coding:?}");
            assert_eq!(Coding::of(coding.fourcc()), Some(coding));
        }
    }

    #[test]
    fn jpeg_pictures_are_decoded_and_others_refused() {
        let mut converter = Converter::new(Coding::Jpeg, (16, 16), 0);
        let picture = converter.picture(&RED).unwrap();
        let (y, u, v) = picture.planes();
        let near =
            |samples: &[u8], value: u8| samples.iter().all(|sample| sample.abs_diff(value) < 4);
        assert!(near(y, 82) && near(u, 90) && near(v, 240), "{} {} {}", y[0], u[0], v[0]);
        assert!(converter.picture(&RED[..40]).is_err());
        assert!(converter.picture(b"not a picture").is_err());
        assert!(Converter::new(Coding::Jpeg, (32, 16), 0).picture(&RED).is_err());
    }
}
