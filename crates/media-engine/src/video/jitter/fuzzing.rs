//! Fuzz body: any sequence of frames, times and calls keeps the bounds and never stalls.

use std::time::{Duration, Instant};

use bytes::Bytes;
use peerage_rtp::payload::EncodedFrame;

use super::{Arrived, JitterConfig, JitterEvent, VideoJitterBuffer};

/// Each four bytes are a call. What is held stays within its bounds, every frame that came is accounted for, and whatever is held is
/// handed out within the longest delay.
pub fn video_jitter(data: &[u8]) {
    let mut config = JitterConfig::default();
    (config.max_frames, config.max_bytes) = (16, 4000);
    config.max_delay = Duration::from_secs(2);
    let longest = config.max_delay;
    let mut buffer = VideoJitterBuffer::new(config);
    let mut now = Instant::now();
    let mut timestamp = 0u32;
    let mut emitted = 0;
    for call in data.chunks_exact(4) {
        let (kind, value) = (call[0], u32::from(call[1]) << 8 | u32::from(call[2]));
        match kind & 15 {
            0..=6 => {
                timestamp = match kind & 15 {
                    0 => timestamp.wrapping_add(value << 16),
                    1 => timestamp.wrapping_sub(value),
                    _ => timestamp.wrapping_add(3000),
                };
                let frame = EncodedFrame {
                    data: Bytes::from(vec![0; usize::from(call[3]) * 20]),
                    timestamp,
                    keyframe: call[2] & 7 == 0,
                    discardable: call[2] & 8 != 0,
                    first_sequence: 0,
                    last_sequence: 0,
                    marker: true,
                    temporal_layer: None,
                    spatial_layer: None,
                    dimensions: None,
                    picture_id: None,
                    block_payload_type: None,
                    redundant: false,
                };
                // Packets may have come long before, and claim to come later.
                let before = Duration::from_millis(u64::from(kind & 0x30) * 20);
                let first = now.checked_sub(before).unwrap_or(now);
                let last = if kind & 0x40 == 0 { now } else { first + 2 * before };
                let repaired = kind & 0x80 != 0;
                buffer.insert_arrived(now, Arrived { first, last, repaired }, frame);
            }
            7 => buffer.packet_arrived(now),
            8 => buffer.decode_failed(now),
            9 => buffer.decoded(Duration::from_micros(value.into()), false),
            10 => buffer.set_target(Duration::from_millis(value.into())),
            11 => buffer.set_synchronised_delay(Duration::from_millis(value.into())),
            12 => buffer.set_playout_delay(
                Duration::from_millis(u64::from(call[1]) * 10),
                Duration::from_millis(u64::from(call[2]) * 10),
            ),
            13 if call[3] == 0 => buffer.reset(),
            _ => now += Duration::from_micros(u64::from(value) * 3),
        }
        let mut polls = 0;
        while let Some(event) = buffer.poll(now) {
            emitted += u64::from(matches!(event, JitterEvent::Decode(_)));
            polls += 1;
            assert!(polls <= 64, "poll has something to say for ever");
        }
        assert!(buffer.frames() <= 16 && buffer.bytes() <= 4000);
        assert!(buffer.target_delay() <= longest && buffer.current_delay() <= longest);
        assert!(buffer.poll_timeout().is_none_or(|at| at > now), "a time that is over already");
    }
    // Everything leaves in the end.
    let end = now + longest + Duration::from_secs(1);
    while let Some(event) = buffer.poll(end) {
        emitted += u64::from(matches!(event, JitterEvent::Decode(_)));
    }
    assert_eq!((buffer.frames(), buffer.bytes()), (0, 0));
    let statistics = buffer.statistics();
    assert_eq!(statistics.jitter_buffer_emitted_count, emitted);
    assert!(statistics.frames_received >= statistics.frames_dropped + emitted);
}
