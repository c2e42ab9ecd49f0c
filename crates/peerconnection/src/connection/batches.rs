//! Datagrams that came together, as a socket gives them out that takes several at a time.

use std::time::Instant;

use peerage_stun::demux::{PacketKind, classify};

use super::PeerConnection;
use crate::error::Error;
use crate::net::Input;

/// Packets of media that are opened at once.
const MAX_RUN: usize = 8;

impl PeerConnection {
    /// Takes datagrams in the order in which they came: [`handle_input`](Self::handle_input) of each. Packets of media that
    /// follow each other on one path are opened together, which takes less time, most of all where the cipher is AES-CM
    /// with HMAC-SHA1.
    ///
    /// # Errors
    /// [`Error::Closed`] after [`PeerConnection::close`].
    pub fn handle_inputs(&mut self, now: Instant, inputs: &mut [Input<'_>]) -> Result<(), Error> {
        let mut rest = inputs;
        while !rest.is_empty() {
            let (place, len) = self.media_run(rest).unwrap_or((0, 1));
            let (run, others) = rest.split_at_mut(len);
            match run {
                [Input { source, destination, protocol, ecn, data }] => {
                    let (source, destination, protocol) = (*source, *destination, *protocol);
                    self.handle_input(
                        now,
                        Input { source, destination, protocol, ecn: *ecn, data },
                    )?;
                }
                run => self.take_media_run(now, place, run),
            }
            rest = others;
        }
        Ok(())
    }

    /// The transport whose media these are, and how many of them from the first on; `None` if that is none.
    fn media_run(&mut self, inputs: &[Input<'_>]) -> Option<(usize, usize)> {
        let path = |input: &Input<'_>| (input.destination, input.source);
        let is_media = |input: &&Input<'_>| classify(input.data) == PacketKind::Rtp;
        let first = inputs.first().filter(|first| !self.closed && is_media(first))?;
        let place = self.transports.route(path(first))?;
        let run = inputs.iter().take(MAX_RUN);
        let len = run.take_while(|input| path(input) == path(first) && is_media(input)).count();
        Some((place, len))
    }

    fn take_media_run(&mut self, now: Instant, place: usize, inputs: &mut [Input<'_>]) {
        self.now = now;
        for input in &*inputs {
            let (path, bytes) = ((input.destination, input.source), input.data.len() as u64);
            self.counters.packets_received += 1;
            self.counters.bytes_received += bytes;
            self.transports.unmarked(place).paths.received(now, path, bytes);
        }
        self.transports[place].rtp.handle_rtp_burst(now, inputs);
        self.pump_rtp(place);
    }
}
