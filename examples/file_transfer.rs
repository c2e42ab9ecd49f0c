//! Sends 32 MiB through a data channel: back-pressure on both sides, and a check at the end.
//!
//! `cargo run --release --example file_transfer`. `peerage send` and `peerage receive` do it with real files and resume.

use std::hash::{DefaultHasher, Hasher};
use std::time::Instant;

use peerage::{Configuration, DataChannelInit, Endpoint, EndpointConfig, Event, PeerConnection};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const SIZE: usize = 32 << 20;
const CHUNK: usize = 64 << 10;

#[tokio::main]
async fn main() -> Result<()> {
    let here = Endpoint::bind(EndpointConfig::loopback()).await?;
    let there = Endpoint::bind(EndpointConfig::loopback()).await?;
    let sender = here.connect(Configuration::default()).await?;
    let receiver = there.connect(Configuration::default()).await?;
    let channel = sender.create_data_channel("file", DataChannelInit::default()).await?;
    negotiate(&sender, &receiver).await?;
    let receiving = tokio::spawn(receive(receiver));

    let start = Instant::now();
    let mut digest = DefaultHasher::new();
    for number in 0..SIZE / CHUNK {
        let chunk: Vec<u8> = (0..CHUNK).map(|i| (number * 31 + i * 7) as u8).collect();
        digest.write(&chunk);
        // Waits while the channel's buffer is full: memory stays small however slow the other side reads.
        channel.send(chunk).await?;
    }
    channel.send("end").await?;
    let (received, their_digest) = receiving.await??;
    assert_eq!((received, their_digest), (SIZE, digest.finish()));
    let rate = SIZE as f64 / 1e6 / start.elapsed().as_secs_f64();
    println!("{received} bytes, equal on both sides, {rate:.0} MB/s");
    Ok(())
}

/// Takes binary messages until a text message ends the file.
async fn receive(pc: PeerConnection) -> Result<(usize, u64)> {
    let channel = loop {
        if let Event::DataChannel(channel) = pc.next_event().await.ok_or("the connection closed")? {
            break channel;
        }
    };
    let (mut received, mut digest) = (0, DefaultHasher::new());
    while let Some(message) = channel.recv().await {
        if message.as_text().is_some() {
            return Ok((received, digest.finish()));
        }
        received += message.len();
        digest.write(message.data());
    }
    Err("the channel closed before the end of the file".into())
}

/// Offer and answer, with all candidates inside.
async fn negotiate(offerer: &PeerConnection, answerer: &PeerConnection) -> Result<()> {
    offerer.set_local_description(None).await?;
    offerer.gathering_complete().await?;
    answerer.set_remote_description(offerer.local_description().ok_or("no offer")?).await?;
    answerer.set_local_description(None).await?;
    answerer.gathering_complete().await?;
    offerer.set_remote_description(answerer.local_description().ok_or("no answer")?).await?;
    Ok(())
}
