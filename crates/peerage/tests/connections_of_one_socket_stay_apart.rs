//! Connections on one socket of a server while the addresses of their peers move about, as behind NATs: what comes from an
//! address goes to the connection that uses it now.

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use common::{accept, endpoint, within};
use peerage::{
    Configuration, DataChannel, DataChannelInit, Endpoint, EndpointConfig, Event, PeerConnection,
    SessionDescription,
};
use peerage_stun::{Attribute, Class, Message, MessageBuilder, Method};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// Stands between a client and the server. The client knows its inside, the server its outside, which can be changed.
struct Nat {
    inside: Arc<UdpSocket>,
    outside: Arc<UdpSocket>,
    client: Arc<Mutex<Option<SocketAddr>>>,
    server: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

async fn socket() -> Arc<UdpSocket> {
    Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap())
}

impl Nat {
    async fn new(server: SocketAddr, outside: Arc<UdpSocket>) -> Self {
        let (inside, client) = (socket().await, Arc::default());
        let mut nat = Self { inside, outside, client, server, tasks: Vec::new() };
        nat.run();
        nat
    }

    fn run(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
        let (inside, outside) = (Arc::clone(&self.inside), Arc::clone(&self.outside));
        let (client, server) = (Arc::clone(&self.client), self.server);
        self.tasks.push(tokio::spawn(async move {
            let mut buf = vec![0; 65_536];
            while let Ok((len, source)) = inside.recv_from(&mut buf).await {
                *client.lock().unwrap() = Some(source);
                let _ = outside.send_to(&buf[..len], server).await;
            }
        }));
        let (inside, outside) = (Arc::clone(&self.inside), Arc::clone(&self.outside));
        let client = Arc::clone(&self.client);
        self.tasks.push(tokio::spawn(async move {
            let mut buf = vec![0; 65_536];
            while let Ok(len) = outside.recv(&mut buf).await {
                let client = *client.lock().unwrap();
                if let Some(client) = client {
                    let _ = inside.send_to(&buf[..len], client).await;
                }
            }
        }));
    }

    /// Another address to the outside. Returns the old one, which is anybody's now.
    async fn rebind(&mut self) -> Arc<UdpSocket> {
        let old = std::mem::replace(&mut self.outside, socket().await);
        self.run();
        old
    }
}

impl Drop for Nat {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// A description whose only candidate is this address.
fn reached_at(description: SessionDescription, address: SocketAddr) -> SessionDescription {
    let lines = description.sdp.lines().filter(|line| !line.starts_with("a=candidate:"));
    let mut sdp: String = lines.flat_map(|line| [line, "\r\n"]).collect();
    sdp +=
        &format!("a=candidate:1 1 udp 2130706431 {} {} typ host\r\n", address.ip(), address.port());
    SessionDescription { sdp, ..description }
}

struct Call {
    client: PeerConnection,
    server: PeerConnection,
    channel: DataChannel,
    echo: DataChannel,
    /// Its socket is its own.
    _endpoint: Endpoint,
}

impl Call {
    async fn new(nat: &Nat, endpoint: Endpoint, server: &Endpoint) -> Self {
        let client = endpoint.connect(Configuration::default()).await.unwrap();
        let server = server.connect(Configuration::default()).await.unwrap();
        let channel = client.create_data_channel("x", DataChannelInit::default()).await.unwrap();
        negotiate(nat, &client, &server).await;
        let echo = accept(&server).await;
        Self { client, server, channel, echo, _endpoint: endpoint }
    }

    /// A message goes each way, and nothing else does.
    async fn works(&self, text: &str) {
        within("room", self.channel.send(text)).await.unwrap();
        assert_eq!(within("a message at the server", self.echo.recv()).await, Some(text.into()));
        within("room", self.echo.send(text)).await.unwrap();
        assert_eq!(within("a message at the client", self.channel.recv()).await, Some(text.into()));
    }
}

async fn negotiate(nat: &Nat, client: &PeerConnection, server: &PeerConnection) {
    let outside = nat.outside.local_addr().unwrap();
    let inside = nat.inside.local_addr().unwrap();
    client.set_local_description(None).await.unwrap();
    within("candidates", client.gathering_complete()).await.unwrap();
    let offer = reached_at(client.local_description().unwrap(), outside);
    server.set_remote_description(offer).await.unwrap();
    server.set_local_description(None).await.unwrap();
    within("candidates", server.gathering_complete()).await.unwrap();
    let answer = reached_at(server.local_description().unwrap(), inside);
    client.set_remote_description(answer).await.unwrap();
}

#[tokio::test]
async fn an_address_left_by_an_ice_restart_serves_the_next_connection() {
    let any = "127.0.0.1:0".parse().unwrap();
    let server = Endpoint::bind(EndpointConfig::single(any)).await.unwrap();
    let address = server.local_addresses()[0];
    let mut first_nat = Nat::new(address, socket().await).await;
    let first = Call::new(&first_nat, endpoint().await, &server).await;
    first.works("before").await;

    let old = first_nat.rebind().await;
    first.client.restart_ice().await.unwrap();
    negotiate(&first_nat, &first.client, &first.server).await;
    first.works("after the restart").await;
    let now_at = first_nat.outside.local_addr().unwrap();
    within("the server to move to the new address", async {
        loop {
            match first.server.next_event().await.unwrap() {
                Event::SelectedCandidatePairChange { remote, .. } if remote == now_at => break,
                _ => {}
            }
        }
    })
    .await;

    // The NAT gives the old address to somebody else.
    let second_nat = Nat::new(address, old).await;
    let second = Call::new(&second_nat, endpoint().await, &server).await;
    for round in 0..10 {
        second.works(&format!("second {round}")).await;
        first.works(&format!("first {round}")).await;
    }
}

/// All answers come from one address: which connection asked is told by the transaction alone.
#[tokio::test]
async fn a_stun_server_answers_every_connection() {
    let stun = socket().await;
    let url = format!("stun:{}", stun.local_addr().unwrap());
    let answers = tokio::spawn(async move {
        let mut buf = vec![0; 2_000];
        for number in 1.. {
            let (len, source) = stun.recv_from(&mut buf).await.unwrap();
            let id = Message::parse(&buf[..len]).unwrap().transaction_id();
            let mut answer = Vec::new();
            MessageBuilder::new(&mut answer, Class::SuccessResponse, Method::BINDING, id)
                .attribute(&Attribute::XorMappedAddress(SocketAddr::from((
                    [203, 0, 113, 7],
                    number,
                ))))
                .fingerprint();
            stun.send_to(&answer, source).await.unwrap();
        }
    });
    let any = "127.0.0.1:0".parse().unwrap();
    let endpoint = Endpoint::bind(EndpointConfig::single(any)).await.unwrap();
    let mut connections = Vec::new();
    for _ in 0..4 {
        let configuration = Configuration::default().ice_server(&url);
        let connection = endpoint.connect(configuration).await.unwrap();
        connection.create_data_channel("x", DataChannelInit::default()).await.unwrap();
        connection.set_local_description(None).await.unwrap();
        connections.push(connection);
    }
    for connection in &connections {
        within("candidates", connection.gathering_complete()).await.unwrap();
        let sdp = connection.local_description().unwrap().sdp;
        assert!(sdp.contains(" 203.0.113.7 ") && sdp.contains(" typ srflx "), "{sdp}");
    }
    answers.abort();
}
