//! Seeds of the targets of peerage-congestion: scripts of calls. A number is a byte and how far it is shifted.

use crate::Sink;

/// A packet of 1,200 bytes is sent, and 10 ms pass.
const SEND: &[u8] = &[0, 150, 3, 1, 1, 5, 152, 16];
/// The same in a burst.
const PROBE: &[u8] = &[0, 150, 3, 0, 1, 5, 152, 13];

pub(crate) fn write(sink: &Sink) {
    controller(sink);
    for (name, script) in [
        // Rates of 1 and 0.1 Mbit/s, five classes, then as time goes by.
        ("classes", [&[2, 244, 12, 195, 9][..], &packets(5), &[7], &wait(20)].concat()),
        (
            "burst",
            [&[2, 244, 10, 0, 0, 4, 1, 3, 1, 183, 14, 88, 6, 5][..], &packets(2), &wait(10)]
                .concat(),
        ),
        ("congested", [&[2, 244, 12, 0, 0, 4, 2][..], &packets(5), &wait(30)].concat()),
        ("backwards", [&[2, 244, 12, 0, 0][..], &packets(3), &[6, 200, 24, 7], &wait(5)].concat()),
        ("no_rate", [&packets(5)[..], &wait(5)].concat()),
    ] {
        sink.seed("congestion_pacer", name, &script);
    }
    for (name, step) in [("steady", 100), ("fast", 3), ("jumps", 252)] {
        let mut script = Vec::new();
        for packet in 0..60u8 {
            script.push(step);
            if step > 250 {
                script.extend_from_slice(&[packet, packet % 40]);
            }
            script.extend_from_slice(&[0, packet / 4, packet << 6, 150, 3]);
        }
        sink.seed("congestion_remote", name, &script);
    }
    // Streams of one and three encodings, targets up and down, one stream gone.
    let mut script = vec![
        0x90, 1, 0, 0, 32, 10, 32, 10, 0x30, 2, 63, 48, 50, 10, 200, 10, 150, 10, 175, 12, 150, 12,
        152, 14,
    ];
    for kbps in [10, 50, 100, 200, 150, 50, 250] {
        script.extend_from_slice(&[3, kbps, 12]);
    }
    script.extend_from_slice(&[2, 1, 3, 200, 12]);
    sink.seed("congestion_allocator", "simulcast", &script);
}

fn controller(sink: &Sink) {
    // All that was sent arrived on time; nothing did; with marks; twice; with limits; at times that make no sense.
    let report = |arrived: &[u8]| {
        let mut script = vec![3, 20];
        for back in (1..=20u8).rev() {
            script.push(back);
            script.extend_from_slice(arrived);
            if arrived[0] % 4 != 0 {
                script.extend_from_slice(&[200 - back, 24]);
            }
            script.push(1);
        }
        script.push(0);
        script
    };
    let sent = SEND.repeat(20);
    let all = [&sent[..], &report(&[1])].concat();
    sink.seed("congestion_controller", "arrived", &all.repeat(4));
    sink.seed("congestion_controller", "lost", &[&sent[..], &report(&[0])].concat().repeat(3));
    sink.seed("congestion_controller", "twice", &[&all[..], &report(&[1])].concat());
    sink.seed(
        "congestion_controller",
        "burst",
        &[&PROBE.repeat(20)[..], &[7], &report(&[1])].concat(),
    );
    sink.seed(
        "congestion_controller",
        "silence",
        &[&sent[..], &[5, 200, 24, 7].repeat(20)].concat(),
    );
    sink.seed(
        "congestion_controller",
        "limits",
        &[&all[..], &[8, 0, 100, 10, 200, 12, 8, 1, 200, 4]].concat(),
    );
    sink.seed(
        "congestion_controller",
        "backwards",
        &[&sent[..], &[6, 255, 30], &report(&[1]), &sent].concat(),
    );
    sink.seed("congestion_controller", "route", &[&all[..], &[9, 0], &all].concat());
}

/// A packet of each class.
fn packets(times: u8) -> Vec<u8> {
    (0..times).flat_map(|class| [0, class, 150, 3]).collect()
}

/// So often 8 ms pass, and all is sent that may be.
fn wait(times: usize) -> Vec<u8> {
    [5, 128, 16, 7].repeat(times)
}
