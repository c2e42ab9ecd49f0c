//! Frame transforms through the API, and where frames pass them.

use std::time::Instant;

use super::PeerConnection;
use crate::error::Error;
use crate::rtp::{Frame, MediaFrame};
use crate::transceiver::{Transceiver, TransceiverHandle};
use crate::transform::{FrameToTransform, FrameTransform, Way};

impl PeerConnection {
    /// Has each frame that is sent on a transceiver changed before it is cut into packets; `None` ends that. It takes
    /// effect with the next frame.
    ///
    /// # Errors
    /// `InvalidStateError` once closed, `OperationError` if there is no such transceiver.
    pub fn set_sender_transform(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        transform: Option<Box<dyn FrameTransform>>,
    ) -> Result<(), Error> {
        self.set_transform(now, Way::Sending, handle, transform)
    }

    /// Has each frame that comes in on a transceiver changed before it is given out; `None` ends that.
    ///
    /// # Errors
    /// `InvalidStateError` once closed, `OperationError` if there is no such transceiver.
    pub fn set_receiver_transform(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        transform: Option<Box<dyn FrameTransform>>,
    ) -> Result<(), Error> {
        self.set_transform(now, Way::Receiving, handle, transform)
    }

    fn set_transform(
        &mut self,
        now: Instant,
        way: Way,
        handle: TransceiverHandle,
        transform: Option<Box<dyn FrameTransform>>,
    ) -> Result<(), Error> {
        self.begin(now)?;
        self.transceivers.get(handle).ok_or(Error::UnknownTransceiver)?;
        self.transforms.set(way, handle, transform);
        Ok(())
    }

    /// A frame to be sent, as its transform leaves it; `None` if it is not to be sent.
    pub(super) fn transform_sent(
        &mut self,
        handle: TransceiverHandle,
        encoding: usize,
        frame: &Frame,
    ) -> Option<Frame> {
        let place = self.transceivers.get(handle)?.transport;
        let number = self.transports[place].rtp.payload_type_of(handle, encoding, frame);
        let transceiver = self.transceivers.get(handle)?;
        let encoding = transceiver.sender.encodings.get(encoding);
        let input = FrameToTransform {
            data: &frame.data,
            codec: codec(transceiver, Way::Sending, number.or(frame.payload_type))
                .unwrap_or_default(),
            rid: encoding.map_or("", |encoding| encoding.rid.as_str()),
            timestamp: frame.timestamp,
            keyframe: frame.info.keyframe,
        };
        let data = self.transforms.apply(Way::Sending, handle, &input)?;
        Some(Frame { data: data.into(), ..frame.clone() })
    }

    /// A frame that came in, as its transform leaves it; `None` if it is not to be given out.
    pub(super) fn transform_received(
        &mut self,
        mut frame: Box<MediaFrame>,
    ) -> Option<Box<MediaFrame>> {
        let handle = frame.transceiver;
        if !self.transforms.has(Way::Receiving, handle) {
            return Some(frame);
        }
        let transceiver = self.transceivers.get(handle)?;
        let input = FrameToTransform {
            data: &frame.frame.data,
            codec: codec(transceiver, Way::Receiving, Some(frame.payload_type)).unwrap_or_default(),
            rid: frame.rid.as_deref().unwrap_or_default(),
            timestamp: frame.frame.timestamp,
            keyframe: Some(frame.frame.keyframe),
        };
        frame.frame.data = self.transforms.apply(Way::Receiving, handle, &input)?.into();
        Some(frame)
    }
}

/// The encoding name of a payload type, or of the codec that is sent by default.
fn codec(transceiver: &Transceiver, way: Way, payload_type: Option<u8>) -> Option<&str> {
    let codecs = &transceiver.agreed.as_ref()?.codecs;
    let is = |number: u8| {
        codecs.iter().find(|codec| match way {
            Way::Sending => codec.send == number,
            Way::Receiving => codec.receive == number,
        })
    };
    let codec = match payload_type {
        Some(number) => is(number)?,
        None => codecs.first()?,
    };
    Some(&codec.codec.name)
}
