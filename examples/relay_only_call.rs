//! Two ends that let nothing of each other's addresses be known: all goes through a TURN server.
//!
//! `cargo run --example relay_only_call` has a server of its own on loopback. With a server of yours:
//! `cargo run --example relay_only_call -- turn:turn.example.org user password`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use peerage::{
    Configuration, DataChannelInit, Endpoint, EndpointConfig, Event, IceServer, IceTransportPolicy,
    PeerConnection,
};
use peerage_turn::driver::{Options, TurnServer};
use peerage_turn::{Config, RelayAddress};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (server, own) = match &arguments[..] {
        [] => {
            let own = server_of_our_own()?;
            let url = format!("turn:{}", own.udp_addresses()[0]);
            (ice_server(&url, "alice", "secret"), Some(own))
        }
        [url, user, password] => (ice_server(url, user, password), None),
        _ => return Err("usage: relay_only_call [URL USER PASSWORD]".into()),
    };
    let here = relay_only(&server, own.is_some()).await?;
    let there = relay_only(&server, own.is_some()).await?;
    let chat = here.create_data_channel("chat", DataChannelInit::default()).await?;
    here.set_local_description(None).await?;
    gathered(&here).await?;
    there.set_remote_description(here.local_description().ok_or("no offer")?).await?;
    there.set_local_description(None).await?;
    gathered(&there).await?;
    here.set_remote_description(there.local_description().ok_or("no answer")?).await?;

    chat.send("nobody knows where I am").await?;
    loop {
        match there.next_event().await.ok_or("the connection closed")? {
            Event::SelectedCandidatePairChange { local, remote } => {
                println!("by {local}, at the server, to {remote}, at the server");
            }
            Event::DataChannel(channel) => {
                let heard = channel.recv().await.ok_or("the channel closed")?;
                println!("heard: {}", heard.as_text().unwrap_or_default());
                break;
            }
            _ => {}
        }
    }
    here.close().await;
    there.close().await;
    if let Some(own) = own {
        own.shut_down(Duration::from_secs(1));
    }
    Ok(())
}

/// Waits for the candidates, and says what is wrong with a server that gives none.
async fn gathered(pc: &PeerConnection) -> Result<()> {
    pc.gathering_complete().await?;
    let sdp = pc.local_description().ok_or("no description")?.sdp;
    if sdp.contains("typ relay") {
        return Ok(());
    }
    loop {
        match pc.next_event().await {
            Some(Event::IceCandidateError { url, text, .. }) => {
                return Err(format!("{url}: {text}").into());
            }
            Some(_) => {}
            None => return Err("no relayed candidate".into()),
        }
    }
}

async fn relay_only(server: &IceServer, loopback: bool) -> Result<PeerConnection> {
    let endpoint = match loopback {
        true => Endpoint::bind(EndpointConfig::loopback()).await?,
        false => Endpoint::bind(EndpointConfig::default()).await?,
    };
    let mut configuration = Configuration::default();
    configuration.ice_servers.push(server.clone());
    configuration.ice_transport_policy = IceTransportPolicy::Relay;
    Ok(endpoint.connect(configuration).await?)
}

fn ice_server(url: &str, user: &str, password: &str) -> IceServer {
    IceServer {
        urls: vec![url.to_owned()],
        username: Some(user.to_owned()),
        credential: Some(password.to_owned()),
    }
}

/// A TURN server that relays on loopback, which it would refuse unless told otherwise.
fn server_of_our_own() -> Result<TurnServer> {
    let home = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut config = Config::default();
    config.relays.push(RelayAddress::from(home));
    config.users.push(("alice".into(), "secret".into()));
    config.peers.allow.push("127.0.0.0/8".parse()?);
    let mut options = Options::new(config);
    options.udp.push((home, 0).into());
    Ok(TurnServer::start(options)?)
}
