//! `peerage call`: a call with sound and pictures, with a browser that opens our page or with another `peerage call`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use hyper::{Method, StatusCode};
use peerage::engine::{TrackReceiver, TrackSender, capabilities, sources};
use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::devices::{
    DisplayMediaOptions, MediaDevices, MediaStreamConstraints, Output,
};
use peerage::media_engine::player::{MediaPlayer, PlayerOptions};
use peerage::media_engine::recorder::{Container, Recorder, RecorderOptions};
use peerage::media_engine::track::{MediaStream, MediaStreamTrack};
use peerage::{Endpoint, PeerConnection, SdpType, SessionDescription};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, timeout_at};

use crate::blob;
use crate::http::server::{self, Reply, Request};
use crate::options::{CallArgs, Common};
use crate::peer::{self, Peer};
use crate::report::{Event, Report};
use crate::signal::{self, Rendezvous};

const PAGE: &str = include_str!("call.html");
/// How long the other track may come after the first before a recording begins with what is there.
const TOGETHER: Duration = Duration::from_secs(2);

pub(crate) async fn run(options: &Common, args: &CallArgs, report: &Report) -> Result<()> {
    let report = *report;
    if let Some(path) = &args.record {
        Container::of(path)?;
    }
    let own = tokio::task::block_in_place(|| capture(args, report))?;
    let call = Arc::new(Call {
        endpoint: peer::endpoint(options).await?,
        options: options.clone(),
        args: args.clone(),
        report,
        own,
        busy: Mutex::new(()),
    });
    match &args.http {
        Rendezvous::Post(url) => {
            let (peer, tracks) = call.peer().await?;
            let _senders = call.send(&peer.pc).await?;
            let result = peer
                .run(async |_| {
                    let offer = peer.offer().await?;
                    peer.accept(signal::post(url, &offer, options.timeout).await?).await?;
                    call.talk(&peer, tracks).await
                })
                .await;
            peer.close().await;
            result
        }
        Rendezvous::Listen(address) => {
            report.hint("open the address below in a browser; interrupt with Ctrl-C");
            let (listener, address) = server::bind(*address).await?;
            report.event(&Event::Listening { url: format!("http://{address}") });
            let (over, mut ended) = mpsc::channel(1);
            let serve =
                server::run(listener, move |request| handle(call.clone(), over.clone(), request));
            tokio::select! {
                () = serve => Ok(()),
                // With a duration, one call is all.
                Some(result) = ended.recv() => result,
            }
        }
    }
}

/// What all calls share.
struct Call {
    endpoint: Endpoint,
    options: Common,
    args: CallArgs,
    report: Report,
    /// What is sent, and what keeps it going.
    own: Captured,
    /// Held by the call that there is.
    busy: Mutex<()>,
}

/// Tracks to be sent, and the players that they come of.
struct Captured {
    stream: MediaStream,
    _players: Vec<MediaPlayer>,
}

/// Opens what is to be sent.
fn capture(args: &CallArgs, report: Report) -> Result<Captured> {
    let devices = MediaDevices::new();
    let stream = MediaStream::new([]);
    let mut players = Vec::new();
    let mut add = |track: MediaStreamTrack| {
        let (kind, label) = (track.kind().as_str(), track.label());
        report.event(&Event::Capturing { kind, label });
        stream.add_track(track.clone());
    };
    let mut play = |path: &str| -> Result<MediaStream> {
        let options = PlayerOptions::default().with_looped(true);
        let player = MediaPlayer::open(path, options, Arc::new(BuiltIn)).with_context(
            || "neither a file that can be played nor one of the words that --help lists",
        )?;
        let stream = player.stream().clone();
        players.push(player);
        Ok(stream)
    };
    let audio = MediaStreamConstraints { audio: Some(Default::default()), video: None };
    let video = MediaStreamConstraints { audio: None, video: Some(Default::default()) };
    let first = |stream: MediaStream| stream.tracks().into_iter().next();
    match &*args.video {
        "none" => {}
        "pattern" => add(pattern()?),
        "screen" => {
            if let Some(track) = first(devices.get_display_media(&DisplayMediaOptions::default())?)
            {
                add(track);
            }
        }
        "camera" => first(devices.get_user_media(&video)?).map_or((), &mut add),
        "auto" => match devices.get_user_media(&video) {
            Ok(stream) => first(stream).map_or((), &mut add),
            Err(error) => {
                report.warning(format_args!("a test picture is sent: {error}"));
                add(pattern()?);
            }
        },
        path => {
            let file = play(path)?;
            let track = file.video_tracks().into_iter().next();
            add(track.ok_or_else(|| anyhow!("{path} has no pictures"))?.into());
        }
    }
    match &*args.audio {
        "none" => {}
        "tone" => add(sources::tone(440.0)?.into()),
        "microphone" => first(devices.get_user_media(&audio)?).map_or((), &mut add),
        "auto" => match devices.get_user_media(&audio) {
            Ok(stream) => first(stream).map_or((), &mut add),
            Err(error) => {
                report.warning(format_args!("a tone is sent: {error}"));
                add(sources::tone(440.0)?.into());
            }
        },
        path => {
            let file = play(path)?;
            let track = file.audio_tracks().into_iter().next();
            add(track.ok_or_else(|| anyhow!("{path} has no sound"))?.into());
        }
    }
    Ok(Captured { stream, _players: players })
}

fn pattern() -> Result<MediaStreamTrack> {
    Ok(sources::numbered_pictures(640, 360, 30.0)?.into())
}

async fn handle(call: Arc<Call>, over: mpsc::Sender<Result<()>>, request: Request) -> Reply {
    match (&request.method, request.path.as_str()) {
        (&Method::GET | &Method::HEAD, "/") => {
            server::reply(StatusCode::OK, "text/html; charset=utf-8", PAGE)
        }
        (&Method::POST, "/offer") if request.content_type == "application/json" => {
            answer(call, over, &request.body).await
        }
        // A page in somebody's browser can post without asking only what is not JSON; it must not get at the camera.
        (&Method::POST, "/offer") => {
            let message = "the content type must be application/json";
            server::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, message)
        }
        (_, "/" | "/offer") => {
            server::error(StatusCode::METHOD_NOT_ALLOWED, "GET / or POST /offer")
        }
        _ => server::error(StatusCode::NOT_FOUND, "there is only / and /offer here"),
    }
}

async fn answer(call: Arc<Call>, over: mpsc::Sender<Result<()>>, body: &[u8]) -> Reply {
    let offer = match blob::from_json(body, SdpType::Offer) {
        Ok(offer) => offer,
        Err(error) => return server::error(StatusCode::BAD_REQUEST, &format!("{error:#}")),
    };
    if call.busy.try_lock().is_err() {
        let message = "there is a call already; try again when it is over";
        return server::error(StatusCode::SERVICE_UNAVAILABLE, message);
    }
    match call.clone().begin(offer).await {
        Ok((peer, tracks, senders, answer)) => {
            tokio::spawn(async move {
                let _busy = call.busy.lock().await;
                let result = peer.run(async |_| call.talk(&peer, tracks).await).await;
                peer.close().await;
                drop(senders);
                if let Err(error) = &result {
                    let number = peer.number;
                    call.report.warning(format_args!("connection {number}: {error:#}"));
                }
                if call.args.duration.is_some() {
                    // Nobody waits for it once the program ends.
                    let _ = over.send(result).await;
                }
            });
            server::reply(StatusCode::OK, "application/json", blob::to_json(&answer))
        }
        Err(error) => {
            call.report.warning(format_args!("{error:#}"));
            server::error(StatusCode::BAD_REQUEST, &format!("{error:#}"))
        }
    }
}

type Tracks = mpsc::Receiver<peerage::RtpTransceiver>;

impl Call {
    /// A connection that offers what there are codecs for, and the tracks that come on it.
    async fn peer(&self) -> Result<(Peer, Tracks)> {
        let peer = Peer::configured(&self.endpoint, &self.options, self.report, |configuration| {
            configuration.settings.media = capabilities(&BuiltIn);
        })
        .await?;
        let tracks = peer.take_tracks();
        Ok((peer, tracks))
    }

    async fn send(&self, pc: &PeerConnection) -> Result<Vec<TrackSender>> {
        let stream = &self.own.stream;
        let mut senders = Vec::new();
        for track in stream.tracks() {
            senders.push(pc.send_track(&track, &[stream], Arc::new(BuiltIn)).await?);
        }
        Ok(senders)
    }

    /// Answers an offer.
    async fn begin(
        self: Arc<Self>,
        offer: SessionDescription,
    ) -> Result<(Peer, Tracks, Vec<TrackSender>, SessionDescription)> {
        let (peer, tracks) = self.peer().await?;
        peer.pc.set_remote_description(offer).await.context("the offer cannot be used")?;
        let senders = self.send(&peer.pc).await?;
        let answer = peer.own_answer().await?;
        Ok((peer, tracks, senders, answer))
    }

    /// Shows, plays and records what comes, until the time is over or the other side hangs up.
    async fn talk(&self, peer: &Peer, mut tracks: Tracks) -> Result<()> {
        peer.connected().await?;
        let connection = peer.number;
        // What no clock can tell is as good as no end.
        let end = self.args.duration.and_then(|duration| Instant::now().checked_add(duration));
        let end = end.unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400 * 365));
        let devices = MediaDevices::new();
        let theirs = MediaStream::new([]);
        let (mut receivers, mut outputs) = (Vec::new(), Vec::<Box<dyn Output>>::new());
        let mut recorder = None;
        let mut first = None;
        loop {
            // A recording has both kinds, or what has come when the second is overdue.
            let ready =
                receivers.len() >= 2 || first.is_some_and(|at: Instant| at <= Instant::now());
            if recorder.is_none()
                && ready
                && let Some(path) = &self.args.record
            {
                let options = RecorderOptions::default();
                recorder = Some(Recorder::begin(path, &theirs, options, Arc::new(BuiltIn))?);
            }
            let waiting = recorder.is_none() && self.args.record.is_some();
            let until = first.filter(|_| waiting).map_or(end, |at| at.min(end));
            match timeout_at(until, tracks.recv()).await {
                Ok(Some(transceiver)) => {
                    let receiver = transceiver.receive_track(Arc::new(BuiltIn))?;
                    let kind = receiver.track().kind().as_str();
                    self.report.event(&Event::Receiving { connection, kind });
                    theirs.add_track(receiver.track().clone());
                    let output = tokio::task::block_in_place(|| self.output(&devices, &receiver));
                    outputs.extend(output?);
                    receivers.push(receiver);
                    first.get_or_insert(Instant::now() + TOGETHER);
                }
                // Hung up.
                Ok(None) => break,
                Err(_) if Instant::now() >= end => break,
                Err(_) => {}
            }
        }
        if let (Some(path), Some(recorder)) = (&self.args.record, recorder) {
            let summary = tokio::task::block_in_place(|| recorder.finish())
                .with_context(|| format!("{} is not complete", path.display()))?;
            self.report.event(&Event::Recorded {
                file: &path.display().to_string(),
                pictures: summary.pictures,
                seconds: summary.duration.as_secs_f64(),
            });
        }
        let played = |video: bool| {
            let of = receivers.iter().filter(move |one| one.track().as_video().is_some() == video);
            of.map(|one| one.statistics().played).sum::<u64>()
        };
        let (pictures, sound) = (played(true), played(false) as f64 / 100.0);
        self.report.event(&Event::Called { connection, pictures, sound });
        if receivers.is_empty() && self.args.duration.is_some() {
            bail!("the other side sent neither sound nor pictures");
        }
        Ok(())
    }

    /// The window or the speaker for a track, where one is wanted.
    fn output(
        &self,
        devices: &MediaDevices,
        receiver: &TrackReceiver,
    ) -> Result<Option<Box<dyn Output>>> {
        match receiver.track() {
            MediaStreamTrack::Video(track) if self.args.window => {
                Ok(Some(devices.show(track, "peerage call")?))
            }
            MediaStreamTrack::Audio(track) if self.args.speaker => {
                Ok(Some(devices.play(track, None)?))
            }
            _ => Ok(None),
        }
    }
}
