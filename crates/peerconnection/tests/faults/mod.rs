//! A call between two connections in a simulated network of random faults, from a seed: the network and its timeline
//! ([`plan`]), the application at each end ([`application`]), and the loop that drives them ([`call`]).

#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod application;
pub(crate) mod call;
pub(crate) mod media;
pub(crate) mod plan;
pub(crate) mod queues;
pub(crate) mod seeds;
