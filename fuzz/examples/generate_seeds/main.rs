//! Writes the seed corpora under `seeds/`, with Peerage's own writers: `cargo run --example generate_seeds` in `fuzz/`.
//! The same program writes the same bytes, so a change of the seeds shows what changed in the code.

mod congestion;
mod crypto;
mod dtls;
mod ice;
mod log;
mod media;
mod payload;
mod peerconnection;
mod rtp;
mod sctp;
mod sdp;
mod srtp;
mod stun;
mod turn;

use std::path::Path;

/// Where seeds go.
pub(crate) struct Sink;

impl Sink {
    /// Writes a seed of a target.
    pub(crate) fn seed(&self, target: &str, name: &str, bytes: &[u8]) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
        std::fs::create_dir_all(&dir).expect("a folder for the seeds");
        std::fs::write(dir.join(name), bytes).expect("a file for the seed");
    }
}

fn main() {
    congestion::write(&Sink);
    crypto::write(&Sink);
    dtls::write(&Sink);
    ice::write(&Sink);
    log::write(&Sink);
    media::write(&Sink);
    payload::write(&Sink);
    peerconnection::write(&Sink);
    rtp::write(&Sink);
    sctp::write(&Sink);
    sdp::write(&Sink);
    srtp::write(&Sink);
    stun::write(&Sink);
    turn::write(&Sink);
}
