//! Serves the files of the page on a loopback address.

use std::net::IpAddr;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const HTML: &str = include_str!("../../pages/peer.html");
const SCRIPTS: [(&str, &str); 5] = [
    ("/peer.js", include_str!("../../pages/peer.js")),
    ("/media.js", include_str!("../../pages/media.js")),
    ("/fidelity.js", include_str!("../../pages/fidelity.js")),
    ("/tracks.js", include_str!("../../pages/tracks.js")),
    ("/tones.js", include_str!("../../pages/tones.js")),
];

/// Starts serving and returns the page's address.
pub(crate) async fn serve(ip: IpAddr) -> Result<String> {
    let listener = TcpListener::bind((ip, 0))
        .await
        .with_context(|| format!("cannot listen on {ip} (is the loopback interface up?)"))?;
    let url = format!("http://{}/peer.html", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    Ok(url)
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = vec![0; 8192];
    let mut length = 0;
    while !request[..length].windows(4).any(|window| window == b"\r\n\r\n") {
        let read = stream.read(&mut request[length..]).await?;
        if read == 0 {
            return Ok(());
        }
        length += read;
    }
    let line = String::from_utf8_lossy(&request[..length]);
    let path = line.split_whitespace().nth(1).unwrap_or("/");
    let (status, kind, body) = match path {
        "/peer.html" => ("200 OK", "text/html; charset=utf-8", HTML),
        _ => match SCRIPTS.iter().find(|(name, _)| *name == path) {
            Some((_, script)) => ("200 OK", "text/javascript; charset=utf-8", *script),
            None => ("404 Not Found", "text/plain", ""),
        },
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}
