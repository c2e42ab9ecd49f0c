//! The round trip of an end that only receives (RFC 3611 §4.4, §4.5): it tells its time with each report, and those who
//! send tell it how long ago they heard that.

use std::time::{Duration, Instant};

use peerage_rtp::Ssrc;
use peerage_rtp::rtcp::{DelaySinceReference, ExtendedReport, ReportBlockXr};
use peerage_rtp::{NtpTime, compact_from_duration};

use super::{RtpTransport, Target};

/// Ends whose reference times are answered: one, or a few behind a mixer. Those not heard for the longest time make room.
const MAX_REFERENCES: usize = 16;
/// A reference time older than this is not answered any more.
const MAX_REFERENCE_AGE: Duration = Duration::from_secs(30);

/// A reference time of the peer.
#[derive(Clone, Copy, Debug)]
struct Reference {
    ssrc: Ssrc,
    /// The middle 32 bits.
    time: u32,
    arrived: Instant,
}

/// The reference times heard last.
#[derive(Debug, Default)]
pub(super) struct ReferenceTimes(Vec<Reference>);

impl ReferenceTimes {
    fn hear(&mut self, now: Instant, ssrc: Ssrc, ntp: u64) {
        let reference = Reference { ssrc, time: NtpTime(ntp).middle(), arrived: now };
        if let Some(known) = self.0.iter_mut().find(|known| known.ssrc == ssrc) {
            *known = reference;
        } else if self.0.len() < MAX_REFERENCES {
            self.0.push(reference);
        } else if let Some(oldest) = self.0.iter_mut().min_by_key(|known| known.arrived) {
            *oldest = reference;
        }
    }

    fn answers(&mut self, now: Instant) -> Vec<DelaySinceReference> {
        self.0.retain(|known| now.saturating_duration_since(known.arrived) <= MAX_REFERENCE_AGE);
        let answer = |known: &Reference| DelaySinceReference {
            ssrc: known.ssrc,
            last_reference: known.time,
            delay: compact_from_duration(now.saturating_duration_since(known.arrived)),
        };
        self.0.iter().map(answer).collect()
    }
}

impl RtpTransport {
    /// Appends what a report of `ssrc` tells beyond RFC 3550: our time while we only receive, else how long ago we heard
    /// the peer's.
    pub(super) fn write_extended_report(
        &mut self,
        now: Instant,
        ssrc: Ssrc,
        sends: bool,
        packet: &mut Vec<u8>,
    ) {
        if !sends {
            if !self.tells_reference {
                return;
            }
            let blocks = [ReportBlockXr::ReceiverReferenceTime { ntp: self.clock.at(now).0 }];
            ExtendedReport::new(ssrc, &blocks).write(packet);
            return;
        }
        let answers = self.references.answers(now);
        if !answers.is_empty() {
            let blocks = [ReportBlockXr::Dlrr((&answers).into())];
            ExtendedReport::new(ssrc, &blocks).write(packet);
        }
    }

    /// Takes an extended report. `reported` are the sources whose sender reports came in the same compound packet: the
    /// round trip is theirs as well (webrtc-stats, `RTCRemoteOutboundRtpStreamStats`).
    pub(super) fn take_extended_report(
        &mut self,
        now: Instant,
        report: &ExtendedReport<'_>,
        reported: &[Ssrc],
    ) {
        for block in report.blocks() {
            match block {
                ReportBlockXr::ReceiverReferenceTime { ntp } => {
                    self.references.hear(now, report.ssrc, ntp);
                }
                ReportBlockXr::Dlrr(list) => {
                    let ours = list.iter().find(|item| item.ssrc == self.own_ssrc());
                    let Some(item) = ours else { continue };
                    let (last, delay) = (item.last_reference, item.delay);
                    let at = self.clock.at(now);
                    let Some(round_trip) = peerage_rtp::round_trip(at, last, delay) else {
                        continue;
                    };
                    self.round_trip = round_trip;
                    let named = Some(report.ssrc).filter(|ssrc| !reported.contains(ssrc));
                    for source in reported.iter().copied().chain(named) {
                        if let Some(&Target::Media(index)) = self.by_ssrc.get(&source.0) {
                            self.receivers[index].counters.round_trips.add(round_trip);
                        }
                    }
                }
                _ => {}
            }
        }
    }
}
