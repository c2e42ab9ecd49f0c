//! The streams of a simulcast (RFC 8853 §5.1) as lists.

use peerage_sdp::{Rid, RidDirection, Simulcast, SimulcastStreams, Text, Word};

/// A stream that nothing restricts (RFC 8851 §4).
pub(crate) fn unrestricted(id: Word, direction: RidDirection) -> Rid {
    let parameters =
        Text::new("").unwrap_or_else(|_| unreachable!("an empty text has no line end"));
    Rid { id, direction, parameters }
}

/// The streams of a simulcast, each way, as seen by who wrote the description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SimulcastLayers {
    /// What the writer sends.
    pub send: Vec<SimulcastStream>,
    /// What the writer receives.
    pub receive: Vec<SimulcastStream>,
}

/// One stream of a simulcast: its alternatives, the preferred one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulcastStream(pub Vec<SimulcastFormat>);

/// One alternative of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulcastFormat {
    /// The identifier that `a=rid` explains.
    pub rid: Word,
    /// Whether the stream starts paused; in a peer's answer, that it does not want the stream for now.
    pub paused: bool,
}

impl SimulcastFormat {
    /// A stream that starts at once.
    pub fn new(rid: Word) -> Self {
        Self { rid, paused: false }
    }
}

impl SimulcastLayers {
    /// Whether it names no stream.
    pub fn is_empty(&self) -> bool {
        self.send.is_empty() && self.receive.is_empty()
    }

    /// The identifiers of one direction.
    pub(crate) fn rids(&self, direction: RidDirection) -> impl Iterator<Item = &Word> {
        let streams = match direction {
            RidDirection::Send => &self.send,
            RidDirection::Recv => &self.receive,
        };
        streams.iter().flat_map(|stream| stream.0.iter().map(|format| &format.rid))
    }

    pub(crate) fn from_sdp(simulcast: &Simulcast) -> Self {
        let list = |streams: &Option<SimulcastStreams>| {
            let streams = streams.iter().flat_map(SimulcastStreams::iter);
            streams
                .map(|stream| {
                    SimulcastStream(
                        stream
                            .filter_map(|format| {
                                let rid = Word::new(format.rid).ok()?;
                                Some(SimulcastFormat { rid, paused: format.paused })
                            })
                            .collect(),
                    )
                })
                .collect()
        };
        Self { send: list(&simulcast.send), receive: list(&simulcast.recv) }
    }

    /// `None` if no stream is named, or if an identifier is none.
    pub(crate) fn to_sdp(&self) -> Option<Simulcast> {
        let list = |streams: &[SimulcastStream]| {
            let text: Vec<String> = streams
                .iter()
                .map(|stream| {
                    let formats = stream.0.iter();
                    let formats: Vec<String> = formats
                        .map(|format| {
                            let mark = if format.paused { "~" } else { "" };
                            format!("{mark}{}", format.rid)
                        })
                        .collect();
                    formats.join(",")
                })
                .collect();
            SimulcastStreams::new(&text.join(";")).ok().filter(|_| !streams.is_empty())
        };
        let simulcast = Simulcast { send: list(&self.send), recv: list(&self.receive) };
        Some(simulcast).filter(|simulcast| simulcast.send.is_some() || simulcast.recv.is_some())
    }

    /// No stream starts paused: what RFC 8853 §5.3.2 demands of an answer unless streams can be paused by RTCP
    /// (RFC 7728), which is not supported.
    pub(crate) fn resume(&mut self) {
        for stream in self.send.iter_mut().chain(&mut self.receive) {
            stream.0.iter_mut().for_each(|format| format.paused = false);
        }
    }

    /// Drops what is not explained by a `rid` of the right direction, and what is named again; so no more is left than
    /// there are rids.
    pub(crate) fn keep_known(&mut self, rids: &[Rid]) {
        let mut unused: Vec<&Rid> = rids.iter().collect();
        let mut keep = |streams: &mut Vec<SimulcastStream>, direction: RidDirection| {
            for stream in streams.iter_mut() {
                stream.0.retain(|format| {
                    let known = |rid: &&Rid| rid.id == format.rid && rid.direction == direction;
                    let found = unused.iter().position(known);
                    found.map(|index| unused.swap_remove(index)).is_some()
                });
            }
            streams.retain(|stream| !stream.0.is_empty());
        };
        keep(&mut self.send, RidDirection::Send);
        keep(&mut self.receive, RidDirection::Recv);
    }
}
