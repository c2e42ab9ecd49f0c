//! The loop: packets from the devices into the network, out of it when the real clock says so, and out to the other
//! device.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;
use peerage_netsim::pcap::PcapWriter;
use peerage_netsim::{Change, Direction, LinkId, LinkStats, Network, NodeId, Packet};
use serde_json::json;

use crate::devices;
use crate::ip::{ecn, set_ecn};
use crate::namespaces::Namespaces;
use crate::options::{Entry, Link, LinkState, Options};

/// Addresses of the devices, IPv4 and IPv6.
const ADDRESSES: [[&str; 2]; 2] = [["10.99.0.1", "fd99::1"], ["10.99.0.2", "fd99::2"]];
/// Packets taken from one device before the other gets its turn and the clock is looked at.
const BATCH: usize = 32;
/// How often to see whether the namespaces are still there: an open device keeps one alive after its name is gone, so
/// nothing else would tell.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The same loop's view of one end.
struct End {
    device: File,
    node: NodeId,
    address: SocketAddr,
    capture: Option<PcapWriter<BufWriter<File>>>,
    /// Packets that the device did not take.
    refused: u64,
}

/// Runs the wire until it is told to stop, and prints what it did.
pub(crate) fn run(options: &Options, link: Link, namespaces: &Namespaces) -> Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let stop = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;

    let start = Instant::now();
    let mut network = Network::new(options.seed, start);
    let mut ends = open_ends(options, namespaces, &mut network)?;
    let wire = network.add_asymmetric_link(
        ends[0].node,
        ends[1].node,
        link.left_to_right,
        link.right_to_left,
    );
    for entry in link.timeline {
        for change in changes(wire, &entry) {
            network.schedule(start + entry.at(), change);
        }
    }
    let end = options.duration_s.map(Duration::try_from_secs_f64).transpose()?;
    let end = end.map(|duration| start + duration);
    let names = &namespaces.names;
    say(&json!({
        "event": "up", "left": names[0], "right": names[1],
        "left_addresses": ADDRESSES[0], "right_addresses": ADDRESSES[1],
    }))?;

    let commands = listen();
    let result = pump(&mut network, &mut ends, namespaces, &stop, end, (wire, &commands));
    for end in &mut ends {
        if let Some(capture) = &mut end.capture {
            capture.flush().context("cannot write the capture")?;
        }
    }
    say(&summary("done", &network, &ends, wire))?;
    result
}

/// What the wire has done since it is up.
fn summary(event: &str, network: &Network, ends: &[End; 2], wire: LinkId) -> serde_json::Value {
    let stats = |direction, to: &End| stats_of(&network.link_stats(wire, direction), to.refused);
    json!({
        "event": event,
        "elapsed_s": network.start().elapsed().as_secs_f64(),
        "left_to_right": stats(Direction::Forward, &ends[1]),
        "right_to_left": stats(Direction::Backward, &ends[0]),
    })
}

/// Lines of standard input, until it ends.
fn listen() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Does what a line asks for: `stats`, or a change as in a file's timeline.
fn obey(line: &str, network: &mut Network, ends: &[End; 2], wire: LinkId) -> Result<()> {
    if line.trim() == "stats" {
        return say(&summary("stats", network, ends, wire));
    }
    match serde_yaml::from_str::<Entry>(line) {
        Ok(entry) => {
            changes(wire, &entry).into_iter().for_each(|change| network.apply(change));
            say(&json!({"event": "changed"}))
        }
        Err(error) => say(&json!({"event": "error", "text": format!("{line}: {error}")})),
    }
}

fn open_ends(
    options: &Options,
    namespaces: &Namespaces,
    network: &mut Network,
) -> Result<[End; 2]> {
    let open = |index: usize, capture: &Option<std::path::PathBuf>, network: &mut Network| {
        let namespace = &namespaces.names[index];
        let device = devices::open_in(namespace, &options.device)?;
        devices::configure(
            namespace,
            &options.device,
            options.device_mtu,
            ADDRESSES[index],
            ADDRESSES[1 - index],
        )?;
        // To the simulation all packets of an end go to the one other end, whatever their IP headers say.
        let address: IpAddr = Ipv4Addr::new(192, 0, 2, index as u8 + 1).into();
        anyhow::Ok(End {
            device,
            node: network.add_node([address]),
            address: SocketAddr::new(address, 0),
            capture: capture.as_deref().map(open_capture).transpose()?,
            refused: 0,
        })
    };
    Ok([open(0, &options.pcap_left, network)?, open(1, &options.pcap_right, network)?])
}

fn open_capture(path: &Path) -> Result<PcapWriter<BufWriter<File>>> {
    let create = || PcapWriter::new(BufWriter::new(File::create(path)?));
    create().with_context(|| format!("cannot write {}", path.display()))
}

fn changes(wire: LinkId, entry: &Entry) -> Vec<Change> {
    let mut changes = Vec::new();
    for (direction, parameters) in entry.parameters() {
        let parameters = parameters.clone();
        changes.push(Change::update(wire, direction, move |config| {
            if let Err(error) = parameters.apply(config) {
                eprintln!("timeline: {error:#}");
            }
        }));
    }
    changes.extend(entry.link.map(|state| match state {
        LinkState::Up => Change::LinkUp(wire),
        LinkState::Down => Change::LinkDown(wire),
        LinkState::Paused => Change::Pause(wire, Direction::Both),
        LinkState::Resumed => Change::Resume(wire, Direction::Both),
    }));
    changes
}

fn pump(
    network: &mut Network,
    ends: &mut [End; 2],
    namespaces: &Namespaces,
    stop: &SignalFd,
    end: Option<Instant>,
    (wire, commands): (LinkId, &mpsc::Receiver<String>),
) -> Result<()> {
    let mut scratch = vec![0; 65_536];
    // Times of a capture are the world's, so that it can be laid beside logs.
    let start = network.start();
    let epoch =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let wall = |at: Instant| epoch + at.saturating_duration_since(start);
    let mut next_check = start + CHECK_INTERVAL;
    loop {
        let now = Instant::now();
        if now >= next_check {
            next_check = now + CHECK_INTERVAL;
            if !namespaces.exist() {
                return Ok(());
            }
        }
        while let Ok(line) = commands.try_recv() {
            obey(&line, network, ends, wire)?;
        }
        while let Some(delivery) = network.poll(now) {
            let to = &mut ends[usize::from(delivery.node == ends[1].node)];
            let Packet { ecn, mut data, .. } = delivery.packet;
            set_ecn(&mut data, ecn);
            match to.device.write(&data) {
                Ok(_) => {}
                Err(error) if is_gone(&error) => return Ok(()),
                // A full device queue, or a corrupted packet that the kernel does not take.
                Err(_) => to.refused += 1,
            }
            if let Some(capture) = &mut to.capture {
                capture.write_raw(wall(now), &data).context("cannot write the capture")?;
            }
            network.recycle(data);
        }
        if end.is_some_and(|end| end <= now) {
            return Ok(());
        }
        let wake = [network.next_timeout(), end].into_iter().flatten().min();
        let wake = wake.map_or(next_check, |wake| wake.min(next_check));
        if wait(ends, stop, wake)? {
            return Ok(());
        }
        for index in 0..2 {
            let other = ends[1 - index].address;
            let from = &mut ends[index];
            for _ in 0..BATCH {
                let length = match from.device.read(&mut scratch) {
                    Ok(length) => length,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                    Err(error) if is_gone(&error) => return Ok(()),
                    Err(error) => return Err(error).context("cannot read from the device"),
                };
                let now = Instant::now();
                let packet = &scratch[..length];
                if let Some(capture) = &mut from.capture {
                    capture.write_raw(wall(now), packet).context("cannot write the capture")?;
                }
                let mut data = network.buffer();
                data.extend_from_slice(packet);
                network.send_from(
                    now,
                    from.node,
                    Packet { source: from.address, destination: other, ecn: ecn(packet), data },
                );
            }
        }
    }
}

/// Sleeps until a packet comes, it is time, or a signal says to stop (true).
fn wait(ends: &[End; 2], stop: &SignalFd, wake: Instant) -> Result<bool> {
    let mut descriptors = [
        PollFd::new(ends[0].device.as_fd(), PollFlags::POLLIN),
        PollFd::new(ends[1].device.as_fd(), PollFlags::POLLIN),
        PollFd::new(stop.as_fd(), PollFlags::POLLIN),
    ];
    let timeout = TimeSpec::from_duration(wake.saturating_duration_since(Instant::now()));
    match ppoll(&mut descriptors, Some(timeout), None) {
        Ok(_) => Ok(descriptors[2].any().unwrap_or(false)),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error).context("cannot wait for packets"),
    }
}

/// Whether the device went away, with its namespace or by somebody's hand.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADFD | libc::EBADF | libc::ENODEV | libc::ENXIO))
}

fn stats_of(stats: &LinkStats, refused: u64) -> serde_json::Value {
    json!({
        "offered": stats.offered,
        "offered_bytes": stats.offered_bytes,
        "delivered": stats.delivered,
        "delivered_bytes": stats.delivered_bytes,
        "lost": stats.lost,
        "dropped_full": stats.dropped_full,
        "dropped_aqm": stats.dropped_aqm,
        "dropped_mtu": stats.dropped_mtu,
        "dropped_down": stats.dropped_down,
        "duplicated": stats.duplicated,
        "corrupted": stats.corrupted,
        "held_back": stats.held_back,
        "marked": stats.marked,
        "in_flight": stats.queued + stats.on_wire,
        "refused": refused,
        "total_queue_ms": stats.total_queue_delay.as_secs_f64() * 1e3,
        "left_queue": stats.offered - stats.queued,
        "mean_queue_ms": stats.mean_queue_delay().as_secs_f64() * 1e3,
        "max_queue_ms": stats.max_queue_delay.as_secs_f64() * 1e3,
    })
}

/// One line on standard output. Whoever read it may be gone; the wire goes on.
fn say(value: &serde_json::Value) -> Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{value}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
