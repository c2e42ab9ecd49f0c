//! A server with one UDP port and fifty connections on it, each from a client with a socket of its own.
//!
//! `cargo run --example many_connections_one_socket`. Datagrams are told apart by ICE user name and address; one task
//! drives all connections of the server.

use peerage::{
    Configuration, DataChannelInit, Endpoint, EndpointConfig, Event, PeerConnection,
    SessionDescription,
};
use tokio::task::JoinSet;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const CLIENTS: usize = 50;

#[tokio::main]
async fn main() -> Result<()> {
    let server = Endpoint::bind(EndpointConfig::single("127.0.0.1:0".parse()?)).await?;
    println!("one socket at {}", server.local_addresses()[0]);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(number, server.clone()));
    }
    while let Some(result) = clients.join_next().await {
        result??;
    }
    println!("{CLIENTS} connections, all answered");
    Ok(())
}

async fn client(number: usize, server: Endpoint) -> Result<()> {
    let endpoint = Endpoint::bind(EndpointConfig::loopback()).await?;
    let pc = endpoint.connect(Configuration::default()).await?;
    let channel = pc.create_data_channel("question", DataChannelInit::default()).await?;
    pc.set_local_description(None).await?;
    pc.gathering_complete().await?;
    // In real life this is a request to the server's signalling.
    let answer = accept(&server, pc.local_description().ok_or("no offer")?).await?;
    pc.set_remote_description(answer).await?;

    channel.send(format!("I am number {number}")).await?;
    let reply = channel.recv().await.ok_or("the channel closed")?;
    assert_eq!(reply.as_text().unwrap_or_default(), format!("I am number {number}, I know"));
    pc.close().await;
    Ok(())
}

/// The server's half: a connection on the shared socket, and a task that serves it.
async fn accept(server: &Endpoint, offer: SessionDescription) -> Result<SessionDescription> {
    let pc = server.connect(Configuration::default()).await?;
    pc.set_remote_description(offer).await?;
    pc.set_local_description(None).await?;
    pc.gathering_complete().await?;
    let answer = pc.local_description().ok_or("no answer")?;
    tokio::spawn(serve(pc));
    Ok(answer)
}

async fn serve(pc: PeerConnection) -> Result<()> {
    while let Some(event) = pc.next_event().await {
        if let Event::DataChannel(channel) = event {
            while let Some(question) = channel.recv().await {
                let text = question.as_text().unwrap_or_default();
                channel.send(format!("{text}, I know")).await?;
            }
        }
    }
    Ok(())
}
