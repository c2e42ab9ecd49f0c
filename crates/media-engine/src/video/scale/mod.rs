//! Sizes: pictures are scaled, cut and turned into pictures that are kept, so that nothing is allocated for each.
//!
//! Making pictures smaller, each sample is a weighted mean of all that it stands for, after a Hamming window: nothing of what
//! is too fine remains as false patterns, and what is not stays sharper than with triangles. Making them larger, it is a linear
//! mix of the nearest.

mod rotate;
mod scaler;
mod weights;

pub use rotate::rotate;
pub use scaler::Scaler;

#[cfg(test)]
mod tests;
