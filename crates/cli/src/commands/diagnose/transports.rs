//! Which transports get out: a Binding request to each server by UDP, TCP and TLS, and what came of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use openssl::ssl::{HandshakeError, SslConnector, SslMethod, SslVerifyMode};
use openssl::x509::X509VerifyResult;
use peerage::{
    Configuration, DataChannelInit, Endpoint, EndpointConfig, Event, IceTransportPolicy,
};
use peerage_crypto::Rng;
use peerage_stun::{Class, HEADER_LEN, Message, MessageBuilder, Method, TransactionId};
use serde::Serialize;
use tokio::net::UdpSocket;

use super::target::{By, Target};
use crate::options::TurnUser;

/// A server may take so long to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A response to a Binding request is far shorter.
const MAX_RESPONSE: usize = 2_048;

/// One server by one transport.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Transport {
    pub(crate) url: String,
    pub(crate) by: By,
    /// It is a TURN server, by its URL.
    pub(crate) turn: bool,
    /// The address that was tried last.
    pub(crate) server: Option<SocketAddr>,
    pub(crate) answered: bool,
    /// Milliseconds from the beginning of the connection until the answer.
    pub(crate) milliseconds: Option<f64>,
    /// The address that the TURN server gave, if there is a user to ask as.
    pub(crate) relayed: Option<String>,
    /// It was asked for one and gave none.
    pub(crate) refused: bool,
    /// Why it did not answer, or what is wrong with it.
    pub(crate) problem: Option<String>,
}

impl Transport {
    /// Whether it can be counted on to relay: where nobody asked, that it answers is all that is known.
    pub(crate) fn relays(&self) -> bool {
        self.turn && self.answered && !self.refused
    }
}

/// Tries all side by side.
pub(crate) async fn try_all(
    targets: &[Target],
    user: Option<&TurnUser>,
    loopback: bool,
    limit: Duration,
) -> Result<Vec<Transport>> {
    let mut tries = Vec::new();
    for target in targets {
        let user = user.filter(|_| target.relays).cloned();
        let (target, limit) = (target.clone(), limit.min(PATIENCE));
        tries.push(tokio::spawn(async move {
            let mut transport = try_one(&target, limit).await;
            if let Some(user) = user.filter(|_| transport.answered) {
                let here =
                    loopback || transport.server.is_some_and(|server| server.ip().is_loopback());
                match allocate(&target, &user, here, limit).await {
                    Ok(relayed) => transport.relayed = Some(relayed),
                    Err(error) => {
                        transport.refused = true;
                        transport.problem.get_or_insert_with(|| format!("{error:#}"));
                    }
                }
            }
            transport
        }));
    }
    let mut transports = Vec::new();
    for task in tries {
        transports.push(task.await?);
    }
    Ok(transports)
}

async fn try_one(target: &Target, limit: Duration) -> Transport {
    let mut transport = Transport {
        url: target.url.clone(),
        by: target.by,
        turn: target.relays,
        server: None,
        answered: false,
        milliseconds: None,
        relayed: None,
        refused: false,
        problem: None,
    };
    let servers = match target.resolve().await {
        Ok(servers) => servers,
        Err(error) => {
            transport.problem = Some(format!("{error:#}"));
            return transport;
        }
    };
    for server in servers {
        transport.server = Some(server);
        let begin = Instant::now();
        let result = match target.by {
            By::Udp => udp(server, limit).await.map(|()| None),
            By::Tcp | By::Tls => {
                let name = (target.by == By::Tls).then(|| target.host.clone());
                let stream =
                    tokio::task::spawn_blocking(move || stream(server, name.as_deref(), limit));
                stream.await.unwrap_or_else(|error| Err(error.into()))
            }
        };
        match result {
            Ok(problem) => {
                transport.answered = true;
                transport.milliseconds = Some(begin.elapsed().as_secs_f64() * 1000.0);
                transport.problem = problem;
                break;
            }
            Err(error) => transport.problem = Some(format!("{error:#}")),
        }
    }
    transport
}

/// The relayed address that the server gives to a connection that may use nothing else.
async fn allocate(target: &Target, user: &TurnUser, here: bool, limit: Duration) -> Result<String> {
    // Other interfaces do not reach a server on this machine's own.
    let config = match here {
        true => EndpointConfig::loopback(),
        false => EndpointConfig::default(),
    };
    let endpoint = Endpoint::bind(config).await?;
    let mut configuration = Configuration::default();
    configuration.ice_servers.push(user.server(&target.exact_url()));
    configuration.ice_transport_policy = IceTransportPolicy::Relay;
    let pc = endpoint.connect(configuration).await?;
    pc.create_data_channel("diagnosis", DataChannelInit::default()).await?;
    pc.set_local_description(None).await?;
    let found = tokio::time::timeout(limit, async {
        // Of several interfaces one may get nothing, and another an address.
        let mut problem = "the server gave none".to_owned();
        loop {
            match pc.next_event().await.context("the connection closed")? {
                Event::IceCandidate(Some(candidate)) if !candidate.candidate.is_empty() => {
                    // RFC 8839 §5.1: foundation, component, transport, priority, address, port.
                    let mut words = candidate.candidate.split(' ').skip(4);
                    let (ip, port) = (words.next(), words.next());
                    return Ok(format!("{} port {}", ip.unwrap_or("?"), port.unwrap_or("?")));
                }
                Event::IceCandidate(None) => bail!("no relayed address: {problem}"),
                Event::IceCandidateError { text, .. } => problem = text,
                _ => {}
            }
        }
    });
    let found = found.await;
    pc.close().await;
    found.with_context(|| format!("no relayed address within {} s", limit.as_secs()))?
}

/// A Binding request and its transaction.
fn request() -> (Vec<u8>, TransactionId) {
    let id = TransactionId::random(&mut Rng::from_os());
    let mut bytes = Vec::new();
    MessageBuilder::new(&mut bytes, Class::Request, Method::BINDING, id).fingerprint();
    (bytes, id)
}

/// Whether it is the answer: an error is one too, the server is there.
fn is_answer(bytes: &[u8], id: TransactionId) -> bool {
    Message::parse(bytes)
        .is_ok_and(|message| message.transaction_id() == id && message.class() != Class::Request)
}

async fn udp(server: SocketAddr, limit: Duration) -> Result<()> {
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    let (bytes, id) = request();
    let end = Instant::now() + limit;
    let mut wait = Duration::from_millis(500);
    let mut answer = [0; MAX_RESPONSE];
    while Instant::now() < end {
        socket.send_to(&bytes, server).await.context("it cannot be sent to")?;
        let resend = tokio::time::sleep(wait.min(end.saturating_duration_since(Instant::now())));
        tokio::pin!(resend);
        loop {
            tokio::select! {
                got = socket.recv_from(&mut answer) => match got {
                    Ok((size, from)) if from == server && is_answer(&answer[..size], id) => return Ok(()),
                    Ok(_) => {}
                    Err(error) => return Err(error).context("it cannot be sent to"),
                },
                () = &mut resend => break,
            }
        }
        wait *= 2;
    }
    bail!("no answer within {} s", limit.as_secs())
}

/// By TCP, or TLS where there is a name. The certificate is looked at, but a wrong one is no reason to know less.
fn stream(server: SocketAddr, name: Option<&str>, limit: Duration) -> Result<Option<String>> {
    let tcp = std::net::TcpStream::connect_timeout(&server, limit).context("no connection")?;
    tcp.set_read_timeout(Some(limit))?;
    tcp.set_write_timeout(Some(limit))?;
    let Some(name) = name else {
        exchange(tcp)?;
        return Ok(None);
    };
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_verify_callback(SslVerifyMode::PEER, |_, _| true);
    let tls = match builder.build().connect(name, tcp) {
        Ok(tls) => tls,
        Err(HandshakeError::Failure(stream)) => {
            bail!("the TLS handshake failed: {}", stream.error())
        }
        Err(error) => bail!("the TLS handshake failed: {error}"),
    };
    let verified = tls.ssl().verify_result();
    exchange(tls)?;
    let wrong = verified != X509VerifyResult::OK;
    Ok(wrong.then(|| format!("its certificate is not trusted: {}", verified.error_string())))
}

fn exchange(mut stream: impl std::io::Read + std::io::Write) -> Result<()> {
    let (bytes, id) = request();
    stream.write_all(&bytes).context("the connection broke")?;
    let mut answer = vec![0; HEADER_LEN];
    stream.read_exact(&mut answer).context("connected, but no answer to STUN")?;
    let length = usize::from(u16::from_be_bytes([answer[2], answer[3]]));
    ensure!(length + HEADER_LEN <= MAX_RESPONSE, "connected, but what answers does not speak STUN");
    answer.resize(HEADER_LEN + length, 0);
    stream
        .read_exact(&mut answer[HEADER_LEN..])
        .context("connected, but the answer is cut short")?;
    ensure!(is_answer(&answer, id), "connected, but what answers does not speak STUN");
    Ok(())
}
