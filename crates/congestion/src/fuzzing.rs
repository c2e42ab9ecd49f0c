//! Fuzz bodies: whatever is reported, nothing panics, and what comes out stays within its bounds.

use std::time::{Duration, Instant};

use crate::{
    Action, Allocator, Class, Controller, DataRate, DataSize, Ecn, Encoding, Feedback, Gcc,
    GccConfig, Pacer, PacerConfig, PacketResult, ProbeCluster, ProbeClusterId, RemoteEstimator,
    SendHistory, SentPacket, StreamConfig,
};

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// A number of any magnitude: a byte of bits shifted by another.
    fn number(&mut self) -> Option<u64> {
        let (value, shift) = (self.byte()?, self.byte()?);
        Some(u64::from(value) << (shift % 57))
    }

    /// Up to many years.
    fn duration(&mut self) -> Option<Duration> {
        Some(Duration::from_nanos(self.number()?))
    }
}

/// A controller through sends, reports and timeouts at any times, also backwards.
pub fn controller(data: &[u8]) {
    let mut bytes = Bytes(data);
    let start = Instant::now() + Duration::from_secs(1 << 30);
    let config = GccConfig::default();
    let Ok(mut gcc) = Gcc::new(config) else { return };
    let mut history = SendHistory::new(64);
    let mut now = start;
    let mut id = 0u64;
    let mut limit = None;
    let _ = (|| -> Option<()> {
        loop {
            match bytes.byte()? % 10 {
                0..=2 => {
                    let packet = SentPacket {
                        id,
                        size: DataSize::from_bytes(bytes.number()?),
                        probe: bytes
                            .byte()
                            .filter(|b| b % 2 == 0)
                            .map(|b| ProbeClusterId(b.into())),
                        padding: bytes.byte()? % 4 == 0,
                    };
                    id += 1;
                    history.on_packet_sent(now, &packet);
                    gcc.on_packet_sent(now, &packet);
                }
                3 | 4 => {
                    let mut results: Vec<PacketResult> = Vec::new();
                    for _ in 0..bytes.byte()? % 32 {
                        let id = id.saturating_sub(u64::from(bytes.byte()? % 70));
                        let arrived = bytes.byte()?;
                        let arrived = if arrived % 4 == 0 { None } else { Some(bytes.duration()?) };
                        let ecn = if arrived.is_some() { Ecn::Ce } else { Ecn::NotEct };
                        results.extend(history.on_report(id, arrived, ecn));
                        if bytes.byte()? % 8 == 0 {
                            // What no history would give.
                            results.push(PacketResult {
                                sent: start - bytes.duration()?.min(Duration::from_secs(1 << 20)),
                                arrived: Some(bytes.duration()?),
                                size: DataSize::from_bytes(bytes.number()?),
                                ecn,
                                probe: Some(ProbeClusterId(bytes.byte()?.into())),
                                was_lost: bytes.byte()? % 2 == 0,
                            });
                        }
                    }
                    let rtt = if bytes.byte()? % 2 == 0 { None } else { Some(bytes.duration()?) };
                    gcc.on_feedback(now, &Feedback { results: &results, rtt });
                }
                5 => now += bytes.duration()?.min(Duration::from_secs(1 << 24)),
                6 => {
                    let back = bytes.duration()?.min(Duration::from_secs(1 << 20));
                    now = now.checked_sub(back).unwrap_or(now);
                }
                7 => {
                    gcc.handle_timeout(now);
                    while gcc.poll_probe().is_some() {}
                }
                8 => {
                    limit = (bytes.byte()? % 2 == 0).then_some(DataRate::from_bps(bytes.number()?));
                    gcc.on_remote_limit(now, limit);
                    gcc.on_application_limited(now, Some(DataRate::from_bps(bytes.number()?)));
                }
                _ => match bytes.byte()? % 4 {
                    0 => {
                        limit = None;
                        gcc.on_route_change(now);
                    }
                    _ => gcc.on_rtt(now, bytes.duration()?),
                },
            }
            let target = gcc.target();
            let most = limit.map_or(config.max_rate, |limit| limit.min(config.max_rate));
            let least = limit.map_or(config.min_rate, |limit| limit.min(config.min_rate));
            assert!(target.rate >= least && target.rate <= most, "{target:?}");
            assert!(target.stable_rate <= target.rate, "{target:?}");
            assert!((0.0..=1.0).contains(&target.loss), "{target:?}");
            let _ = (gcc.poll_timeout(), gcc.stats());
        }
    })();
}

/// A pacer through packets, rates and bursts at any times.
pub fn pacer(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut now = Instant::now() + Duration::from_secs(1 << 30);
    let mut pacer = Pacer::new(PacerConfig { max_packets: 64, ..PacerConfig::default() });
    let mut inside = 0usize;
    let mut latest = now;
    let _ = (|| -> Option<()> {
        loop {
            match bytes.byte()? % 8 {
                0 | 1 => {
                    let classes = [
                        Class::Audio,
                        Class::Retransmission,
                        Class::Video,
                        Class::Fec,
                        Class::Padding,
                    ];
                    let class = classes[usize::from(bytes.byte()?) % classes.len()];
                    let size = DataSize::from_bytes(bytes.number()?);
                    inside += usize::from(pacer.enqueue(now, class, size, ()).is_ok());
                }
                2 => {
                    let rate = DataRate::from_bps(bytes.number()?);
                    pacer.set_rates(now, rate, DataRate::from_bps(bytes.number()?));
                }
                3 => pacer.add_probe(ProbeCluster {
                    id: ProbeClusterId(bytes.byte()?.into()),
                    rate: DataRate::from_bps(bytes.number()?),
                    min_size: DataSize::from_bytes(bytes.number()?),
                    min_packets: bytes.byte()?.into(),
                }),
                4 => {
                    let flags = bytes.byte()?;
                    pacer.set_can_pad(flags & 1 != 0);
                    pacer.set_congested(flags & 2 != 0);
                }
                5 => now += bytes.duration()?.min(Duration::from_secs(1 << 24)),
                6 => {
                    let back = bytes.duration()?.min(Duration::from_secs(1 << 20));
                    now = now.checked_sub(back).unwrap_or(now);
                }
                _ => {
                    for _ in 0..200 {
                        match pacer.poll(now) {
                            Some(Action::Send { .. }) => inside -= 1,
                            Some(Action::Padding { size, .. }) => {
                                let sent = bytes.byte().is_some_and(|b| b % 2 == 0);
                                pacer
                                    .on_padding_sent(now, if sent { size } else { DataSize::ZERO });
                            }
                            None => {
                                // Or whoever sleeps until then would never sleep.
                                let next = pacer.poll_timeout();
                                assert!(now < latest || next.is_none_or(|at| at > now));
                                break;
                            }
                        }
                    }
                }
            }
            latest = latest.max(now);
            assert_eq!(pacer.len(), inside);
            assert_eq!(pacer.is_empty(), inside == 0);
            let rate = DataRate::from_kbps(300);
            assert!(pacer.media_rate(rate) <= rate);
            let _ = (pacer.poll_timeout(), pacer.oldest(now), pacer.expected_queue_time());
        }
    })();
}

/// A receive-side estimator with any send times.
pub fn remote(data: &[u8]) {
    let mut bytes = Bytes(data);
    let (min, max) = (DataRate::from_kbps(50), DataRate::from_mbps(20));
    let mut estimator = RemoteEstimator::new(min, max);
    let mut now = Instant::now() + Duration::from_secs(1 << 30);
    let _ = (|| -> Option<()> {
        loop {
            let step = bytes.byte()?;
            if step == 255 {
                let back = bytes.duration()?.min(Duration::from_secs(1 << 20));
                now = now.checked_sub(back).unwrap_or(now);
            } else if step > 250 {
                now += bytes.duration()?.min(Duration::from_secs(1 << 24));
            } else {
                now += Duration::from_micros(u64::from(step) * 100);
            }
            let time = u32::from_be_bytes([bytes.byte()?, bytes.byte()?, bytes.byte()?, 0]);
            estimator.on_packet(now, time >> (step % 9), DataSize::from_bytes(bytes.number()?));
            if let Some(rate) = estimator.poll_report(now) {
                assert!(rate >= min && rate <= max, "{rate}");
            }
        }
    })();
}

/// An allocator with any streams and targets.
pub fn allocator(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut allocator = Allocator::new();
    let _ = (|| -> Option<()> {
        loop {
            let kind = bytes.byte()?;
            if kind % 4 < 2 {
                let config = StreamConfig {
                    id: u64::from(bytes.byte()? % 16),
                    priority: f64::from_bits(bytes.number()? << 8),
                    always: kind & 0x80 != 0,
                    encodings: (0..kind >> 4 & 3)
                        .map_while(|_| {
                            Some(Encoding {
                                min: DataRate::from_bps(bytes.number()?),
                                max: DataRate::from_bps(bytes.number()?),
                            })
                        })
                        .collect(),
                };
                let _ = if kind % 4 == 0 {
                    allocator.add(config)
                } else {
                    allocator.update(config).map(|_| ())
                };
            } else if kind % 4 == 2 {
                allocator.remove(u64::from(bytes.byte()? % 16));
            } else {
                allocator.allocate(DataRate::from_bps(bytes.number()?));
            }
            let _ = (allocator.demand(), allocator.allocations());
        }
    })();
}

#[cfg(test)]
#[path = "../../../fuzz/inputs.rs"]
mod inputs;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_run() {
        let mut state = 7u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        for length in (0..400).chain([3_000; 60]) {
            let data: Vec<u8> = (0..length).map(|_| random()).collect();
            controller(&data);
            pacer(&data);
            remote(&data);
            allocator(&data);
        }
    }

    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("congestion_allocator", allocator);
        inputs::run("congestion_controller", controller);
        inputs::run("congestion_pacer", pacer);
        inputs::run("congestion_remote", remote);
    }
}
