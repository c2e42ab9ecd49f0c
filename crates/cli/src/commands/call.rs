//! `peerage call`: a call with sound and pictures, with a browser that opens our page or with another `peerage call`.

mod capture;
mod session;

use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper::{Method, StatusCode};
use peerage::engine::{TrackSender, capabilities};
use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::recorder::Container;
use peerage::{ConnectionState, Endpoint, PeerConnection, SdpType, SessionDescription};
use serde::Deserialize;
use tokio::sync::{Mutex, Notify, OwnedMutexGuard, mpsc};
use tokio::time::timeout;

use self::capture::Captured;
use self::session::Session;
use crate::blob;
use crate::http::server::{self, Reply, Request};
use crate::options::{CallArgs, Common};
use crate::peer::{self, Peer};
use crate::report::{Event, Report};
use crate::signal::{self, Rendezvous};

const PAGE: &str = include_str!("call.html");
/// How long a call may take to end: its recording is completed.
const ENDING: Duration = Duration::from_secs(10);

pub(crate) async fn run(options: &Common, args: &CallArgs, report: &Report) -> Result<()> {
    let report = *report;
    // What cannot be is said now, and not when somebody calls.
    if let Some(path) = &args.record {
        Container::of(path)?;
        peer::check_place(path)?;
    }
    if (args.window || args.speaker) && !cfg!(feature = "devices") {
        let wanted = if args.window { "--window" } else { "--speaker" };
        bail!("{wanted} is not built into this `peerage`: build it with `--features devices`");
    }
    let listener = match &args.http {
        Rendezvous::Listen(address) => Some(server::bind(*address).await?),
        Rendezvous::Post(_) => None,
    };
    let own = tokio::task::block_in_place(|| capture::capture(args, report))?;
    let call = Arc::new(Call {
        endpoint: peer::endpoint(options).await?,
        options: options.clone(),
        args: args.clone(),
        report,
        own,
        busy: Arc::default(),
        current: StdMutex::default(),
    });
    let work = async {
        match (&args.http, listener) {
            (_, Some((listener, address))) => {
                report.hint("open the address below in a browser; interrupt with Ctrl-C");
                report.event(&Event::Listening { url: format!("http://{address}") });
                let (over, mut ended) = mpsc::channel(1);
                let called = call.clone();
                let serve = server::run(listener, move |request| {
                    handle(called.clone(), over.clone(), request)
                });
                tokio::select! {
                    () = serve => Ok(()),
                    // With a duration, one call is all.
                    Some(result) = ended.recv() => result,
                }
            }
            (Rendezvous::Post(url), None) => call.dial(url).await,
            (Rendezvous::Listen(_), None) => Ok(()),
        }
    };
    let mut work = std::pin::pin!(work);
    tokio::select! {
        result = &mut work => return result,
        _ = tokio::signal::ctrl_c() => {}
    }
    // Interrupted: the other side is told, and recordings are completed. Whoever interrupts again is in a hurry.
    if !call.hang_up() {
        return Ok(());
    }
    tokio::select! {
        result = &mut work => result,
        _ = timeout(ENDING, call.busy.lock()) => Ok(()),
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
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
    busy: Arc<Mutex<()>>,
    /// The call that there is.
    current: StdMutex<Option<Current>>,
}

/// A call as others see it.
struct Current {
    pc: PeerConnection,
    /// The page that it came from: a number that the page made up.
    page: Option<String>,
    hang_up: Arc<Notify>,
}

/// What the page says beside its offer.
#[derive(Deserialize)]
struct Caller {
    #[serde(default)]
    page: Option<String>,
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
    let page = serde_json::from_slice(body).ok().and_then(|Caller { page }| page);
    let Some(busy) = call.enter(page.as_deref()).await else {
        let message =
            "there is a call already; hang up in the other window, or try again when it is over";
        return server::error(StatusCode::SERVICE_UNAVAILABLE, message);
    };
    match call.begin(offer).await {
        Ok((peer, tracks, senders, answer)) => {
            tokio::spawn(async move {
                let result = call.talk(&peer, tracks, page, async || Ok(())).await;
                drop((senders, busy));
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
    /// Calls the one that serves at `url`.
    async fn dial(&self, url: &crate::http::client::HttpUrl) -> Result<()> {
        let _busy = self.busy.lock().await;
        let (peer, tracks) = self.peer().await?;
        let _senders = self.send(&peer.pc).await?;
        let join = async || {
            let offer = peer.offer().await?;
            peer.accept(signal::post(url, &offer, self.options.timeout).await?).await
        };
        self.talk(&peer, tracks, None, join).await
    }

    /// The right to call; none while another call goes on. A page that was loaded again takes the place of its own call, and anybody
    /// that of one whose other side has gone.
    async fn enter(&self, page: Option<&str>) -> Option<OwnedMutexGuard<()>> {
        if let Ok(busy) = self.busy.clone().try_lock_owned() {
            return Some(busy);
        }
        {
            let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            let current = current.as_ref()?;
            let gone = matches!(
                current.pc.connection_state(),
                ConnectionState::Disconnected | ConnectionState::Failed | ConnectionState::Closed
            );
            let same = page.is_some() && page == current.page.as_deref();
            if !gone && !same {
                return None;
            }
            current.hang_up.notify_one();
        }
        timeout(ENDING, self.busy.clone().lock_owned()).await.ok()
    }

    /// Ends the call, if there is one.
    fn hang_up(&self) -> bool {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().inspect(|current| current.hang_up.notify_one()).is_some()
    }

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
        &self,
        offer: SessionDescription,
    ) -> Result<(Peer, Tracks, Vec<TrackSender>, SessionDescription)> {
        let (peer, tracks) = self.peer().await?;
        peer.pc.set_remote_description(offer).await.context("the offer cannot be used")?;
        let senders = self.send(&peer.pc).await?;
        let answer = peer.own_answer().await?;
        Ok((peer, tracks, senders, answer))
    }

    /// The call: `join` meets the other side, then what comes is shown, played and recorded until either side hangs up. However it
    /// ends, the recording is completed and the connection closed.
    async fn talk(
        &self,
        peer: &Peer,
        tracks: Tracks,
        page: Option<String>,
        join: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<()> {
        let hang_up = Arc::new(Notify::new());
        let current = Current { pc: peer.pc.clone(), page, hang_up: hang_up.clone() };
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(current);
        let mut session = Session::new(&self.args, peer.number, self.report);
        let result = peer
            .run(async |channels| {
                // One that is let go of closes, and the page takes that for the end of the call.
                let _channels = channels;
                join().await?;
                session.talk(peer, tracks, self.args.duration, &hang_up).await
            })
            .await;
        // The other side first, which else waits for the file.
        peer.close().await;
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let is_empty = session.is_empty();
        session.finish().and(result)?;
        if is_empty && self.args.duration.is_some() {
            bail!("the other side sent neither sound nor pictures");
        }
        Ok(())
    }
}
