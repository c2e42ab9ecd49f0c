//! Reads a log once and keeps what the page shows: series, states, streams, and a list of what is worth a line. The log may
//! be anybody's: whatever it claims, the digest's size is bounded.

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;
use std::time::SystemTime;

use peerage::log::{
    Direction, End, Error, LogEvent, LogReader, Packet, PacketRole, Record, Rtcp, RtcpKind,
    StateOf, Stream,
};
use serde::Serialize;

use super::series::{SeriesSet, Sum};

/// Streams that have lines of their own.
const MAX_STREAMS: usize = 200;
/// Changes of state that are drawn.
const MAX_STATES: usize = 2000;
/// Lines of the list.
const MAX_ROWS: usize = 5000;
/// Bytes of text in the list.
const MAX_TEXT: usize = 4 << 20;

/// What is plotted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Chart {
    Sent,
    Received,
    Loss,
    Delay,
    Jitter,
    Frames,
    Repair,
    Data,
}

impl Chart {
    fn title(self) -> (&'static str, &'static str) {
        match self {
            Chart::Sent => ("Sent", "bit/s"),
            Chart::Received => ("Received", "bit/s"),
            Chart::Loss => ("Loss", "%"),
            Chart::Delay => ("Round trip and queues", "ms"),
            Chart::Jitter => ("Jitter", "ms"),
            Chart::Frames => ("Frames", "/s"),
            Chart::Repair => ("Repair", "packets/s"),
            Chart::Data => ("Data channels", "bit/s"),
        }
    }
}

/// What a line in a plot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Line {
    /// All streams together.
    Total,
    /// The stream with this index.
    Stream(usize),
    /// What the stream with this index may send.
    Target(usize),
    /// Anything else, by its name.
    Named(&'static str),
}

type Key = (Chart, Line);

/// A stream and what went through it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct StreamDigest {
    pub(super) direction: Direction,
    pub(super) ssrc: u32,
    /// What the plots call it.
    pub(super) label: String,
    pub(super) began: f64,
    pub(super) ended: Option<f64>,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) frames: u64,
    pub(super) keyframes: u64,
    pub(super) keyframe_requests: u64,
    pub(super) dimensions: Option<(u16, u16)>,
    pub(super) lost: Option<i32>,
    pub(super) round_trip_ms: Option<f64>,
    pub(super) jitter_ms: Option<f64>,
}

/// A plot.
#[derive(Debug, Serialize)]
pub(super) struct Plot {
    pub(super) chart: Chart,
    title: &'static str,
    unit: &'static str,
    lines: Vec<PlotLine>,
}

#[derive(Debug, Serialize)]
struct PlotLine {
    label: String,
    /// Drawn dashed: a limit or a wish rather than what happened.
    dashed: bool,
    /// Gaps are bridged.
    mean: bool,
    values: Vec<Option<f64>>,
}

/// A line of the list.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) at: f64,
    pub(super) kind: &'static str,
    pub(super) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
}

/// See the module.
#[derive(Debug, Serialize)]
pub(crate) struct Digest {
    pub(super) name: String,
    /// Milliseconds since 1970.
    pub(super) started_ms: u64,
    pub(super) seconds: f64,
    pub(super) events: u64,
    pub(super) unknown: u64,
    pub(super) damaged: u64,
    pub(super) truncated: bool,
    /// Lines that the list has no room for.
    pub(super) rows_left_out: u64,
    bin_seconds: f64,
    pub(super) plots: Vec<Plot>,
    pub(super) states: Vec<(f64, StateOf, String)>,
    pub(super) streams: Vec<StreamDigest>,
    pub(super) path: Option<(String, String)>,
    pub(super) handshake: Option<String>,
    pub(super) rows: Vec<Row>,
}

impl Digest {
    /// Reads a log to its end.
    pub(crate) fn read(reader: impl BufRead) -> Result<Self, Error> {
        let mut log = LogReader::new(reader)?;
        let mut builder = Builder::new();
        for record in log.by_ref() {
            builder.take(record?);
        }
        let started = log.header().started.duration_since(SystemTime::UNIX_EPOCH);
        let mut digest = builder.finish();
        digest.name = log.header().name.chars().take(200).collect();
        digest.started_ms = started.unwrap_or_default().as_millis() as u64;
        (digest.unknown, digest.damaged) = (log.unknown(), log.damaged());
        digest.truncated = log.truncated();
        Ok(digest)
    }
}

struct Builder {
    end: u64,
    events: u64,
    series: SeriesSet<Key>,
    by_source: HashMap<(Direction, u32), usize>,
    streams: Vec<StreamDigest>,
    states: Vec<(f64, StateOf, String)>,
    path: Option<(String, String)>,
    handshake: Option<String>,
    rows: Vec<Row>,
    text: usize,
    rows_left_out: u64,
}

impl Builder {
    fn new() -> Self {
        Self {
            end: 0,
            events: 0,
            series: SeriesSet::new(),
            by_source: HashMap::new(),
            streams: Vec::new(),
            states: Vec::new(),
            path: None,
            handshake: None,
            rows: Vec::new(),
            text: 0,
            rows_left_out: 0,
        }
    }

    fn take(&mut self, record: Record) {
        let at = u64::try_from(record.at.as_micros()).unwrap_or(u64::MAX);
        self.end = self.end.max(at);
        self.events += 1;
        let kind = record.event.name();
        match record.event {
            LogEvent::State { of, state } => {
                self.row(at, kind, format!("{}: {state}", name_of(of)), None);
                if self.states.len() < MAX_STATES {
                    self.states.push((seconds(at), of, state.chars().take(40).collect()));
                }
            }
            LogEvent::Description { end, kind: what, sdp } => {
                let text = format!("{} {what}, {} lines", whose(end), sdp.lines().count());
                self.row(at, kind, text, Some(sdp.into_owned()));
            }
            LogEvent::Candidate { end, candidate } => {
                let text = match candidate.is_empty() {
                    true => "end of candidates".to_owned(),
                    false => candidate.into_owned(),
                };
                self.row(at, kind, format!("{}: {text}", whose(end)), None);
            }
            LogEvent::SelectedPair { local, remote } => {
                self.row(at, kind, format!("{local} to {remote}"), None);
                self.path = Some((local.to_string(), remote.to_string()));
            }
            LogEvent::Handshake { version, cipher_suite, group, client } => {
                let role = if client { "client" } else { "server" };
                let text = format!("{version}, {group}, {cipher_suite}, {role}");
                self.handshake = Some(text.chars().take(200).collect());
                self.row(at, kind, text, None);
            }
            LogEvent::StreamBegan(stream) => {
                let text = format!("{}: {}", way(stream.direction), label(&stream));
                let ssrc = format!("SSRC {}", stream.ssrc);
                self.row(at, kind, format!("{text}, {ssrc}"), None);
                let index = self.stream(at, stream.direction, stream.ssrc);
                if let Some(known) = index.and_then(|index| self.streams.get_mut(index)) {
                    known.label = label(&stream);
                    known.ended = None;
                }
            }
            LogEvent::StreamEnded { direction, ssrc } => {
                self.row(at, kind, format!("{}: SSRC {ssrc}", way(direction)), None);
                if let Some(&index) = self.by_source.get(&(direction, ssrc)) {
                    self.streams[index].ended = Some(seconds(at));
                }
            }
            LogEvent::PacketSent(packet) => self.packet(at, Direction::Sent, &packet),
            LogEvent::PacketReceived(packet) => self.packet(at, Direction::Received, &packet),
            LogEvent::Rtcp(rtcp) => self.rtcp(at, &rtcp),
            LogEvent::Report(report) => {
                // What the peer reports is about a stream of ours.
                let about = opposite(report.direction);
                let Some(index) = self.stream(at, about, report.ssrc) else { return };
                let line = Line::Stream(index);
                let lost = f64::from(report.fraction_lost) / 2.56;
                let jitter = report.jitter_us as f64 / 1e3;
                self.series.add((Chart::Loss, line), Sum::Mean, at, lost, 1.0);
                self.series.add((Chart::Jitter, line), Sum::Mean, at, jitter, 1.0);
                let stream = &mut self.streams[index];
                stream.lost = Some(report.total_lost);
                stream.jitter_ms = Some(jitter);
                if let Some(round_trip) = report.round_trip_us {
                    let ms = round_trip as f64 / 1e3;
                    stream.round_trip_ms = Some(ms);
                    let line = Line::Named("round trip, by reports");
                    self.series.add((Chart::Delay, line), Sum::Mean, at, ms, 1.0);
                }
            }
            LogEvent::Estimate(estimate) => {
                let ms = |us: u64| us as f64 / 1e3;
                for (chart, name, value) in [
                    (Chart::Sent, "estimate", Some(estimate.target_bps as f64)),
                    (Chart::Sent, "pacing", estimate.pacing_bps.map(|bps| bps as f64)),
                    (Chart::Sent, "acknowledged", estimate.acknowledged_bps.map(|bps| bps as f64)),
                    (Chart::Loss, "by feedback", estimate.loss_ppm.map(|ppm| f64::from(ppm) / 1e4)),
                    (Chart::Delay, "round trip, by feedback", estimate.round_trip_us.map(ms)),
                    (Chart::Delay, "queue on the path", estimate.queue_us.map(ms)),
                    (Chart::Delay, "queue in the pacer", estimate.pacer_us.map(ms)),
                ] {
                    if let Some(value) = value {
                        self.series.add((chart, Line::Named(name)), Sum::Mean, at, value, 1.0);
                    }
                }
            }
            LogEvent::Probe { cluster, rate_bps } => {
                self.row(at, kind, format!("cluster {cluster} at {}", bitrate(rate_bps)), None);
            }
            LogEvent::Allocation(encoding) => {
                let text = match encoding.target_bps {
                    0 => "paused".to_owned(),
                    bps => bitrate(bps),
                };
                let name = self.name(Direction::Sent, encoding.ssrc);
                self.row(at, kind, format!("{name}: {text}"), None);
                if let Some(index) = self.stream(at, Direction::Sent, encoding.ssrc) {
                    let key = (Chart::Sent, Line::Target(index));
                    self.series.add(key, Sum::Mean, at, encoding.target_bps as f64, 1.0);
                }
            }
            LogEvent::KeyframeRequest { direction, ssrc } => {
                let about = opposite(direction);
                let who = match direction {
                    Direction::Sent => "asked of the peer",
                    Direction::Received => "asked of us",
                };
                self.row(at, kind, format!("{who}: {}", self.name(about, ssrc)), None);
                if let Some(&index) = self.by_source.get(&(about, ssrc)) {
                    self.streams[index].keyframe_requests += 1;
                }
            }
            LogEvent::FrameSent(frame) => self.frame(at, kind, Direction::Sent, &frame),
            LogEvent::FrameReceived(frame) => self.frame(at, kind, Direction::Received, &frame),
            LogEvent::ChannelOpened { channel, label } => {
                self.row(at, kind, format!("stream {channel}: {label:?}"), None);
            }
            LogEvent::ChannelClosed { channel } => {
                self.row(at, kind, format!("stream {channel}"), None);
            }
            LogEvent::Message { direction, size, .. } => {
                let line = Line::Named(way(direction));
                self.series.add((Chart::Data, line), Sum::Rate, at, f64::from(size) * 8.0, 1.0);
            }
            LogEvent::Failure { message } => self.row(at, kind, message.into_owned(), None),
            LogEvent::Note { text } => self.row(at, kind, text.into_owned(), None),
            _ => {}
        }
    }

    fn packet(&mut self, at: u64, direction: Direction, packet: &Packet) {
        let chart = match direction {
            Direction::Sent => Chart::Sent,
            Direction::Received => Chart::Received,
        };
        let bits = f64::from(packet.size) * 8.0;
        self.series.add((chart, Line::Total), Sum::Rate, at, bits, 1.0);
        match packet.role {
            PacketRole::Media => {
                let Some(index) = self.stream(at, direction, packet.ssrc) else { return };
                self.series.add((chart, Line::Stream(index)), Sum::Rate, at, bits, 1.0);
                let stream = &mut self.streams[index];
                stream.packets += 1;
                stream.bytes += u64::from(packet.size);
            }
            role => {
                let again = role == PacketRole::Retransmission;
                let name = match (role, direction) {
                    (PacketRole::Retransmission, Direction::Sent) => "sent again",
                    (PacketRole::Retransmission, Direction::Received) => "received again",
                    (PacketRole::ForwardErrorCorrection, _) => "error correction",
                    _ => "padding",
                };
                let rate = if again { "retransmissions" } else { name };
                self.series.add((chart, Line::Named(rate)), Sum::Rate, at, bits, 1.0);
                if again {
                    self.series.add((Chart::Repair, Line::Named(name)), Sum::Rate, at, 1.0, 1.0);
                }
            }
        }
    }

    fn frame(
        &mut self,
        at: u64,
        kind: &'static str,
        direction: Direction,
        frame: &peerage::log::Frame,
    ) {
        let Some(index) = self.stream(at, direction, frame.ssrc) else { return };
        self.series.add((Chart::Frames, Line::Stream(index)), Sum::Rate, at, 1.0, 1.0);
        let stream = &mut self.streams[index];
        stream.frames += 1;
        stream.dimensions = frame.dimensions.or(stream.dimensions);
        if !frame.keyframe || stream.label.starts_with("audio") {
            return;
        }
        stream.keyframes += 1;
        let size = frame.dimensions.map_or_else(String::new, |(w, h)| format!(", {w}x{h}"));
        let text = format!("{}: keyframe, {} bytes{size}", stream.label, frame.size);
        self.row(at, kind, text, None);
    }

    fn rtcp(&mut self, at: u64, rtcp: &Rtcp) {
        let repair = |name| (Chart::Repair, Line::Named(name));
        match (rtcp.kind, rtcp.direction) {
            (RtcpKind::Nack, direction) => {
                let key = match direction {
                    Direction::Sent => repair("asked of the peer"),
                    Direction::Received => repair("asked of us"),
                };
                self.series.add(key, Sum::Rate, at, f64::from(rtcp.count), 1.0);
                let name = self.name(opposite(direction), rtcp.ssrc);
                let text = format!("{}: NACK of {} packets, {name}", way(direction), rtcp.count);
                self.row(at, "rtcp", text, None);
            }
            (RtcpKind::TransportFeedback | RtcpKind::CongestionFeedback, direction)
                if rtcp.count > 0 =>
            {
                let lost = f64::from(rtcp.lost) * 100.0 / f64::from(rtcp.count);
                let line = Line::Named(match direction {
                    Direction::Sent => "received, all streams",
                    Direction::Received => "sent, all streams",
                });
                let weight = f64::from(rtcp.count);
                self.series.add((Chart::Loss, line), Sum::Mean, at, lost, weight);
            }
            (
                RtcpKind::ReceiverEstimatedMaximumBitrate | RtcpKind::TemporaryMaximumBitrate,
                direction,
            ) => {
                let Some(bps) = rtcp.bitrate_bps else { return };
                let chart = match direction {
                    Direction::Sent => Chart::Received,
                    Direction::Received => Chart::Sent,
                };
                let line = Line::Named("receiver's limit");
                self.series.add((chart, line), Sum::Mean, at, bps as f64, 1.0);
            }
            (RtcpKind::Goodbye, direction) => {
                self.row(at, "rtcp", format!("{}: BYE, SSRC {}", way(direction), rtcp.ssrc), None);
            }
            _ => {}
        }
    }

    /// The stream of a source, which is made if need be; `None` if there are too many.
    fn stream(&mut self, at: u64, direction: Direction, ssrc: u32) -> Option<usize> {
        if let Some(&index) = self.by_source.get(&(direction, ssrc)) {
            return Some(index);
        }
        if self.streams.len() >= MAX_STREAMS {
            return None;
        }
        let index = self.streams.len();
        self.by_source.insert((direction, ssrc), index);
        self.streams.push(StreamDigest {
            direction,
            ssrc,
            label: format!("SSRC {ssrc}"),
            began: seconds(at),
            ended: None,
            packets: 0,
            bytes: 0,
            frames: 0,
            keyframes: 0,
            keyframe_requests: 0,
            dimensions: None,
            lost: None,
            round_trip_ms: None,
            jitter_ms: None,
        });
        Some(index)
    }

    fn name(&self, direction: Direction, ssrc: u32) -> String {
        match self.by_source.get(&(direction, ssrc)) {
            Some(&index) => self.streams[index].label.clone(),
            None => format!("SSRC {ssrc}"),
        }
    }

    fn row(&mut self, at: u64, kind: &'static str, text: String, detail: Option<String>) {
        let size = text.len() + detail.as_ref().map_or(0, String::len);
        if self.rows.len() >= MAX_ROWS || self.text + size > MAX_TEXT {
            self.rows_left_out += 1;
            return;
        }
        self.text += size;
        self.rows.push(Row { at: seconds(at), kind, text, detail });
    }

    fn finish(mut self) -> Digest {
        // Streams of one direction that look alike are told apart by their source.
        let mut alike: BTreeMap<(bool, String), usize> = BTreeMap::new();
        let key = |s: &StreamDigest| (s.direction == Direction::Sent, s.label.clone());
        for stream in &self.streams {
            *alike.entry(key(stream)).or_default() += 1;
        }
        for stream in &mut self.streams {
            if alike[&key(stream)] > 1 {
                stream.label = format!("{} (SSRC {})", stream.label, stream.ssrc);
            }
        }
        let bin_seconds = self.series.width();
        let mut plots: Vec<Plot> = Vec::new();
        for ((chart, line), sum, values) in self.series.finish() {
            let (title, unit) = chart.title();
            if plots.last().is_none_or(|plot| plot.chart != chart) {
                plots.push(Plot { chart, title, unit, lines: Vec::new() });
            }
            let both_ways = matches!(chart, Chart::Loss | Chart::Jitter | Chart::Frames);
            let label = match line {
                Line::Total => "all".to_owned(),
                Line::Named(name) => name.to_owned(),
                Line::Target(index) => format!("target of {}", self.streams[index].label),
                Line::Stream(index) => {
                    let stream = &self.streams[index];
                    match both_ways {
                        true => format!("{} {}", way(stream.direction), stream.label),
                        false => stream.label.clone(),
                    }
                }
            };
            let rate = matches!(chart, Chart::Sent | Chart::Received);
            let dashed = rate && sum == Sum::Mean;
            let plot = plots.last_mut().expect("one was just pushed");
            plot.lines.push(PlotLine { label, dashed, mean: sum == Sum::Mean, values });
        }
        // Of one stream the total says nothing.
        for plot in &mut plots {
            let sums = plot.lines.iter().filter(|line| !line.mean).count();
            if sums == 2 {
                plot.lines.retain(|line| line.label != "all");
            }
        }
        Digest {
            name: String::new(),
            started_ms: 0,
            seconds: seconds(self.end),
            events: self.events,
            unknown: 0,
            damaged: 0,
            truncated: false,
            rows_left_out: self.rows_left_out,
            bin_seconds,
            plots,
            states: self.states,
            streams: self.streams,
            path: self.path,
            handshake: self.handshake,
            rows: self.rows,
        }
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Sent => Direction::Received,
        Direction::Received => Direction::Sent,
    }
}

pub(super) fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Sent => "sent",
        Direction::Received => "received",
    }
}

fn whose(end: End) -> &'static str {
    match end {
        End::Local => "local",
        End::Remote => "remote",
    }
}

pub(super) fn name_of(of: StateOf) -> &'static str {
    match of {
        StateOf::Signaling => "signaling",
        StateOf::Gathering => "gathering",
        StateOf::Ice => "ICE",
        StateOf::Dtls => "DTLS",
        StateOf::Sctp => "SCTP",
        StateOf::Connection => "connection",
        _ => "other",
    }
}

/// `video VP8, mid 0, rid h`, with what is known. The peer chose most of it, at any length.
fn label(stream: &Stream<'_>) -> String {
    let mut label: Vec<String> = Vec::new();
    let what = format!("{} {}", stream.kind, stream.codec);
    if !what.trim().is_empty() {
        label.push(what.trim().to_owned());
    }
    if !stream.mid.is_empty() {
        label.push(format!("mid {}", stream.mid));
    }
    if !stream.rid.is_empty() {
        label.push(format!("rid {}", stream.rid));
    }
    if label.is_empty() {
        return format!("SSRC {}", stream.ssrc);
    }
    label.join(", ").chars().take(80).collect()
}

/// `1.25 Mbit/s`.
pub(super) fn bitrate(bps: u64) -> String {
    match bps {
        0..1000 => format!("{bps} bit/s"),
        1000..1_000_000 => format!("{:.0} kbit/s", bps as f64 / 1e3),
        _ => format!("{:.2} Mbit/s", bps as f64 / 1e6),
    }
}
