//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, Parser, Subcommand};
use peerage::{Configuration, IceServer, IceTransportPolicy};

use crate::commands::turn::TurnArgs;
use crate::http::client::HttpUrl;
use crate::signal::Rendezvous;

/// A WebRTC peer for the command line: echo, check, serve a test page, send and receive files.
///
/// Signalling is one HTTP request (POST of an offer, answered by an answer, all candidates inside), or text to be
/// copied and pasted between two terminals.
#[derive(Parser)]
#[command(name = "peerage", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args, Clone)]
pub(crate) struct Common {
    /// Print one JSON object per event on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Report every message and every change of state
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,

    /// Seconds that each step may take: gathering candidates, an HTTP request, connecting, an echo
    #[arg(long, global = true, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub(crate) timeout: Duration,

    /// Bind this UDP address instead of one per network interface (repeatable); port 0 is any
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub(crate) udp: Vec<SocketAddr>,

    /// Use the loopback interface only: both peers are on this machine
    #[arg(long, global = true, conflicts_with = "udp")]
    pub(crate) loopback: bool,

    /// Ask this STUN server for the public address, for peers behind different NATs (repeatable)
    #[arg(long, global = true, value_name = "URL", help_heading = "Network")]
    pub(crate) stun: Vec<String>,

    /// Relay by this TURN server where nothing else connects (repeatable): turn:HOST, turn:HOST?transport=tcp, turns:HOST
    #[arg(long, global = true, value_name = "URL", help_heading = "Network")]
    pub(crate) turn: Vec<String>,

    /// The name and the password that the TURN servers want; PEERAGE_TURN_USER in the environment keeps it out of `ps`
    #[arg(long, global = true, value_name = "NAME:PASSWORD", help_heading = "Network", env = "PEERAGE_TURN_USER", hide_env_values = true, value_parser = turn_user)]
    pub(crate) turn_user: Option<TurnUser>,

    /// Let the peer learn of no address but the relay's
    #[arg(long, global = true, help_heading = "Network")]
    pub(crate) relay_only: bool,

    /// Write what happens on the connection into this file, for `peerage inspect` (the second connection's is FILE-2)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Observation")]
    pub(crate) log: Option<PathBuf>,

    /// Print what `getStats` tells of each connection at its end, as JSON with W3C's names
    #[arg(long, global = true, help_heading = "Observation")]
    pub(crate) stats: bool,

    /// Write RTP and RTCP in the clear into this file, for Wireshark or tshark (the second connection's is FILE-2)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Observation")]
    pub(crate) pcap: Option<PathBuf>,
}

/// With what a TURN server is asked.
#[derive(Clone)]
pub(crate) struct TurnUser {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// A password may have colons in it, a name that is given here may not.
fn turn_user(text: &str) -> Result<TurnUser, String> {
    match text.split_once(':') {
        Some((name, password)) if !name.is_empty() && !password.is_empty() => {
            Ok(TurnUser { name: name.to_owned(), password: password.to_owned() })
        }
        _ => Err("write NAME:PASSWORD".to_owned()),
    }
}

impl Common {
    /// The servers and the policy, as a connection's configuration takes them.
    pub(crate) fn ice(&self, configuration: &mut Configuration) -> anyhow::Result<()> {
        if self.relay_only && self.turn.is_empty() {
            bail!("--relay-only needs a TURN server: --turn turn:HOST --turn-user NAME:PASSWORD");
        }
        configuration.ice_servers.extend(self.stun.iter().map(IceServer::new));
        for url in &self.turn {
            let Some(user) = &self.turn_user else {
                bail!("--turn {url}: a TURN server wants --turn-user NAME:PASSWORD");
            };
            configuration.ice_servers.push(user.server(url));
        }
        if self.relay_only {
            configuration.ice_transport_policy = IceTransportPolicy::Relay;
        }
        Ok(())
    }
}

impl TurnUser {
    /// One TURN server, asked as this user.
    pub(crate) fn server(&self, url: &str) -> IceServer {
        let mut server = IceServer::new(url);
        server.username = Some(self.name.clone());
        server.credential = Some(self.password.clone());
        server
    }
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Answer offers over HTTP and send every message and all media back
    ///
    /// POST /offer takes {"type":"offer","sdp":"..."} and answers {"type":"answer","sdp":"..."}. Text comes back as
    /// text, binary as binary, on the channel it came on; sound and pictures come back as they were encoded. Runs until
    /// interrupted.
    Echo(ServeArgs),
    /// Like echo, with a page to open in a browser
    ///
    /// The page connects, shows the states, sends what is typed, measures round trips and throughput, and shows the
    /// camera as it comes back.
    Serve(ServeArgs),
    /// Call a browser, or another `peerage call`, with sound and pictures
    #[command(long_about = CALL)]
    Call(CallArgs),
    /// Check an echo endpoint: connect, send, compare what comes back
    ///
    /// Exits 0 if every message came back as it was sent, otherwise 1 with the reason.
    Connect(ConnectArgs),
    /// Send a file
    ///
    /// Without --http an offer is printed, to be pasted into `peerage receive`; then the answer is read from standard
    /// input. If the transfer breaks off, run both commands again: it resumes where it stopped.
    Send(SendArgs),
    /// Receive a file
    ///
    /// Without --http the offer is read from standard input and the answer is printed. An unfinished file is kept as
    /// NAME.part and resumed when the same file is sent again; a finished one has been compared by SHA-256.
    Receive(ReceiveArgs),
    /// Make a page of an event log, as --log writes it
    ///
    /// The page stands alone and opens in any browser: plots of bitrates, the estimate, loss, round trip, jitter, queues
    /// and frames, the states over time, the streams, the descriptions. A summary is printed.
    Inspect(InspectArgs),
    /// Tell what NAT this machine is behind, which transports get out, and who would connect with whom
    ///
    /// Asks the servers given by --stun and --turn. How a NAT maps and filters is told by a STUN server with two addresses
    /// (RFC 5780), such as coturn or `peerage turn`.
    ///
    /// With --turn-user each TURN server is asked for a relayed address too, not just whether it is there.
    Diagnose,
    /// Run a STUN and TURN server
    ///
    /// For peers that cannot reach each other. Without users and secrets it answers STUN alone. Peers that are not on the public
    /// Internet are closed unless --allow-peer opens them. Runs until interrupted.
    Turn(Box<TurnArgs>),
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// Where to listen for HTTP; port 0 is any
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) http: SocketAddr,

    /// Connections at once; further offers are answered with 503
    #[arg(long, value_name = "NUMBER", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_connections: u32,
}

/// The help of `peerage call`, which says what this build can do.
const CALL: &str = if cfg!(feature = "devices") {
    "Call a browser, or another `peerage call`, with sound and pictures

It serves a page: whoever opens it sees and hears what is sent, and sends camera and microphone. One call at a time."
} else if cfg!(feature = "call") {
    "Call a browser, or another `peerage call`, with sound and pictures

It serves a page: whoever opens it sees and hears what is sent, and sends camera and microphone. One call at a time.

Not built in: cameras, microphones, the screen, speakers and windows (build with `--features devices`). Test pictures, tones and files are there."
} else {
    "Call a browser, or another `peerage call`, with sound and pictures

Not built in: build with `--features call`, or `--features devices` for cameras, microphones, speakers and windows."
};

#[cfg_attr(not(feature = "call"), allow(dead_code, reason = "read where calls are built in"))]
#[derive(Args, Clone)]
pub(crate) struct CallArgs {
    /// Serve the page here (ADDRESS:PORT), or call the `peerage call` that serves there (http://HOST:PORT)
    #[arg(long, value_name = "ADDRESS:PORT|URL", default_value = "127.0.0.1:8080")]
    pub(crate) http: Rendezvous,

    /// What to show: `camera`, `screen`, `pattern` (numbered test pictures), `none`, or a media file; `auto` is the camera, or
    /// the test pictures where there is none
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    pub(crate) video: String,

    /// What to play to the other side: `microphone`, `tone`, `none`, or a media file; `auto` is the microphone, or the tone
    /// where there is none
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    pub(crate) audio: String,

    /// Show what comes in a window
    #[arg(long)]
    pub(crate) window: bool,

    /// Play what comes on the speaker
    #[arg(long)]
    pub(crate) speaker: bool,

    /// Record what comes into this file: .webm, .mkv, .ivf, .ogg, .wav or .y4m
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// End after so many seconds of one call
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,
}

#[derive(Args)]
pub(crate) struct ConnectArgs {
    /// The endpoint, such as http://127.0.0.1:8080 (a URL without path means /offer)
    pub(crate) url: HttpUrl,

    /// Send this text instead of the usual set of messages
    #[arg(long, value_name = "TEXT", conflicts_with = "size")]
    pub(crate) message: Option<String>,

    /// Send binary messages of this many bytes instead of the usual set
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(0..=16_777_216))]
    pub(crate) size: Option<u32>,

    /// Send the messages this many times
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
}

#[derive(Args)]
pub(crate) struct SendArgs {
    /// The file
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) meeting: Meeting,
}

#[derive(Args)]
pub(crate) struct ReceiveArgs {
    /// Where to put the file: a folder, or a name that does not exist yet
    #[arg(short, long, value_name = "PATH", default_value = ".")]
    pub(crate) output: PathBuf,

    /// Replace a file that is there already
    #[arg(long)]
    pub(crate) overwrite: bool,

    /// Refuse files larger than this many bytes
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_size: Option<u64>,

    #[command(flatten)]
    pub(crate) meeting: Meeting,
}

#[derive(Args)]
pub(crate) struct InspectArgs {
    /// The log
    pub(crate) log: PathBuf,

    /// Where to write the page [default: the log's name with .html]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Open the page in the browser
    #[arg(long)]
    pub(crate) open: bool,
}

#[derive(Args)]
pub(crate) struct Meeting {
    /// Listen here for the other side's offer (ADDRESS:PORT), or post the offer there (http://HOST:PORT)
    ///
    /// One side listens, the other posts; either may be the sender.
    #[arg(long, value_name = "ADDRESS:PORT|URL")]
    pub(crate) http: Option<Rendezvous>,

    /// Seconds to wait for the other side: for an offer over HTTP, or for pasted text
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds)]
    pub(crate) wait: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 1e6 => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a number of seconds above 0".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn seconds_are_positive() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for text in ["0", "-1", "x", "inf", "NaN"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
