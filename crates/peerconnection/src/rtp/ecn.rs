//! Whether packets are marked as ECN-capable (RFC 3168): where the peer reports on marks (RFC 8888), as long as its reports
//! show that the path carries them (RFC 6679 §7.2). Asked for each packet of media that is sent.

use peerage_congestion::PacketResult;
use peerage_ice::Ecn;

/// So many marked packets that came without their mark, or were lost before any came with one, say that the path does not
/// carry marks.
const FAILURES: u32 = 20;

/// What is known of one path.
#[derive(Debug, Default)]
pub(super) struct EcnMarking {
    /// Marked packets since the last one that arrived with a mark.
    failures: u32,
    /// One arrived with a mark: what is lost from then on is lost for other reasons.
    carried: bool,
    failed: bool,
}

impl EcnMarking {
    /// How the next packet is marked. Never ECT(1): whoever sends that promises the reaction of L4S (RFC 9331 §4.3).
    pub(super) fn mark(&self) -> Option<Ecn> {
        (!self.failed).then_some(Ecn::Ect0)
    }

    /// A report on marked packets came.
    pub(super) fn reported(&mut self, results: &[PacketResult]) {
        for result in results {
            let marked = !matches!(result.ecn, peerage_congestion::Ecn::NotEct);
            match (result.arrived.is_some(), marked) {
                (true, true) => (self.failures, self.carried) = (0, true),
                (false, _) if self.carried => {}
                _ => self.failures += 1,
            }
            if self.failures >= FAILURES {
                self.failed = true;
                return;
            }
        }
    }

    /// The path is another one.
    pub(super) fn route_changed(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use peerage_congestion::{DataSize, Ecn as Mark};

    use super::*;

    fn result(arrived: bool, ecn: Mark) -> PacketResult {
        PacketResult {
            sent: Instant::now(),
            arrived: arrived.then_some(Duration::ZERO),
            size: DataSize::from_bytes(1_000),
            ecn,
            probe: None,
            was_lost: false,
        }
    }

    #[test]
    fn a_path_that_removes_marks_gets_no_more() {
        let bad = result(true, Mark::NotEct);
        let mut marking = EcnMarking::default();
        marking.reported(&[bad; 19]);
        marking.reported(&[result(true, Mark::Ce)]);
        marking.reported(&[bad; 19]);
        assert_eq!(marking.mark(), Some(Ecn::Ect0));
        marking.reported(&[bad]);
        assert_eq!(marking.mark(), None);
        marking.reported(&[result(true, Mark::Ect0)]);
        assert_eq!(marking.mark(), None, "what still comes was marked before");
        marking.route_changed();
        assert_eq!(marking.mark(), Some(Ecn::Ect0));
    }

    #[test]
    fn a_path_that_drops_what_is_marked_gets_no_more() {
        let mut marking = EcnMarking::default();
        marking.reported(&[result(false, Mark::NotEct); 19]);
        assert_eq!(marking.mark(), Some(Ecn::Ect0));
        marking.reported(&[result(false, Mark::NotEct)]);
        assert_eq!(marking.mark(), None);
    }

    /// An outage, or a queue that is full: it says nothing of marks.
    #[test]
    fn losses_on_a_path_that_carries_marks_do_not_end_them() {
        let mut marking = EcnMarking::default();
        marking.reported(&[result(false, Mark::NotEct); 10]);
        marking.reported(&[result(true, Mark::Ect0)]);
        marking.reported(&[result(false, Mark::NotEct); 1_000]);
        assert_eq!(marking.mark(), Some(Ecn::Ect0));
        // Neither do they hide that marks are removed from now on.
        for _ in 0..20 {
            marking.reported(&[result(true, Mark::NotEct), result(false, Mark::NotEct)]);
        }
        assert_eq!(marking.mark(), None);
    }
}
