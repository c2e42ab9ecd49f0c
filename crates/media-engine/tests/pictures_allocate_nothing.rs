//! Once a call runs, pictures are scaled and converted without memory from the allocator. One test, so that no other disturbs
//! the count.

#[path = "../../peerconnection/tests/common/allocations.rs"]
mod allocations;

use peerage_media::video::convert::{
    ColorSpace, Packed422, RgbLayout, from_packed_422, from_rgb, to_rgb,
};
use peerage_media::video::scale::{Scaler, rotate};
use peerage_media::video::{Area, I420, PicturePool, Rotation};

#[test]
fn nothing_is_allocated_for_pictures_in_steady_state() {
    let source = I420::black(320, 180);
    let (mut turned, mut taken) = (I420::black(180, 320), I420::black(320, 180));
    let (mut scaler, mut other) = (Scaler::new(), Scaler::new());
    let mut pool = PicturePool::new(4);
    let mut pixels = vec![0; 320 * 180 * 4];
    let mut round = || {
        let held = pool.take(160, 90, |small| scaler.scale(&source, Area::of(&source), small));
        let (held, area) = (held.unwrap(), Area::of_ratio(320, 180, (4, 3)));
        pool.take(120, 90, |small| other.scale(&source, area, small)).unwrap();
        drop(held);
        rotate(&source, Rotation::Quarter, &mut turned);
        to_rgb(&source, ColorSpace::BT709, RgbLayout::Bgra, &mut pixels, 1280).unwrap();
        from_rgb(&pixels, 1280, RgbLayout::Bgra, ColorSpace::BT709, &mut taken).unwrap();
        from_packed_422(&pixels, 640, Packed422::Yuy2, &mut taken).unwrap();
    };
    (0..5).for_each(|_| round());
    let before = allocations::COUNT.get();
    (0..20).for_each(|_| round());
    assert_eq!(allocations::COUNT.get() - before, 0);
}
