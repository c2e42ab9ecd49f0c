//! Clips, what makes them worse, and how far they are from what they were: what the tests and benches of enhancement have in common.
#![allow(dead_code, reason = "each program uses its part")]

pub(crate) mod clips;
pub(crate) mod degrade;
pub(crate) mod judge;
pub(crate) mod scene;
