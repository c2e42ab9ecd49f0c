//! What an application does to encoded frames between codec and packets: end-to-end encryption above all
//! (webrtc-encoded-transform's `RTCRtpScriptTransform`, as a trait). Called by the connection, once a frame.

use rustc_hash::FxHashMap;

use crate::transceiver::{TransceiverHandle, Transceivers};

/// Changes the bytes of frames on their way to the peer, or from it.
///
/// Packets are cut from what it gives, and receivers (SFUs among them) look into the first bytes of some formats to tell
/// keyframes from others. What they look at has to stay as it is: see [`clear_prefix`]. H.264, H.265 and
/// AV1 are cut at their own units, which have to be kept whole.
pub trait FrameTransform: Send {
    /// Appends to `out` what takes the frame's place. `false` drops the frame: one that cannot be decrypted, say. Where
    /// video is dropped, the application asks for a keyframe once it can go on.
    fn transform(&mut self, frame: &FrameToTransform<'_>, out: &mut Vec<u8>) -> bool;
}

/// A frame and what is known of it, for a [`FrameTransform`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FrameToTransform<'a> {
    /// The encoded media.
    pub data: &'a [u8],
    /// The codec's encoding name, as descriptions have it: `VP8`, `opus`.
    pub codec: &'a str,
    /// The encoding's `rid`, empty without simulcast.
    pub rid: &'a str,
    /// RTP timestamp: of what is sent, as the application gave it.
    pub timestamp: u32,
    /// Whether decoding can begin here, where that is known.
    pub keyframe: Option<bool>,
}

/// How many bytes at a frame's beginning have to stay as they are for packets to be cut, and for keyframes to be told by
/// receivers: those that the payload formats of VP8 (RFC 7741 §4.3) and Opus (RFC 6716 §3.1) show. `codec` is an encoding
/// name such as `VP8`. `None` where the format needs more than a prefix, or is not known.
pub fn clear_prefix(codec: &str, data: &[u8]) -> Option<usize> {
    let is = |name: &str| codec.eq_ignore_ascii_case(name);
    let keyframe = data.first().is_some_and(|byte| byte & 1 == 0);
    let prefix = match () {
        () if is("VP8") && keyframe => 10,
        () if is("VP8") => 3,
        () if is("opus") => 1,
        () if is("PCMU") || is("PCMA") || is("G722") => 0,
        () => return None,
    };
    Some(prefix.min(data.len()))
}

/// Transforms of a connection, by transceiver.
#[derive(Default)]
pub(crate) struct Transforms {
    sending: FxHashMap<TransceiverHandle, Box<dyn FrameTransform>>,
    receiving: FxHashMap<TransceiverHandle, Box<dyn FrameTransform>>,
    /// Frames that a transform did not let through.
    pub(crate) dropped: u64,
}

/// Which way frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Sending,
    Receiving,
}

impl Transforms {
    pub(crate) fn set(
        &mut self,
        way: Way,
        handle: TransceiverHandle,
        transform: Option<Box<dyn FrameTransform>>,
    ) {
        let map = self.map(way);
        match transform {
            Some(transform) => drop(map.insert(handle, transform)),
            None => drop(map.remove(&handle)),
        }
    }

    /// Forgets those of transceivers that are gone.
    pub(crate) fn keep(&mut self, transceivers: &Transceivers) {
        let stays = |handle: &TransceiverHandle| transceivers.get(*handle).is_some();
        self.sending.retain(|handle, _| stays(handle));
        self.receiving.retain(|handle, _| stays(handle));
    }

    pub(crate) fn has(&self, way: Way, handle: TransceiverHandle) -> bool {
        match way {
            Way::Sending => self.sending.contains_key(&handle),
            Way::Receiving => self.receiving.contains_key(&handle),
        }
    }

    /// What takes the frame's place, if anything.
    pub(crate) fn apply(
        &mut self,
        way: Way,
        handle: TransceiverHandle,
        frame: &FrameToTransform<'_>,
    ) -> Option<Vec<u8>> {
        let transform = self.map(way).get_mut(&handle)?;
        let mut out = Vec::with_capacity(frame.data.len() + 64);
        let passes = transform.transform(frame, &mut out);
        self.dropped += u64::from(!passes);
        passes.then_some(out)
    }

    fn map(&mut self, way: Way) -> &mut FxHashMap<TransceiverHandle, Box<dyn FrameTransform>> {
        match way {
            Way::Sending => &mut self.sending,
            Way::Receiving => &mut self.receiving,
        }
    }
}
