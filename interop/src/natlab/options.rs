//! The command line of the laboratory. One file for two programs, as that of the grid.

/// Run peers in networks of NAT boxes and firewalls: who connects, by which path, how fast, and if not, why.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Options {
    /// Only these networks, by name (repeatable, or with commas)
    #[arg(short, long, value_delimiter = ',')]
    pub network: Vec<String>,
    /// Only these peers at the other end: peerage, chromium, firefox; libwebrtc and aiortc when named (repeatable, or with
    /// commas)
    #[arg(short, long, value_delimiter = ',')]
    pub peer: Vec<String>,
    /// Put the other peer where Peerage is, and Peerage at its end
    #[arg(long)]
    pub swap: bool,
    /// The STUN and TURN server: coturn, or peerage for `peerage turn`
    #[arg(long, value_name = "SERVER", default_value = "coturn")]
    pub server: String,
    /// Run a cell that did not pass so many times more
    #[arg(long, value_name = "TIMES", default_value_t = 0)]
    pub retry: u32,
    /// Where namespaces or nftables are not to be had, say so and pass
    #[arg(long)]
    pub optional: bool,
    /// Run `peerage diagnose` in each network, and see whether it recognises it
    #[arg(long)]
    pub diagnose: bool,
    /// List the networks and stop
    #[arg(short, long)]
    pub list: bool,
    /// Where logs and reports go (default: `natlab/` in cargo's target folder); what it held before is removed
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<std::path::PathBuf>,
}
