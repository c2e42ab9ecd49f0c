//! Pictures out of nothing: colour bars, a moving clock, and pictures that tell their own number in cells which survive coding,
//! so that whoever gets them can say which came, in which order, and how well. Cameras of tests are made of these.

mod bars;
mod cells;
mod clock;
mod numbered;

pub use bars::colour_bars;
pub use cells::Region;
pub use clock::{MovingClock, read_number, write_number};
pub use numbered::{NUMBERS, NumberedPicture, Reading};
