//! What a tick costs a connection that has streams and nothing to do: poll for timers, and a look at all queues.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bench_measure::{cpu_time, figure, median};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    Configuration, ConnectionState, Frame, Input, PeerConnection, Protocol, Rng,
    RtpEncodingParameters, TransceiverInit,
};

const TICKS: u32 = 200_000;

struct End {
    pc: PeerConnection,
    address: SocketAddr,
}

fn end(now: Instant, seed: u64, number: u8) -> End {
    let unix = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let mut config = Configuration::new(unix);
    for name in ["VP9", "H264", "H265", "AV1"] {
        config.settings.media.disable_codec(MediaKind::Video, name);
    }
    let mut pc = PeerConnection::new(now, config, Rng::from_seed(seed)).expect("valid");
    let address = SocketAddr::from(([192, 0, 2, number], 5000));
    pc.add_local_address(now, address);
    pc.local_addresses_complete(now);
    End { pc, address }
}

fn exchange(now: Instant, from: &mut End, to: &mut End) {
    let mut buffer = Vec::new();
    while let Some(transmit) = from.pc.poll_transmit(now, &mut buffer) {
        let (source, destination) = (from.address, transmit.destination);
        let data = &mut buffer[..];
        let input = Input { source, destination, protocol: Protocol::Udp, ecn: None, data };
        to.pc.handle_input(now, input).expect("open");
        buffer.clear();
    }
    while to.pc.poll_event().is_some() {}
}

/// The receiving end of a pair with so many streams of video, each of which has begun: eight to a section, as layers, and of VP8
/// alone, since 125 sections with all codecs are more than one description may have.
fn receiver(seed: u64, streams: usize) -> (End, Instant) {
    let mut now = Instant::now();
    let (mut a, mut b) = (end(now, seed, 1), end(now, seed + 1, 2));
    let layers: &[&str] = match streams % 8 {
        0 => &["a", "b", "c", "d", "e", "f", "g", "h"],
        4 => &["a", "b", "c", "d"],
        _ => &[""],
    };
    let handles: Vec<_> = (0..streams / layers.len())
        .map(|number| {
            let mut init = TransceiverInit::send_only();
            init.track = Some(format!("track-{number}"));
            init.send_encodings =
                layers.iter().map(|rid| RtpEncodingParameters::new(*rid)).collect();
            a.pc.add_transceiver(now, MediaKind::Video, init).expect("room")
        })
        .collect();
    a.pc.set_local_description(now, None).expect("stable");
    b.pc.set_remote_description(now, a.pc.local_description().expect("set")).expect("valid");
    b.pc.set_local_description(now, None).expect("an offer");
    a.pc.set_remote_description(now, b.pc.local_description().expect("set")).expect("valid");
    let mut sent = false;
    // The frames of many streams take their time.
    while b.pc.statistics().rtp.packets_received < streams as u64 {
        let up = ConnectionState::Connected;
        if !sent && a.pc.connection_state() == up && b.pc.connection_state() == up {
            sent = true;
            for handle in &handles {
                for layer in 0..layers.len() {
                    let picture = vec![0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0];
                    a.pc.send_frame(now, *handle, layer, &Frame::new(picture, 0)).expect("sending");
                }
            }
        }
        exchange(now, &mut a, &mut b);
        exchange(now, &mut b, &mut a);
        now += Duration::from_millis(5);
        a.pc.handle_timeout(now);
        b.pc.handle_timeout(now);
    }
    while b.pc.poll_event().is_some() {}
    (b, now)
}

pub fn measure() {
    for streams in [1, 100, 1_000] {
        let each = median(|seed| {
            let (mut end, now) = receiver(10 * seed, streams);
            let mut buffer = Vec::new();
            let ((), spent) = cpu_time(|| {
                for tick in 0..TICKS {
                    // Within a millisecond: no report is due.
                    let now = now + Duration::from_nanos(u64::from(tick));
                    black_box(end.pc.poll_timeout());
                    end.pc.handle_timeout(now);
                    black_box(end.pc.poll_transmit(now, &mut buffer));
                    black_box(end.pc.poll_event());
                    black_box(end.pc.poll_rtp());
                }
            });
            spent.as_secs_f64() * 1e9 / f64::from(TICKS)
        });
        println!("{:<20} idle tick, {streams:>4} streams {each:>21.0} ns", "peerage");
        figure(&format!("forward/idle/{streams}"), each);
    }
}
