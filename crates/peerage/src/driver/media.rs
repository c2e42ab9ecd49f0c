//! A transceiver as the driver sees it: the queues to its handles, and what they are told without asking.

use std::sync::Arc;
#[cfg(feature = "engine")]
use std::time::Instant;

#[cfg(feature = "engine")]
use peerage_peerconnection::Transceiver;
use peerage_peerconnection::{
    MediaFrame, PeerConnection as Protocol, ReceivedPacket, TransceiverHandle, media::MediaKind,
};
use tokio::sync::{Mutex, mpsc, watch};

use crate::encoder_requests::Requester;
use crate::lifeline::Lifeline;
#[cfg(feature = "engine")]
use crate::receiving::Receiving;
use crate::rtp_transceiver::{FRAME_QUEUE, PACKET_QUEUE, Received};
use crate::{RtpTransceiver, target_bitrate};

/// See the module.
#[derive(Debug)]
pub(super) struct Media {
    kind: MediaKind,
    frames: mpsc::Sender<MediaFrame>,
    packets: mpsc::Sender<ReceivedPacket>,
    received: Received,
    /// What is wanted of whoever plays them.
    #[cfg(feature = "engine")]
    receiving: watch::Sender<Receiving>,
    /// What its encodings may send.
    bitrates: watch::Sender<Vec<u64>>,
    /// What their encoders are asked for.
    requester: Requester,
    /// Sources of which a picture was not read: what follows is dropped until a keyframe comes.
    skipping: Vec<u32>,
}

/// Most sources of one transceiver that are told apart in that.
const MAX_SKIPPING: usize = 16;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// It waits to be read.
    Waits,
    /// Nobody reads, or too slowly.
    Dropped,
    /// It refers to one that was dropped, and there would be room for a keyframe.
    KeyframeDue,
}

impl Media {
    /// A transceiver that somebody has a handle of from now on.
    pub(super) fn new(pc: &Protocol, handle: TransceiverHandle, kind: MediaKind) -> Self {
        let known = (0..).map_while(|encoding| pc.target_bitrate(handle, encoding));
        let bitrates: Vec<_> = known.collect();
        let targets = (0..bitrates.len()).map(|encoding| pc.encoding_target(handle, encoding));
        let requester = Requester::new(targets);
        let (frames, frames_out) = mpsc::channel(FRAME_QUEUE);
        let (packets, packets_out) = mpsc::channel(PACKET_QUEUE);
        #[cfg(feature = "engine")]
        let (receiving, wishes) = watch::channel(Receiving::default());
        let received = Received {
            #[cfg(feature = "engine")]
            wishes,
            frames: Arc::new(Mutex::new(frames_out)),
            packets: Arc::new(Mutex::new(packets_out)),
        };
        let (bitrates, _) = watch::channel(bitrates);
        Self {
            kind,
            frames,
            packets,
            received,
            #[cfg(feature = "engine")]
            receiving,
            bitrates,
            requester,
            skipping: Vec::new(),
        }
    }

    pub(super) fn kind(&self) -> MediaKind {
        self.kind
    }

    /// One more handle of it.
    pub(super) fn open(
        &self,
        lifeline: Arc<Lifeline>,
        handle: TransceiverHandle,
    ) -> RtpTransceiver {
        let (received, bitrates) = (self.received.clone(), self.bitrates.subscribe());
        let requests = self.requester.subscribe();
        RtpTransceiver::new(lifeline, handle, self.kind, received, bitrates, requests)
    }

    /// Tells whoever plays it of the transceiver as it is now.
    #[cfg(feature = "engine")]
    pub(super) fn update(&self, transceiver: &Transceiver) {
        Receiving::update(&self.receiving, transceiver);
    }

    /// What came until now is the last for a while.
    pub(super) fn mute(&self) {
        #[cfg(feature = "engine")]
        self.receiving.send_modify(|receiving| receiving.muted_at = Some(Instant::now()));
    }

    /// What an encoding may send from now on.
    pub(super) fn set_bitrate(&self, encoding: usize, bitrate: u64) {
        target_bitrate::set(&self.bitrates, encoding, bitrate);
    }

    pub(super) fn requester(&self) -> &Requester {
        &self.requester
    }

    /// Puts a frame where it is read.
    pub(super) fn deliver(&mut self, frame: MediaFrame) -> Delivered {
        let (ssrc, keyframe) = (frame.ssrc, frame.frame.keyframe);
        let skips = self.skipping.contains(&ssrc);
        if skips && keyframe {
            self.skipping.retain(|source| *source != ssrc);
        } else if skips {
            let has_room = self.frames.capacity() > 0;
            return if has_room { Delivered::KeyframeDue } else { Delivered::Dropped };
        }
        if self.frames.try_send(frame).is_ok() {
            return Delivered::Waits;
        }
        // What follows makes no picture without a keyframe.
        if self.kind == MediaKind::Video && self.skipping.len() < MAX_SKIPPING {
            self.skipping.push(ssrc);
        }
        Delivered::Dropped
    }

    /// Puts a packet where it is read. False where nobody reads, or too slowly.
    pub(super) fn deliver_packet(&self, packet: ReceivedPacket) -> bool {
        self.packets.try_send(packet).is_ok()
    }
}
