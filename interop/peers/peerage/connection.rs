//! One connection: commands in, events out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use peerage::{
    BundlePolicy, Configuration, DataChannelInit, Event, IceCandidateInit, IceServer,
    IceTransportPolicy, KeyLogWriter, MdnsMode, OfferOptions, PeerConnection, SessionDescription,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::channel::{Channel, Mode};
use crate::engine::Engine;
use crate::fidelity::Fidelity;
use crate::layers::{Forwarder, Layers};
use crate::media::Mirror;
use crate::player::Player;
use crate::recorder::{self, Recorder};
use crate::tracks::{self, Tones};
use crate::transceivers;
use crate::{Out, text};

/// The statistics that the report shows of media.
const RTP: [&str; 3] = ["inbound-rtp", "outbound-rtp", "remote-inbound-rtp"];

pub(crate) struct Connection {
    name: String,
    pc: PeerConnection,
    incoming: Mode,
    channels: Mutex<HashMap<String, Arc<Channel>>>,
    mirror: Mirror,
    tones: Tones,
    player: Player,
    /// Where incoming media goes in place of the mirror.
    recorder: Mutex<Option<Arc<Recorder>>>,
    layers: Mutex<Option<Arc<Layers>>>,
    engine: Mutex<Option<Arc<Engine>>>,
    fidelity: Mutex<Option<Arc<Fidelity>>>,
    forwarder: Mutex<Option<Arc<Forwarder>>>,
    out: Out,
    events: Mutex<Option<JoinHandle<()>>>,
}

impl Connection {
    pub(crate) async fn new(name: &str, fields: &Value, out: Out) -> Result<Arc<Self>> {
        let mut configuration = Configuration::default();
        if fields["hide_addresses"].as_bool().unwrap_or(false) {
            configuration.settings.mdns = MdnsMode::ResolveAndPublish;
        }
        if fields["flexfec"].as_bool().unwrap_or(false) {
            configuration.settings.media.enable_flexfec();
        }
        configuration.bundle_policy = match fields["config"]["bundlePolicy"].as_str() {
            Some("max-compat") => BundlePolicy::MaxCompat,
            Some("max-bundle") => BundlePolicy::MaxBundle,
            _ => BundlePolicy::Balanced,
        };
        configuration.ice_servers = ice_servers(&fields["config"]["iceServers"]);
        if fields["config"]["iceTransportPolicy"] == "relay" {
            configuration.ice_transport_policy = IceTransportPolicy::Relay;
        }
        if let Some(path) = std::env::var_os("SSLKEYLOGFILE") {
            let file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&path)
                .context("cannot write the key log")?;
            configuration.settings.key_log = Some(Arc::new(KeyLogWriter::new(file)));
        }
        let connection = Arc::new(Self {
            name: name.to_owned(),
            pc: PeerConnection::new(configuration).await?,
            incoming: Mode::from_name(fields["incoming"].as_str().unwrap_or("echo")),
            channels: Mutex::default(),
            mirror: Mirror::default(),
            tones: Tones::default(),
            player: Player::default(),
            recorder: Mutex::default(),
            layers: Mutex::default(),
            engine: Mutex::default(),
            fidelity: Mutex::default(),
            forwarder: Mutex::default(),
            out,
            events: Mutex::default(),
        });
        let task = tokio::spawn(connection.clone().watch());
        *connection.events.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Ok(connection)
    }

    /// Closes the connection and forgets its channels.
    pub(crate) async fn close(&self) {
        self.pc.close().await;
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if let Some(task) = self.events.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }

    async fn watch(self: Arc<Self>) {
        while let Some(event) = self.pc.next_event().await {
            let state = |kind: &str, value: String| {
                self.out.event("state", &self.name, json!({"kind": kind, "value": value}));
            };
            match event {
                Event::IceCandidate(candidate) => {
                    let candidate = candidate.map(|init| {
                        json!({
                            "candidate": init.candidate,
                            "sdpMid": init.sdp_mid,
                            "sdpMLineIndex": init.sdp_m_line_index,
                            "usernameFragment": init.username_fragment,
                        })
                    });
                    self.out.event("candidate", &self.name, json!({"candidate": candidate}));
                }
                Event::ConnectionStateChange(value) => state("connection", value.to_string()),
                Event::IceConnectionStateChange(value) => state("ice", value.to_string()),
                Event::IceGatheringStateChange(value) => state("gathering", value.to_string()),
                Event::SignalingStateChange(value) => state("signaling", value.to_string()),
                Event::DataChannel(raw) => {
                    self.out.event(
                        "channel",
                        &self.name,
                        json!({
                            "channel": raw.label(),
                            "id": raw.id(),
                            "ordered": raw.ordered(),
                            "protocol": raw.protocol(),
                            "max_retransmits": raw.max_retransmits(),
                            "max_packet_life_time": raw.max_packet_life_time(),
                        }),
                    );
                    let label = raw.label().to_owned();
                    self.add(
                        &label,
                        Channel::new(&self.name, raw, self.incoming, self.out.clone()),
                    );
                }
                Event::ToneChange { tone, .. } => self.tones.began(tone),
                Event::Dtmf { event, .. } => self.tones.heard(event),
                Event::NegotiationNeeded => {
                    self.out.event("negotiation_needed", &self.name, json!({}));
                }
                Event::Track { transceiver, .. } => {
                    if let Some(engine) = held(&self.engine) {
                        if let Err(error) = engine.take(&transceiver) {
                            self.out.event("log", &self.name, json!({"text": error.to_string()}));
                        }
                    } else if let Some(fidelity) = held(&self.fidelity) {
                        if let Err(error) = fidelity.take(&transceiver) {
                            self.out.event("log", &self.name, json!({"text": error.to_string()}));
                        }
                    } else if let Some(recorder) = held(&self.recorder) {
                        recorder.take(transceiver);
                    } else if let Some(layers) = held(&self.layers) {
                        layers.take(transceiver);
                    } else {
                        self.mirror.reflect(transceiver);
                    }
                }
                Event::KeyframeRequested { transceiver, encoding } => {
                    if self.player.keyframe_requested(transceiver.handle(), encoding)
                        || self.mirror.want_keyframe()
                    {
                        continue;
                    }
                    if held(&self.engine).is_some() || held(&self.fidelity).is_some() {
                        continue;
                    }
                    match held(&self.forwarder) {
                        Some(forwarder) => forwarder.keyframe_requested().await,
                        // The source of what we send is what the peer sends.
                        None => drop(transceiver.request_keyframe().await),
                    }
                }
                other => self.out.event("log", &self.name, json!({"text": format!("{other:?}")})),
            }
        }
    }

    fn add(&self, label: &str, channel: Arc<Channel>) {
        self.channels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(label.to_owned(), channel);
    }

    fn channel(&self, fields: &Value) -> Result<Arc<Channel>> {
        let label = text(fields, "channel")?;
        let channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.get(label).cloned().with_context(|| format!("no channel {label}"))
    }

    fn forwarder(&self) -> Result<Arc<Forwarder>> {
        held(&self.forwarder).context("nothing is handed on here")
    }

    fn recorder(&self) -> Result<Arc<Recorder>> {
        held(&self.recorder).context("nothing is recorded here")
    }

    fn engine(&self) -> Result<Arc<Engine>> {
        held(&self.engine).context("no media engine was asked for here")
    }

    fn fidelity(&self) -> Result<Arc<Fidelity>> {
        held(&self.fidelity).context("no pictures are compared here")
    }

    fn layers(&self) -> Result<Arc<Layers>> {
        held(&self.layers).context("layers are not told apart here")
    }

    /// Runs one command to its result. `from` is the other connection that the command names.
    pub(crate) async fn run(
        &self,
        command: &str,
        fields: &Value,
        from: Option<Arc<Connection>>,
    ) -> Result<Value> {
        match command {
            "channel" => {
                let label = text(fields, "channel")?;
                let raw = self.pc.create_data_channel(label, init(&fields["init"])).await?;
                let mode = Mode::from_name(fields["mode"].as_str().unwrap_or("record"));
                self.add(label, Channel::new(&self.name, raw, mode, self.out.clone()));
                Ok(json!({}))
            }
            "mode" => {
                self.channel(fields)?.set_mode(Mode::from_name(text(fields, "mode")?));
                Ok(json!({}))
            }
            "media" => {
                self.mirror.add_tracks(&self.pc, fields).await?;
                Ok(json!({}))
            }
            "media_hold" => {
                self.mirror.hold();
                Ok(json!({}))
            }
            "media_stats" => self.mirror.statistics(&self.pc).await,
            "receive_media" => {
                transceivers::receive(&self.pc, fields).await?;
                Ok(json!({}))
            }
            "receive_layers" => {
                transceivers::receive_layers(&self.pc, fields).await?;
                Ok(json!({}))
            }
            "simulcast" => {
                transceivers::simulcast(&self.pc, fields).await?;
                Ok(json!({}))
            }
            "play" => {
                self.player.play(&self.pc, fields).await?;
                Ok(json!({}))
            }
            "played" => Ok(self.player.statistics()),
            "engine" => {
                hold(&self.engine, Arc::default());
                Ok(json!({}))
            }
            "capture" => {
                self.engine()?.capture(&self.pc, fields).await?;
                Ok(json!({}))
            }
            "watch" => Ok(json!({})),
            "watched" => Ok(self.engine()?.watched()),
            "heard" => Ok(self.engine()?.heard()),
            "heard_speech" => Ok(self.engine()?.heard_speech()),
            "engine_stats" => match held(&self.fidelity) {
                Some(fidelity) => Ok(fidelity.statistics()),
                None => Ok(self.engine()?.statistics()),
            },
            "fidelity" => {
                let (fidelity, told) = Fidelity::begin(&self.pc, fields).await?;
                hold(&self.fidelity, Arc::new(fidelity));
                Ok(told)
            }
            "fidelity_told" => Ok(self.fidelity()?.told()),
            "record" => {
                recorder::prepare(text(fields, "prefix")?.as_ref())?;
                hold(&self.recorder, Arc::new(Recorder::new(fields)?));
                Ok(json!({}))
            }
            "recorded" => self.recorder()?.told(fields["end"].as_bool().unwrap_or(false)),
            "collect" => {
                hold(&self.layers, Arc::default());
                Ok(json!({}))
            }
            "layers" => Ok(self.layers()?.statistics()),
            "layer_keyframe" => {
                self.layers()?.request_keyframe(text(fields, "rid")?).await?;
                Ok(json!({}))
            }
            "forward" => {
                let from = from.context("there is no such connection to hand on from")?.layers()?;
                let forwarder = Forwarder::new(&self.pc, from, text(fields, "rid")?).await?;
                hold(&self.forwarder, Arc::new(forwarder));
                Ok(json!({}))
            }
            "select" => {
                self.forwarder()?.select(text(fields, "rid")?).await?;
                Ok(json!({}))
            }
            "forwarded" => Ok(self.forwarder()?.statistics()),
            "offer" => {
                let options =
                    OfferOptions { ice_restart: fields["ice_restart"].as_bool().unwrap_or(false) };
                let offer = self.pc.create_offer(options).await?;
                self.pc.set_local_description(offer).await?;
                self.local_description()
            }
            "answer" => {
                self.pc
                    .set_remote_description(SessionDescription::offer(text(fields, "sdp")?))
                    .await?;
                if fields["attach"].as_bool().unwrap_or(false) {
                    tracks::attach(&self.pc).await?;
                }
                let answer = self.pc.create_answer().await?;
                self.pc.set_local_description(answer).await?;
                self.local_description()
            }
            "accept" => {
                self.pc
                    .set_remote_description(SessionDescription::answer(text(fields, "sdp")?))
                    .await?;
                Ok(json!({}))
            }
            "gathered" => {
                self.pc.gathering_complete().await?;
                self.local_description()
            }
            "candidate" => {
                self.pc.add_ice_candidate(candidate(&fields["candidate"])).await?;
                Ok(json!({}))
            }
            "send" => self.channel(fields)?.send(fields).await,
            "bulk" => self.channel(fields)?.bulk(fields).await,
            "receive" => Ok(self.channel(fields)?.receive(fields).await),
            "close_channel" => {
                self.channel(fields)?.close();
                Ok(json!({}))
            }
            "close" => {
                self.pc.close().await;
                Ok(json!({}))
            }
            "state" => {
                let failure = self.pc.connection_failure().await.ok().flatten();
                let channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
                let states: serde_json::Map<String, Value> = channels
                    .iter()
                    .map(|(label, channel)| (label.clone(), channel.state().into()))
                    .collect();
                Ok(json!({
                    "connection": self.pc.connection_state().to_string(),
                    "ice": self.pc.ice_connection_state().to_string(),
                    "gathering": self.pc.ice_gathering_state().to_string(),
                    "signaling": self.pc.signaling_state().to_string(),
                    "channels": states,
                    "failure": failure.map(|failure| failure.to_string()),
                }))
            }
            "stats" => self.statistics().await,
            other => match tracks::run(&self.pc, &self.mirror, &self.tones, other, fields).await? {
                Some(result) => Ok(result),
                None => bail!("no command {other}"),
            },
        }
    }

    fn local_description(&self) -> Result<Value> {
        let description =
            self.pc.local_description().context("no local description after it was set")?;
        Ok(json!({"sdp": description.sdp}))
    }

    async fn statistics(&self) -> Result<Value> {
        let report = serde_json::to_value(self.pc.get_stats().await?)?;
        let of = |id: &Value| report[id.as_str().unwrap_or("")]["mimeType"].clone();
        let all = report.as_object().into_iter().flatten().map(|(_, one)| one);
        let rtp = all.filter(|one| one["type"].as_str().is_some_and(|kind| RTP.contains(&kind)));
        let rtp: Vec<Value> = rtp
            .map(|one| {
                let mut one = one.clone();
                one["codec"] = of(&one["codecId"]);
                one
            })
            .collect();
        let statistics = self.pc.statistics().await?;
        let handshake = statistics.handshake.as_ref();
        Ok(json!({
            "dtls_version": handshake.map(|handshake| handshake.version.trim_start_matches("DTLS ")),
            "dtls_group": handshake.map(|handshake| handshake.group),
            "dtls_cipher": handshake.map(|handshake| handshake.cipher_suite),
            "dtls_role": handshake.map(|handshake| if handshake.is_client { "client" } else { "server" }),
            "local": selected(&report, "localCandidateId"),
            "remote": selected(&report, "remoteCandidateId"),
            "rtp": rtp,
            "transports": self.pc.dtls_transports().await?.len(),
            "raw": format!("{statistics:#?}"),
        }))
    }
}

fn held<T>(place: &Mutex<Option<Arc<T>>>) -> Option<Arc<T>> {
    place.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn hold<T>(place: &Mutex<Option<Arc<T>>>, value: Arc<T>) {
    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
}

/// W3C's `RTCIceServer`s; `urls` is one or several.
fn ice_servers(fields: &Value) -> Vec<IceServer> {
    let server = |one: &Value| {
        let urls = match &one["urls"] {
            Value::Array(urls) => {
                urls.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            url => url.as_str().map(str::to_owned).into_iter().collect(),
        };
        let text = |name: &str| one[name].as_str().map(str::to_owned);
        IceServer { urls, username: text("username"), credential: text("credential") }
    };
    fields.as_array().into_iter().flatten().map(server).collect()
}

/// A candidate of the pair in use, as the report of statistics has it.
fn selected(report: &Value, side: &str) -> Option<Value> {
    let transport = report.as_object()?.values().find(|one| one["type"] == "transport")?;
    let pair = &report[transport["selectedCandidatePairId"].as_str()?];
    let candidate = &report[pair[side].as_str()?];
    let names = [
        ("type", "candidateType"),
        ("protocol", "protocol"),
        ("relay", "relayProtocol"),
        ("address", "address"),
        ("port", "port"),
    ];
    Some(names.iter().map(|(short, name)| ((*short).to_owned(), candidate[name].clone())).collect())
}

/// W3C's `RTCDataChannelInit`.
fn init(fields: &Value) -> DataChannelInit {
    let number = |name: &str| fields[name].as_f64().map(|value| value as u16);
    DataChannelInit {
        ordered: fields["ordered"].as_bool().unwrap_or(true),
        max_retransmits: number("maxRetransmits"),
        max_packet_life_time: number("maxPacketLifeTime"),
        protocol: fields["protocol"].as_str().unwrap_or_default().to_owned(),
        negotiated: fields["negotiated"].as_bool().unwrap_or(false),
        id: number("id"),
        ..DataChannelInit::default()
    }
}

/// W3C's `RTCIceCandidateInit`; null is the end of candidates.
fn candidate(fields: &Value) -> Option<IceCandidateInit> {
    Some(IceCandidateInit {
        candidate: fields["candidate"].as_str()?.to_owned(),
        sdp_mid: fields["sdpMid"].as_str().map(str::to_owned),
        sdp_m_line_index: fields["sdpMLineIndex"]
            .as_u64()
            .and_then(|index| u16::try_from(index).ok()),
        username_fragment: fields["usernameFragment"].as_str().map(str::to_owned),
    })
}
