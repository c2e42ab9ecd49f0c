//! `peerage-wire` between two namespaces of its own: packets get through, with the delay, the loss and the marks of the
//! model. Needs root and TUN devices; says so and passes where they are missing.

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

struct Wire {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    names: [String; 2],
}

impl Wire {
    /// Starts the program; `None` where the machine does not let it run.
    fn start(arguments: &[&str]) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() || !Path::new("/dev/net/tun").exists() {
            println!("skipped: needs root and /dev/net/tun");
            return None;
        }
        let probe = Command::new("unshare").args(["-n", "ip", "link"]).output();
        if !probe.is_ok_and(|output| output.status.success()) {
            println!("skipped: network namespaces cannot be made here");
            return None;
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_peerage-wire"))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let up: Value =
            serde_json::from_str(&lines.next().expect("the wire says that it is up").unwrap())
                .unwrap();
        assert_eq!(up["event"], "up");
        let names = ["left", "right"].map(|end| up[end].as_str().unwrap().to_owned());
        Some(Self { child, lines, names })
    }

    /// A UDP socket in one of the namespaces.
    fn socket(&self, end: usize, address: &str) -> UdpSocket {
        let namespace =
            std::fs::File::open(Path::new("/run/netns").join(&self.names[end])).unwrap();
        let address = address.to_owned();
        let socket = std::thread::spawn(move || {
            setns(&namespace, CloneFlags::CLONE_NEWNET).unwrap();
            UdpSocket::bind(address).unwrap()
        })
        .join()
        .unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        socket
    }

    /// Stops the program; what it counted.
    fn stop(mut self) -> Value {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).unwrap();
        let done = self.lines.next().expect("the wire says what it did").unwrap();
        assert!(self.child.wait().unwrap().success());
        for name in &self.names {
            assert!(!Path::new("/run/netns").join(name).exists(), "{name} is removed");
        }
        serde_json::from_str(&done).unwrap()
    }
}

/// Echoes what comes until the test ends.
fn echo(socket: UdpSocket) {
    std::thread::spawn(move || {
        let mut buffer = [0; 2_000];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..length], from);
        }
    });
}

#[test]
fn an_echo_takes_the_round_trip_of_the_model() {
    let Some(wire) = Wire::start(&["--delay-ms=20", "--right-to-left=delay_ms=30"]) else {
        return;
    };
    for (left, right) in [("10.99.0.1:0", "10.99.0.2:7000"), ("[fd99::1]:0", "[fd99::2]:7000")] {
        echo(wire.socket(1, right));
        let socket = wire.socket(0, left);
        let mut best = Duration::MAX;
        for _ in 0..10 {
            let begun = Instant::now();
            socket.send_to(b"ping", right).unwrap();
            let mut buffer = [0; 10];
            assert_eq!(socket.recv(&mut buffer).unwrap(), 4);
            best = best.min(begun.elapsed());
        }
        // The machine may be late, but the wire is never early.
        assert!(best >= Duration::from_millis(50), "{best:?}");
        println!("best round trip {best:?} of a model of 50 ms");
    }
    let stats = wire.stop();
    assert!(stats["left_to_right"]["delivered"].as_u64().unwrap() >= 20, "{stats}");
    assert_eq!(stats["left_to_right"]["lost"], 0);
}

#[test]
fn loss_duplicates_and_captures_are_those_of_the_model() {
    let capture = std::env::temp_dir().join(format!("peerage-wire-{}.pcap", std::process::id()));
    let pcap = format!("--pcap-right={}", capture.display());
    let Some(wire) = Wire::start(&["--loss=0.3", "--duplicate=0.2", "--seed=5", &pcap]) else {
        return;
    };
    let receiver = wire.socket(1, "10.99.0.2:7001");
    let sender = wire.socket(0, "10.99.0.1:0");
    // Read meanwhile: the kernel's buffer holds only some hundred packets.
    let counter = std::thread::spawn(move || {
        let mut buffer = [0; 200];
        (0..).take_while(|_| receiver.recv(&mut buffer).is_ok()).count() as u64
    });
    for _ in 0..20 {
        for _ in 0..50 {
            sender.send_to(&[0; 100], "10.99.0.2:7001").unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let received = counter.join().unwrap();
    let stats = wire.stop();
    let direction = &stats["left_to_right"];
    let count = |name: &str| direction[name].as_u64().unwrap();
    assert!(count("offered") >= 1_000, "{direction}");
    assert_eq!(
        count("offered") + count("duplicated"),
        count("delivered") + count("lost") + count("in_flight"),
        "{direction}"
    );
    let share = count("lost") as f64 / count("offered") as f64;
    assert!((0.24..0.36).contains(&share), "{direction}");
    assert!(received <= count("delivered") && received > 500, "{received} received");
    // 24 bytes of header, then 16 + 128 for each packet delivered.
    let size = std::fs::metadata(&capture).unwrap().len();
    std::fs::remove_file(&capture).unwrap();
    assert!(size >= 24 + 144 * received, "{size} bytes of capture");
}

#[test]
fn the_rate_holds_and_the_queue_fills() {
    let Some(wire) = Wire::start(&["--rate-mbit=1", "--queue-ms=100"]) else {
        return;
    };
    let receiver = wire.socket(1, "10.99.0.2:7002");
    let sender = wire.socket(0, "10.99.0.1:0");
    let begun = Instant::now();
    for _ in 0..40 {
        // 1,250 bytes of IP: 10 ms each, and room for ten to wait.
        sender.send_to(&[0; 1_222], "10.99.0.2:7002").unwrap();
    }
    let mut buffer = [0; 2_000];
    for _ in 0..10 {
        receiver.recv(&mut buffer).unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_millis(95), "{:?}", begun.elapsed());
    let stats = wire.stop();
    let direction = &stats["left_to_right"];
    assert!(direction["dropped_full"].as_u64().unwrap() > 0, "{direction}");
    let longest = direction["max_queue_ms"].as_f64().unwrap();
    assert!(longest > 80.0, "{direction}");
}

#[test]
fn the_wire_ends_with_its_namespace() {
    let Some(mut wire) = Wire::start(&["--delay-ms=1"]) else {
        return;
    };
    let removed = Command::new("ip").args(["netns", "del", &wire.names[0]]).status().unwrap();
    assert!(removed.success());
    let done: Value = serde_json::from_str(&wire.lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(done["event"], "done");
    assert!(wire.child.wait().unwrap().success());
}
