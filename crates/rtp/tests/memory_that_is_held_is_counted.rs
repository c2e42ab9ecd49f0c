//! What a peer makes an assembler hold is what the assembler says that it holds: measured by the allocator, for an owner
//! of many streams bounds them all together by what each says.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use bytes::Bytes;
use peerage_rtp::SequenceNumber;
use peerage_rtp::payload::{AssemblerConfig, FrameAssembler, PacketizationMode, PayloadFormat};
use peerage_rtp::repair::{NackConfig, NackGenerator};

struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: defers to the system's allocator; the counter touches no memory that is handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.set(LIVE.get().wrapping_add(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().wrapping_sub(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What an assembler may hold beside what it counts.
const BESIDE: usize = 1_024;

/// Lets `fill` fill an assembler of `format`, and checks that it counts what it holds, and gives it back.
#[track_caller]
fn check(format: PayloadFormat, at_least: usize, fill: impl Fn(&mut FrameAssembler)) {
    let mut assembler = FrameAssembler::new(format, AssemblerConfig::default());
    let before = LIVE.get();
    fill(&mut assembler);
    let held = LIVE.get().wrapping_sub(before);
    assert!(held >= at_least, "{held} bytes: what is to be counted is not there");
    let counted = assembler.held_bytes();
    assert!(counted + BESIDE >= held, "{counted} bytes of {held} are counted");
    assembler.give_up_all();
    assert_eq!(assembler.held_bytes(), 0);
    let left = LIVE.get().wrapping_sub(before);
    assert!(left <= BESIDE, "{left} bytes of {held} stay");
}

#[test]
fn places_of_packets_that_are_missing_count() {
    check(PayloadFormat::Vp8, 100_000, |assembler| {
        for sequence in [0, 2_047] {
            assembler.insert(sequence, 0, false, Bytes::from(vec![0x10, 1]), None);
        }
    });
}

#[test]
fn packets_of_one_byte_count() {
    check(PayloadFormat::Raw, 100_000, |assembler| {
        for sequence in 0..2_000 {
            assembler.insert(sequence, 0, false, Bytes::from(vec![7]), None);
        }
    });
}

#[test]
fn lists_of_units_in_a_packet_count() {
    // A STAP-A of 400 units of one byte (RFC 6184 §5.7.1).
    let mut payload = vec![24];
    for _ in 0..400 {
        payload.extend([0, 1, 1]);
    }
    let h264 = PayloadFormat::H264 { packetization_mode: PacketizationMode::NonInterleaved };
    check(h264, 1_000_000, |assembler| {
        for sequence in 0..200 {
            assembler.insert(sequence, 0, false, Bytes::from(payload.clone()), None);
        }
    });
}

#[test]
fn dependency_descriptors_count() {
    check(PayloadFormat::Vp8, 500_000, |assembler| {
        for sequence in 0..2_000 {
            let payload = Bytes::from(vec![0x10, 1]);
            assembler.insert_described(sequence, 0, false, payload, &[7; 255]);
        }
    });
}

#[test]
fn what_a_burst_took_is_given_back_once_it_is_over() {
    let mut assembler = FrameAssembler::new(PayloadFormat::Vp8, AssemblerConfig::default());
    for sequence in 0..2_000 {
        assembler.insert(sequence, 0, false, Bytes::from(vec![0x10, 1]), None);
    }
    let at_once = assembler.held_bytes();
    assembler.give_up_before(2_000);
    let later = assembler.held_bytes();
    assert!(later > 0 && later * 8 < at_once, "{later} of {at_once}");
}

#[test]
fn numbers_that_are_missed_count() {
    let mut nack = NackGenerator::new(NackConfig::default());
    let (now, before) = (Instant::now(), LIVE.get());
    let held = || LIVE.get().wrapping_sub(before);
    nack.receive(now, SequenceNumber(0));
    nack.receive(now, SequenceNumber(1_000));
    assert!(held() > 30_000 && nack.held_bytes() >= held(), "{}", held());
    nack.key_frame(SequenceNumber(1_000));
    assert!(nack.held_bytes() < 5_000 && nack.held_bytes() >= held(), "{}", held());
    nack.receive(now, SequenceNumber(1_500));
    nack.give_up();
    assert_eq!((nack.held_bytes(), held()), (0, 0));
}
