//! Running the binary itself: processes that end with the test, their events, and folders of their own.

#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take: far more than it does, since machines that test are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `peerage` with `--json`, running.
pub(crate) struct Running {
    child: Child,
    events: Receiver<Value>,
    pub(crate) stdin: Option<ChildStdin>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Starts `peerage --json --loopback` with further arguments.
    pub(crate) fn start(arguments: &[&str]) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_peerage"))
            .args(["--json", "--loopback"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary starts");
        let stdout = child.stdout.take().expect("piped");
        let stdin = child.stdin.take();
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line}: {e}"));
                if sender.send(event).is_err() {
                    break;
                }
            }
        });
        Running { child, events, stdin }
    }

    /// Starts a server and waits for its URL.
    pub(crate) fn server(arguments: &[&str]) -> (Running, String) {
        let running = Running::start(arguments);
        let url = running.event("listening")["url"].as_str().expect("a URL").to_owned();
        (running, url)
    }

    /// The next event of this name.
    pub(crate) fn event(&self, name: &str) -> Value {
        self.event_after(name).0
    }

    /// The next event of this name, and those before it.
    pub(crate) fn event_after(&self, name: &str) -> (Value, Vec<Value>) {
        let mut seen = Vec::new();
        let end = Instant::now() + PATIENCE;
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(event) if event["event"] == name => return (event, seen),
                Ok(event) => seen.push(event),
                Err(error) => panic!("no {name} event ({error}); there were {seen:?}"),
            }
        }
    }

    /// Waits for the end, and returns all events that are left.
    pub(crate) fn finish(mut self) -> (ExitStatus, Vec<Value>) {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().expect("the child can be waited for") {
                Some(status) => break status,
                None if Instant::now() > end => panic!("still running after {PATIENCE:?}"),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let mut events = Vec::new();
        while let Ok(event) = self.events.recv_timeout(Duration::from_secs(5)) {
            events.push(event);
        }
        (status, events)
    }

    /// Interrupts it as Ctrl-C does.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-INT", &pid]).status().expect("`kill` is there");
        assert!(killed.success(), "kill: {killed}");
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("open");
        stdin.write_all(text.as_bytes()).expect("the child reads");
    }
}

/// Runs `peerage` to its end: exit code, standard output, standard error.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_peerage"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// One HTTP exchange; returns status and body.
pub(crate) fn http(url: &str, request: &str) -> (u16, String) {
    let address = url.strip_prefix("http://").expect("a URL");
    let address = address.split('/').next().expect("a host");
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("the server closes");
    let status = reply.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status line");
    let body = reply.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}

/// A POST of a body to /offer.
pub(crate) fn post(url: &str, content_type: &str, body: &str) -> (u16, String) {
    let request = format!(
        "POST /offer HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: {content_type}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    http(url, &request)
}

/// An empty folder, removed in the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("peerage-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }

    /// A file of so many bytes that do not repeat soon.
    pub(crate) fn file(&self, name: &str, size: usize) -> String {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let data: Vec<u8> = (0..size)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .collect();
        let path = self.path(name);
        std::fs::write(&path, data).expect("a file can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
