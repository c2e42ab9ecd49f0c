//! Once it has run for a while, a jitter buffer allocates nothing, whatever is lost, late, stretched or made up.

mod jitter_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use jitter_support::{Call, Pcm16, tone};
use peerage_media::audio::jitter::{JitterBuffer, JitterConfig};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: defers to the system's allocator; the counter touches no memory that is handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn nothing_is_allocated() {
    const RATE: u32 = 48_000;
    let call = Call::new(RATE, 120, 60_000, 0.1, 2.0, 11);
    let mut buffer = JitterBuffer::new(JitterConfig::new(RATE), Box::new(Pcm16 { rate: RATE }));
    let (mut settled, mut taken) = (0, 0);
    let mut before = None;
    call.run_measured(
        &mut buffer,
        |now, inside| {
            let count = COUNT.with(Cell::get);
            if inside {
                before = Some(count);
            } else if let Some(before) = before.take()
                && now > 60_000_000
            {
                settled += 1;
                taken += count - before;
            }
        },
        tone(RATE, 200.0),
    );
    assert!(settled > 5_000);
    assert_eq!(taken, 0, "in {settled} blocks");
    let statistics = buffer.statistics();
    assert!(statistics.concealed_samples > 0 && statistics.removed_samples_for_acceleration > 0);
}
