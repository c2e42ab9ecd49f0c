//! Two peers in one process: one sends, the other sends everything back.
//!
//! `cargo run --example echo`. The descriptions travel by function call here; an application sends them over whatever it
//! has: HTTP, a WebSocket, mail.

use peerage::{
    Configuration, DataChannelInit, Endpoint, EndpointConfig, Event, Message, PeerConnection,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    // Each peer has sockets of its own; `loopback` keeps them on this machine.
    let here = Endpoint::bind(EndpointConfig::loopback()).await?;
    let there = Endpoint::bind(EndpointConfig::loopback()).await?;
    let caller = here.connect(Configuration::default()).await?;
    let echoer = there.connect(Configuration::default()).await?;

    let channel = caller.create_data_channel("echo", DataChannelInit::default()).await?;
    negotiate(&caller, &echoer).await?;
    tokio::spawn(echo(echoer));

    for message in [Message::text("hello"), Message::text(""), Message::binary(vec![7; 100_000])] {
        channel.send(message.clone()).await?; // waits for the channel to open, and for room
        let echo = channel.recv().await.ok_or("the channel closed")?;
        assert_eq!(echo, message);
        println!("{} bytes came back", echo.len());
    }
    caller.close().await;
    Ok(())
}

/// Sends back whatever comes, on every channel.
async fn echo(peer: PeerConnection) {
    while let Some(event) = peer.next_event().await {
        if let Event::DataChannel(channel) = event {
            tokio::spawn(async move {
                while let Some(message) = channel.recv().await {
                    if channel.send(message).await.is_err() {
                        break;
                    }
                }
            });
        }
    }
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
