//! Two people chat: candidates trickle, and both ends of the channel are used alike.
//!
//! `cargo run --example chat`. The two halves speak over a pair of queues, as they would over a signalling server.

use peerage::{Configuration, DataChannel, DataChannelInit, Endpoint, EndpointConfig};
use peerage::{Event, IceCandidateInit, SessionDescription};
use tokio::sync::mpsc::{Receiver, Sender, channel};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
type Wire = (Sender<Signal>, Receiver<Signal>);

/// What the signalling server carries.
enum Signal {
    Description(SessionDescription),
    Candidate(IceCandidateInit),
}

#[tokio::main]
async fn main() -> Result<()> {
    let (to_bob, from_alice) = channel(64);
    let (to_alice, from_bob) = channel(64);
    let alice = tokio::spawn(person("Alice", (to_bob, from_bob), true));
    person("Bob", (to_alice, from_alice), false).await?;
    alice.await?
}

async fn person(name: &str, (out, mut incoming): Wire, calls: bool) -> Result<()> {
    let endpoint = Endpoint::bind(EndpointConfig::loopback()).await?;
    let pc = endpoint.connect(Configuration::default()).await?;
    let mut chat = None;
    if calls {
        chat = Some(pc.create_data_channel("chat", DataChannelInit::default()).await?);
        pc.set_local_description(None).await?;
        out.send(Signal::Description(pc.local_description().ok_or("no offer")?)).await?;
    }
    // Candidates go to and fro until the channel is open.
    loop {
        tokio::select! {
            Some(chat) = open(&chat), if chat.is_some() => return talk(name, &chat, calls).await,
            event = pc.next_event() => match event.ok_or("the connection closed")? {
                Event::IceCandidate(Some(candidate)) => out.send(Signal::Candidate(candidate)).await?,
                Event::DataChannel(channel) => chat = Some(channel),
                _ => {}
            },
            Some(signal) = incoming.recv() => match signal {
                Signal::Candidate(candidate) => pc.add_ice_candidate(candidate).await?,
                Signal::Description(description) => {
                    pc.set_remote_description(description).await?;
                    if !calls {
                        pc.set_local_description(None).await?;
                        out.send(Signal::Description(pc.local_description().ok_or("no answer")?)).await?;
                    }
                }
            },
        }
    }
}

async fn open(chat: &Option<DataChannel>) -> Option<DataChannel> {
    chat.as_ref()?.opened().await.ok()?;
    chat.clone()
}

async fn talk(name: &str, chat: &DataChannel, calls: bool) -> Result<()> {
    let lines = if calls { ["Hi!", "How are you?"] } else { ["Hello.", "Fine, thanks."] };
    for line in lines {
        chat.send(line).await?;
    }
    for _ in lines {
        let text = chat.recv().await.ok_or("the channel closed")?;
        println!("{name} reads: {}", text.as_text().unwrap_or_default());
    }
    if calls {
        chat.close(); // after what was sent
    }
    chat.closed().await;
    Ok(())
}
