//! Turning pictures upright.

use super::super::{I420, Plane, Rotation};

/// Samples of a square that is turned at a time: its rows and columns stay in the first cache.
const SQUARE: usize = 16;

/// Turns a picture clockwise by `rotation` into `target`, which gets the size that comes of it.
pub fn rotate(source: &I420, rotation: Rotation, target: &mut I420) {
    let (width, height) = (source.width(), source.height());
    match rotation {
        Rotation::None | Rotation::Half => target.reset(width, height),
        Rotation::Quarter | Rotation::ThreeQuarters => target.reset(height, width),
    }
    let (from, to) = (source.planes(), target.planes_mut());
    let planes = [(Plane::Y, from.0, to.0), (Plane::U, from.1, to.1), (Plane::V, from.2, to.2)];
    for (plane, from, to) in planes {
        let (width, height) = source.size(plane);
        match rotation {
            Rotation::None => to.copy_from_slice(from),
            Rotation::Half => {
                for (to, from) in to.iter_mut().zip(from.iter().rev()) {
                    *to = *from;
                }
            }
            Rotation::Quarter => turn(from, width, height, to, |x, y| x * height + height - 1 - y),
            Rotation::ThreeQuarters => {
                turn(from, width, height, to, |x, y| (width - 1 - x) * height + y);
            }
        }
    }
}

/// Puts each sample where `place` says.
fn turn(
    from: &[u8],
    width: usize,
    height: usize,
    to: &mut [u8],
    place: impl Fn(usize, usize) -> usize,
) {
    for top in (0..height).step_by(SQUARE) {
        for left in (0..width).step_by(SQUARE) {
            for x in left..(left + SQUARE).min(width) {
                for y in top..(top + SQUARE).min(height) {
                    to[place(x, y)] = from[y * width + x];
                }
            }
        }
    }
}
