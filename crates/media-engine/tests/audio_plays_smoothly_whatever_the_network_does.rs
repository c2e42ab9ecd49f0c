//! The jitter buffer for sound through packet traces in virtual time: ten milliseconds come out of each call, a tone stays a
//! tone, and the delay is no more than the network asks for.

mod jitter_support;

use std::time::Duration;

use jitter_support::{Call, impurity, steepest, tone};
use peerage_media::audio::jitter::JitterConfig;

const RATE: u32 = 16_000;
/// A tone of 200 Hz rises no faster than this from one sample to the next.
const STEEPEST: f32 = 0.5 * std::f32::consts::TAU * 200.0 / RATE as f32;

fn config() -> JitterConfig {
    JitterConfig::new(RATE)
}

#[test]
fn a_steady_network_is_heard_as_it_was_sent_and_at_once() {
    let (heard, buffer) = Call::new(RATE, 20, 0, 0.0, 1.0, 1).run(config(), tone(RATE, 200.0));
    let statistics = buffer.statistics();
    assert_eq!(statistics.concealed_samples, 0);
    assert_eq!(statistics.packets_discarded, 0);
    assert_eq!(statistics.total_samples_received, heard.len() as u64);
    // Half of the packet, and two steps of the histogram.
    assert!(statistics.mean_delay() < Duration::from_millis(45), "{:?}", statistics.mean_delay());
    assert!(impurity(&heard[RATE as usize..], RATE, 200.0) < 1e-4);
    assert!(steepest(&heard[RATE as usize..]) < 1.2 * STEEPEST);
    let level = (0.125f64).sqrt();
    assert!((statistics.audio_level - level).abs() < 0.01);
}

#[test]
fn jitter_is_taken_up_by_delay_and_stretching_keeps_the_pitch() {
    for jitter in [20_000, 60_000, 120_000, 200_000] {
        let (heard, buffer) =
            Call::new(RATE, 60, jitter, 0.0, 1.0, 2).run(config(), tone(RATE, 200.0));
        let statistics = buffer.statistics();
        // From then on it knows the network.
        let settled = &heard[20 * RATE as usize..];
        assert!(
            impurity(settled, RATE, 200.0) < 0.01,
            "{jitter}: {}",
            impurity(settled, RATE, 200.0)
        );
        assert!(statistics.concealed_share() < 0.02, "{jitter}: {}", statistics.concealed_share());
        let most = Duration::from_micros(jitter as u64) + Duration::from_millis(40);
        assert!(buffer.target_delay() <= most, "{jitter}: {:?}", buffer.target_delay());
        assert!(statistics.mean_delay() < most, "{jitter}: {:?}", statistics.mean_delay());
    }
}

#[test]
fn a_target_that_is_asked_for_is_reached_and_left_by_stretching() {
    let mut call = Call::new(RATE, 40, 0, 0.0, 1.0, 3);
    call.drift = 0.0;
    let mut buffer = peerage_media::audio::jitter::JitterBuffer::new(
        config(),
        Box::new(jitter_support::Pcm16 { rate: RATE }),
    );
    let heard = call.run_with(
        &mut buffer,
        |now, buffer| {
            let target = if (10_000_000..25_000_000).contains(&now) { 300 } else { 0 };
            buffer.set_target(Duration::from_millis(target));
            if now == 24_000_000 {
                assert!((14..=17).contains(&buffer.packets()), "{}", buffer.packets());
            } else if now == 39_000_000 {
                assert!(buffer.packets() <= 2, "{}", buffer.packets());
            }
        },
        tone(RATE, 200.0),
    );
    let statistics = buffer.statistics();
    assert_eq!(statistics.concealed_samples, 0);
    let (more, less) = (
        statistics.inserted_samples_for_deceleration / u64::from(RATE / 1_000),
        statistics.removed_samples_for_acceleration / u64::from(RATE / 1_000),
    );
    assert!((250..350).contains(&more) && (250..400).contains(&less), "{more} ms, {less} ms");
    assert!(impurity(&heard[RATE as usize..], RATE, 200.0) < 0.01);
    assert!(steepest(&heard[RATE as usize..]) < 1.5 * STEEPEST);
}

#[test]
fn clocks_that_drift_neither_starve_nor_pile_up() {
    for drift in [-200.0, 200.0] {
        let mut call = Call::new(RATE, 300, 10_000, 0.0, 1.0, 4);
        call.drift = drift;
        let (heard, buffer) = call.run(config(), tone(RATE, 200.0));
        let statistics = buffer.statistics();
        assert!(statistics.concealed_share() < 0.005, "{drift}: {statistics:?}");
        assert!(statistics.mean_delay() < Duration::from_millis(60), "{drift}: {statistics:?}");
        let settled = &heard[20 * RATE as usize..];
        assert!(
            impurity(settled, RATE, 200.0) < 0.01,
            "{drift}: {}",
            impurity(settled, RATE, 200.0)
        );
    }
}

#[test]
fn losses_are_filled_without_clicks() {
    for (loss, burst) in [(0.05, 1.0), (0.1, 1.0), (0.2, 1.0), (0.3, 1.0), (0.1, 3.0), (0.2, 3.0)] {
        let (heard, buffer) =
            Call::new(RATE, 60, 20_000, loss, burst, 5).run(config(), tone(RATE, 200.0));
        let statistics = buffer.statistics();
        let share = statistics.concealed_share();
        assert!(share > 0.5 * loss && share < 1.6 * loss + 0.02, "{loss}/{burst}: {share}");
        let step = steepest(&heard[RATE as usize..]);
        assert!(
            step < 4.0 * STEEPEST,
            "{loss}/{burst}: a step of {step}, {STEEPEST} is the tone's"
        );
        assert!(
            statistics.mean_delay() < Duration::from_millis(90),
            "{loss}/{burst}: {statistics:?}"
        );
    }
}
