//! The command line of the interop run. One file for two programs: `cargo xtask interop` compiles it too, so that its
//! `--help` is the runner's own.

/// Run the interop grid against browsers and other WebRTC stacks.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Only these peers: chromium, firefox, libwebrtc, aiortc, self (repeatable, or with commas)
    #[arg(short, long, value_delimiter = ',')]
    pub peer: Vec<String>,
    /// Only these cases, by letter or name: H, bulk, ... (repeatable, or with commas)
    #[arg(short, long, value_delimiter = ',')]
    pub case: Vec<String>,
    /// Only this role of the subject: offerer or answerer
    #[arg(short, long, value_parser = ["offerer", "answerer"])]
    pub role: Option<String>,
    /// Only with candidates trickled (`on`) or complete in the SDP (`off`)
    #[arg(long, value_parser = ["on", "off"])]
    pub trickle: Option<String>,
    /// Which end is examined: peerage, or any peer (to try the harness itself, say Chromium with Firefox)
    #[arg(long)]
    pub subject: Option<String>,
    /// Run each cell this many times
    #[arg(long, default_value_t = 1)]
    pub repeat: u32,
    /// Run a cell that failed so many times more; the report keeps why it failed before
    #[arg(long, default_value_t = 0)]
    pub retry: u32,
    /// Cells run side by side (bulk and throughput cells always run alone)
    #[arg(short, long)]
    pub jobs: Option<usize>,
    /// A selection that fits a short CI run: less bulk data, one form of signalling where both are slow
    #[arg(long)]
    pub quick: bool,
    /// Show the browsers' windows
    #[arg(long)]
    pub headed: bool,
    /// Keep a capture of each cell
    #[arg(long)]
    pub keep_pcap: bool,
    /// Keep a recording of each cell that passes in a folder of its own below this one: the packets, encrypted and
    /// decrypted, the session keys, offer and answer
    #[arg(long, value_name = "FOLDER")]
    pub record: Option<std::path::PathBuf>,
    /// List the cells and stop
    #[arg(short, long)]
    pub list: bool,
    /// Where logs and reports go (default: `interop/` in cargo's target folder); what it held before is removed
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<std::path::PathBuf>,
}
