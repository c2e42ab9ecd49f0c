//! BoringSSL, the DTLS of Chromium and libwebrtc, in the program `boring-peer`: its symbols clash with OpenSSL's.

use std::{
    io::{Read, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use peerage_crypto::KeyType;

use crate::Peer;

/// How BoringSSL is set up.
#[derive(Clone, Copy, Debug)]
pub struct BoringOptions {
    pub min: &'static str,
    pub max: &'static str,
    /// In OpenSSL's notation.
    pub groups: &'static str,
    pub key_type: KeyType,
    pub mtu: u32,
}

impl Default for BoringOptions {
    fn default() -> Self {
        Self {
            min: "1.2",
            max: "1.3",
            groups: "X25519MLKEM768:X25519:P-256:P-384",
            key_type: KeyType::EcdsaP256,
            mtu: 1200,
        }
    }
}

/// One endpoint of BoringSSL.
pub struct BoringPeer {
    child: Child,
    start: Instant,
    now: Instant,
    connected: bool,
    timeout: Option<Instant>,
    outgoing: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
    keying_material: Vec<u8>,
    peer_certificate: Vec<u8>,
}

/// Where the program is: beside the tests, in the same target directory.
pub fn boring_program() -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.parent()?.parent()?.join("boring-peer");
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is absent; cargo build -p boring-peer makes it", path.display());
    None
}

impl BoringPeer {
    pub fn new(options: &BoringOptions, is_client: bool, now: Instant) -> Self {
        let key = if options.key_type == KeyType::Rsa2048 { "rsa" } else { "ecdsa" };
        let child = Command::new(boring_program().expect("the program"))
            .args([if is_client { "client" } else { "server" }, options.min, options.max])
            .args([options.groups, key, &options.mtu.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        Self {
            child,
            start: now,
            now,
            connected: false,
            timeout: None,
            outgoing: Vec::new(),
            received: Vec::new(),
            keying_material: Vec::new(),
            peer_certificate: Vec::new(),
        }
    }

    /// Renews the keys.
    pub fn update_keys(&mut self, now: Instant, request_peer: bool) -> Result<(), String> {
        self.call(3, now, &[u8::from(request_peer)])
    }

    fn call(&mut self, operation: u8, now: Instant, payload: &[u8]) -> Result<(), String> {
        self.exchange(operation, now, payload).map_err(|error| format!("boring: {error}"))?
    }

    fn exchange(
        &mut self,
        operation: u8,
        now: Instant,
        payload: &[u8],
    ) -> std::io::Result<Result<(), String>> {
        self.now = now;
        let micros = now.duration_since(self.start).as_micros() as u64;
        let mut request = vec![operation];
        request.extend(micros.to_be_bytes());
        request.extend((payload.len() as u32).to_be_bytes());
        request.extend(payload);
        self.child.stdin.as_mut().expect("a pipe").write_all(&request)?;
        let mut answer = Reader(self.child.stdout.as_mut().expect("a pipe"));
        if answer.array::<1>()? == [1] {
            let text = answer.bytes()?;
            return Ok(Err(format!("boring: {}", String::from_utf8_lossy(&text))));
        }
        self.connected = answer.array::<1>()? == [1];
        let timeout = u64::from_be_bytes(answer.array()?);
        self.timeout = (timeout != u64::MAX).then(|| self.start + Duration::from_micros(timeout));
        self.outgoing.extend(answer.list()?);
        self.received.extend(answer.list()?);
        self.keying_material = answer.bytes()?;
        self.peer_certificate = answer.bytes()?;
        Ok(Ok(()))
    }
}

struct Reader<'a, R>(&'a mut R);

impl<R: Read> Reader<'_, R> {
    fn array<const N: usize>(&mut self) -> std::io::Result<[u8; N]> {
        let mut out = [0; N];
        self.0.read_exact(&mut out)?;
        Ok(out)
    }

    fn bytes(&mut self) -> std::io::Result<Vec<u8>> {
        let mut out = vec![0; u32::from_be_bytes(self.array()?) as usize];
        self.0.read_exact(&mut out)?;
        Ok(out)
    }

    fn list(&mut self) -> std::io::Result<Vec<Vec<u8>>> {
        let count = u32::from_be_bytes(self.array()?);
        (0..count).map(|_| self.bytes()).collect()
    }
}

impl Drop for BoringPeer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Peer for BoringPeer {
    fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), String> {
        self.call(0, now, datagram)
    }

    fn poll(&mut self, now: Instant) -> Result<Vec<Vec<u8>>, String> {
        self.call(1, now, &[])?;
        Ok(std::mem::take(&mut self.outgoing))
    }

    fn timeout(&self) -> Option<Instant> {
        self.timeout
    }

    fn is_connected(&self) -> bool {
        self.connected
    }

    fn send(&mut self, data: &[u8]) -> Result<(), String> {
        self.call(2, self.now, data)
    }

    fn received(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.received)
    }

    fn keying_material(&mut self) -> Option<Vec<u8>> {
        (!self.keying_material.is_empty()).then(|| self.keying_material.clone())
    }

    fn peer_certificate(&self) -> Option<Vec<u8>> {
        (!self.peer_certificate.is_empty()).then(|| self.peer_certificate.clone())
    }
}
