//! A call with sound and pictures: this program at one end, a browser's page or another of its kind at the other.
//!
//! `cargo run --features codecs --example video_call -- serve` names an address to open in a browser; with `sound,camera` among the
//! features it has the microphone and the camera of this machine, else a tone and numbered pictures. Without `serve` it calls
//! itself once and ends.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use peerage::engine::{TrackReceiver, TrackSender, capabilities, sources};
use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::devices::{MediaDevices, MediaStreamConstraints};
use peerage::media_engine::track::MediaStream;
use peerage::{
    Configuration, ConnectionState, DtlsState, Endpoint, EndpointConfig, Event, PeerConnection,
    SdpType, SessionDescription,
};
use support::{Result, negotiate, two_peers};

const PAGE: &str = include_str!("video_call.html");

#[tokio::main]
async fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("serve") => serve().await,
        _ => call_ourselves().await,
    }
}

/// A camera and a microphone, or what stands in for them.
fn capture() -> Result<MediaStream> {
    let wanted = MediaStreamConstraints::audio_and_video();
    match MediaDevices::new().get_user_media(&wanted) {
        Ok(stream) => Ok(stream),
        Err(error) => {
            println!("{error}");
            let camera = sources::numbered_pictures(640, 360, 30.0)?;
            Ok(MediaStream::new([camera.into(), sources::tone(440.0)?.into()]))
        }
    }
}

/// Sends all tracks of a stream.
async fn send(pc: &PeerConnection, stream: &MediaStream) -> Result<Vec<TrackSender>> {
    let mut senders = Vec::new();
    for track in stream.tracks() {
        senders.push(pc.send_track(&track, &[stream], Arc::new(BuiltIn)).await?);
    }
    Ok(senders)
}

/// What comes, until there is a track of each kind.
async fn receive(pc: &PeerConnection) -> Result<Vec<TrackReceiver>> {
    let mut receivers = Vec::new();
    while receivers.len() < 2 {
        match pc.next_event().await {
            Some(Event::Track { transceiver, .. }) => {
                receivers.push(transceiver.receive_track(Arc::new(BuiltIn))?);
            }
            Some(_) => {}
            None => return Err("the connection closed".into()),
        }
    }
    Ok(receivers)
}

/// Counts pictures and blocks of sound for a while.
async fn watch(receivers: &[TrackReceiver], time: Duration) -> (u64, u64) {
    tokio::time::sleep(time).await;
    let played = |video: bool| {
        let of = receivers.iter().filter(move |one| one.track().as_video().is_some() == video);
        of.map(|one| one.statistics().played).sum()
    };
    (played(true), played(false))
}

async fn call_ourselves() -> Result<()> {
    let (caller, callee) = two_peers().await?;
    let (here, there) = (capture()?, capture()?);
    let _senders = (send(&caller, &here).await?, send(&callee, &there).await?);
    negotiate(&caller, &callee).await?;
    let (one, other) = tokio::try_join!(receive(&caller), receive(&callee))?;
    let second = Duration::from_secs(3);
    let (one, other) = tokio::join!(watch(&one, second), watch(&other, second));
    println!("pictures and blocks of sound that were played: {one:?} here, {other:?} there");
    caller.close().await;
    assert!(one.0 > 20 && one.1 > 100 && other.0 > 20 && other.1 > 100, "nothing was played");
    Ok(())
}

async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:8080")?;
    println!("open http://{} in a browser; interrupt with Ctrl-C", listener.local_addr()?);
    let endpoint = Endpoint::bind(EndpointConfig::default()).await?;
    let (offers, mut calls) = tokio::sync::mpsc::channel::<(String, TcpStream)>(1);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = visit(stream, &offers);
        }
    });
    while let Some((sdp, mut stream)) = calls.recv().await {
        let mut configuration = Configuration::default();
        configuration.settings.media = capabilities(&BuiltIn);
        let pc = endpoint.connect(configuration).await?;
        let reply = async {
            let kind = SdpType::Offer;
            pc.set_remote_description(SessionDescription { kind, sdp }).await?;
            let own = capture()?;
            let senders = send(&pc, &own).await?;
            pc.set_local_description(None).await?;
            pc.gathering_complete().await?;
            let answer = pc.local_description().ok_or("no answer")?;
            Result::Ok((answer.sdp, senders, own))
        };
        match reply.await {
            Ok((answer, senders, own)) => {
                respond(&mut stream, "200 OK", "application/sdp", &answer)?;
                tokio::spawn(async move {
                    let mut receivers = Vec::new();
                    while let Some(event) = pc.next_event().await {
                        match event {
                            Event::Track { transceiver, .. } => {
                                receivers.extend(transceiver.receive_track(Arc::new(BuiltIn)));
                            }
                            // The page was closed, or is out of reach for good.
                            Event::DtlsStateChange(DtlsState::Closed) => break,
                            Event::ConnectionStateChange(ConnectionState::Failed) => break,
                            Event::ConnectionStateChange(state) => println!("{}", state.name()),
                            _ => {}
                        }
                    }
                    println!("the call has ended");
                    drop((senders, own));
                });
            }
            Err(error) => {
                respond(&mut stream, "400 Bad Request", "text/plain", &error.to_string())?;
            }
        }
    }
    Ok(())
}

/// Reads a request: answers it with the page, or hands on the offer in it.
fn visit(
    mut stream: TcpStream,
    offers: &tokio::sync::mpsc::Sender<(String, TcpStream)>,
) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let (mut request, mut part) = (Vec::new(), [0; 4096]);
    let (head, length) = loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            break (head.len() + 4, length.unwrap_or(0_usize).min(1 << 20));
        }
        let count = stream.read(&mut part)?;
        if count == 0 || request.len() > 1 << 16 {
            return Ok(());
        }
        request.extend_from_slice(&part[..count]);
    };
    while request.len() < head + length {
        let count = stream.read(&mut part)?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(&part[..count]);
    }
    if request.starts_with(b"POST /offer ") {
        let sdp = String::from_utf8_lossy(&request[head..]).into_owned();
        offers.blocking_send((sdp, stream))?;
        return Ok(());
    }
    respond(&mut stream, "200 OK", "text/html", PAGE)
}

fn respond(stream: &mut TcpStream, status: &str, kind: &str, body: &str) -> Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )?;
    Ok(())
}
