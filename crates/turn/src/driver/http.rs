//! `GET /metrics`: one request at a time, one connection each, on a thread of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Control;

/// The request's head, and how long it may take.
const MAX_HEAD: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Until the server closes.
pub(crate) fn serve(listener: &TcpListener, control: &Control) {
    for stream in listener.incoming() {
        if control.closing.load(Ordering::Relaxed) {
            return;
        }
        // Whoever breaks off gets nothing; the next one is served.
        let _ = stream.and_then(|stream| answer(stream, control));
    }
}

fn answer(mut stream: TcpStream, control: &Control) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        let count = stream.read(&mut buffer)?;
        if count == 0 || head.len() + count > MAX_HEAD {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..count]);
    }
    let (status, body) = if head.starts_with(b"GET /metrics ") {
        ("200 OK", control.prometheus())
    } else {
        ("404 Not Found", "GET /metrics\n".into())
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
