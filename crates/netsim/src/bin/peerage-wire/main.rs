//! The links of `peerage-netsim` in real time: a TUN device in each of two network namespaces, and between them one link
//! of the simulation, driven by the real clock. What a browser meets here is what the simulated tests met.

#![deny(unsafe_code)]

mod devices;
mod ip;
mod namespaces;
mod options;
mod pump;

use anyhow::Result;
use clap::Parser as _;

fn main() -> Result<()> {
    let options = options::Options::parse();
    let link = options.link()?;
    namespaces::sweep();
    let namespaces = namespaces::Namespaces::of(options.left.clone(), options.right.clone())?;
    pump::run(&options, link, &namespaces)
}
