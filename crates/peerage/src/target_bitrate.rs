//! What a transceiver may send, as a value that can be watched.

use tokio::sync::watch;

/// Bits a second by encoding, shared by all handles of a transceiver.
pub(crate) type Bitrates = watch::Receiver<Vec<u64>>;

/// The bitrate that each encoding of a transceiver may use now: what an encoder is to be set to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TargetBitrate(Bitrates);

impl TargetBitrate {
    pub(crate) fn new(bitrates: Bitrates) -> Self {
        Self(bitrates)
    }

    /// Bits a second of encoded media for an encoding, 0 without simulcast, headers not counted. Zero: it is to pause.
    /// `None` before the connection is up.
    pub fn get(&self, encoding: usize) -> Option<u64> {
        self.0.borrow().get(encoding).copied()
    }

    /// Waits until the rate of any encoding is another one than when this was last called; false once the transceiver is
    /// gone. Changes in between are seen as one. Cancel safe.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }
}

/// Sets one of the values.
pub(crate) fn set(bitrates: &watch::Sender<Vec<u64>>, encoding: usize, bitrate: u64) {
    bitrates.send_modify(|bitrates| {
        if bitrates.len() <= encoding {
            bitrates.resize(encoding + 1, 0);
        }
        bitrates[encoding] = bitrate;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_value_is_seen() {
        let (sender, receiver) = watch::channel(Vec::new());
        let mut target = TargetBitrate::new(receiver);
        assert_eq!(target.get(0), None);
        set(&sender, 1, 500);
        set(&sender, 1, 700);
        assert!(target.changed().await);
        assert_eq!((target.get(0), target.get(1), target.get(2)), (Some(0), Some(700), None));
        drop(sender);
        assert!(!target.changed().await);
    }
}
