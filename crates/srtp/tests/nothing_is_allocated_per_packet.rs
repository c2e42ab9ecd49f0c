//! Once a stream has begun, neither protecting its packets nor opening them allocates, whatever the profile and whatever is
//! encrypted. What the library of ciphers allocates outside of Rust is not counted.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use peerage_srtp::{Config, Cryptex, ProtectionProfile, Receiver, Sender};
use support::{key, provider, rtcp};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: defers to the system's allocator; the counter touches no memory that is handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A packet with a contributing source and a header extension of two elements.
fn write(packet: &mut Vec<u8>, ssrc: u32, sequence_number: u16, len: usize) {
    packet.clear();
    packet.extend([0x91, 96]);
    packet.extend(sequence_number.to_be_bytes());
    packet.extend([0, 1, 2, 3]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(77u32.to_be_bytes());
    packet.extend([0xbe, 0xde, 0, 2, 0x10, 0xaa, 0x22, 1, 2, 3, 0, 0]);
    packet.resize(packet.len() + len, 0x5a);
}

/// Allocations of so many packets of two streams, and of as much RTCP, there and back.
fn allocations(
    (sender, receiver): (&mut Sender, &mut Receiver),
    numbers: std::ops::Range<u16>,
    packet: &mut Vec<u8>,
) -> u64 {
    let before = COUNT.get();
    for number in numbers {
        for ssrc in [7, 8] {
            write(packet, ssrc, number, 100 + usize::from(number % 1_000));
            let len = packet.len();
            sender.protect_rtp(packet, 0).expect("protected");
            let opened = receiver.unprotect_rtp(packet).expect("opened").len();
            assert_eq!(opened, len);
            packet.clear();
            packet.extend([0x80, 201, 0, 1, 0, 0, 0, ssrc as u8]);
            packet.resize(8 + usize::from(number % 50) * 4, 1);
            sender.protect_rtcp(packet, 0).expect("protected");
            receiver.unprotect_rtcp(packet).expect("opened");
        }
    }
    COUNT.get() - before
}

#[test]
fn nothing_is_allocated_per_packet() {
    // Somewhere to write to that never grows.
    let mut packet = Vec::with_capacity(4_096);
    let elements = (1..=14).collect();
    for (name, config, mki) in [
        ("plain", Config::default(), None),
        ("with an identifier", Config::default(), Some(&b"mki!"[..])),
        ("cryptex", Config { cryptex: Cryptex::Enabled, ..Config::default() }, None),
        ("elements", Config { encrypted_header_extensions: elements, ..Config::default() }, None),
    ] {
        for profile in ProtectionProfile::ALL {
            let key = match mki {
                Some(mki) => key(profile, 1).with_mki(mki).expect("short"),
                None => key(profile, 1),
            };
            let mut sender = Sender::new(&provider(), &key, config.clone()).expect("a sender");
            let mut receiver =
                Receiver::new(&provider(), &key, config.clone()).expect("a receiver");
            let first = allocations((&mut sender, &mut receiver), 65_000..65_200, &mut packet);
            assert!(first > 0, "{name}, {profile:?}: streams are made");
            // Over the wrap of the numbers too.
            let rest = allocations((&mut sender, &mut receiver), 65_200..65_535, &mut packet)
                + allocations((&mut sender, &mut receiver), 0..2_000, &mut packet);
            assert_eq!(rest, 0, "{name}, {profile:?}");
        }
    }
    // The counter counts.
    let before = COUNT.get();
    assert_eq!(rtcp(1, b"rest").len() + usize::from(COUNT.get() == before), 12);
}
