//! What is asked of the encoders of a transceiver, as a value that can be watched.

use std::sync::Arc;

use peerage_peerconnection::EncodingTarget;
use tokio::sync::watch;

/// What is asked of one encoding's encoder.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Keyframes that were asked for since the beginning.
    keyframes: u64,
    /// How often the track was removed.
    removals: u64,
    target: Option<Arc<EncodingTarget>>,
}

/// By encoding, shared by all handles of a transceiver.
pub(crate) type Requests = watch::Receiver<Vec<Request>>;

/// What the encoders of a transceiver are to make, and whether a keyframe is wanted, without a look at the events of the
/// connection: made for a thread that encodes. Each one sees every request once.
#[derive(Clone, Debug)]
pub struct EncoderRequests {
    requests: Requests,
    /// Keyframes that were told, by encoding.
    told: Vec<u64>,
}

impl EncoderRequests {
    pub(crate) fn new(requests: Requests) -> Self {
        let told = requests.borrow().iter().map(|request| request.keyframes).collect();
        Self { requests, told }
    }

    /// Whether a keyframe was asked for on an encoding since this was called last.
    pub fn take_keyframe_request(&mut self, encoding: usize) -> bool {
        let asked = self.requests.borrow().get(encoding).map_or(0, |request| request.keyframes);
        if self.told.len() <= encoding {
            self.told.resize(encoding + 1, 0);
        }
        std::mem::replace(&mut self.told[encoding], asked) != asked
    }

    /// How many encodings there are: more than one in a simulcast.
    pub fn encodings(&self) -> usize {
        self.requests.borrow().len()
    }

    /// What an encoding is to be: codec, size, frames a second, layers. Its rate is of the moment at which the rest changed
    /// last; [`TargetBitrate`](crate::TargetBitrate) has the current one. `None` while nothing is sent.
    pub fn target(&self, encoding: usize) -> Option<EncodingTarget> {
        self.shared_target(encoding).map(Arc::unwrap_or_clone)
    }

    /// The same for who asks for every block of sound.
    pub(crate) fn shared_target(&self, encoding: usize) -> Option<Arc<EncodingTarget>> {
        self.requests.borrow().get(encoding)?.target.clone()
    }

    /// How often the transceiver's track was removed from the connection.
    #[cfg(feature = "engine")]
    pub(crate) fn removals(&self) -> u64 {
        self.requests.borrow().first().map_or(0, |request| request.removals)
    }

    /// Waits until something is asked for; false once the transceiver is gone. Cancel safe.
    pub async fn changed(&mut self) -> bool {
        self.requests.changed().await.is_ok()
    }

    /// Whether the transceiver is gone: nothing will be asked for any more.
    pub fn is_over(&self) -> bool {
        self.requests.has_changed().is_err()
    }
}

/// At the driver.
#[derive(Debug)]
pub(crate) struct Requester(watch::Sender<Vec<Request>>);

impl Requester {
    pub(crate) fn new(targets: impl Iterator<Item = Option<EncodingTarget>>) -> Self {
        let requests = targets
            .map(|target| Request { target: target.map(Arc::new), ..Request::default() })
            .collect();
        Self(watch::channel(requests).0)
    }

    pub(crate) fn subscribe(&self) -> Requests {
        self.0.subscribe()
    }

    fn modify(&self, encoding: usize, change: impl FnOnce(&mut Request)) {
        self.0.send_modify(|requests| {
            if requests.len() <= encoding {
                requests.resize(encoding + 1, Request::default());
            }
            change(&mut requests[encoding]);
        });
    }

    pub(crate) fn keyframe(&self, encoding: usize) {
        self.modify(encoding, |request| request.keyframes += 1);
    }

    pub(crate) fn removed(&self) {
        self.modify(0, |request| request.removals += 1);
    }

    pub(crate) fn target(&self, encoding: usize, target: Option<EncodingTarget>) {
        self.modify(encoding, |request| request.target = target.map(Arc::new));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_one_sees_a_request_once() {
        let requester = Requester::new(std::iter::once(None));
        requester.keyframe(0);
        let mut one = EncoderRequests::new(requester.subscribe());
        let mut other = one.clone();
        assert!(!one.take_keyframe_request(0), "before it was there");
        requester.keyframe(1);
        requester.keyframe(1);
        assert!(one.changed().await);
        assert!(one.take_keyframe_request(1) && !one.take_keyframe_request(1));
        assert!(other.take_keyframe_request(1) && !other.take_keyframe_request(7));
        assert!(one.target(0).is_none() && !one.is_over());
        drop(requester);
        assert!(one.is_over() && !one.changed().await);
    }
}
