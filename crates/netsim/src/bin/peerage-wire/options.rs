//! What the command line and the file ask for. Both name a link's parameters alike.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use peerage_netsim::{Jitter, LinkConfig, Loss, Management, Overhead, Queue, Rate};
use serde::Deserialize;

/// An emulated wire between two network namespaces: rate, delay, jitter, queue, loss, reordering, duplication, corruption
/// and ECN marking, per direction and over time. Prints one JSON line when it is up and one with its statistics at the
/// end (SIGINT, SIGTERM, --duration-s, or when a namespace goes away). On standard input it takes lines: `stats`, or a change
/// at once, such as {"both": {"rate_mbit": 1, "queue_ms": 300}}; each is answered by a line. Needs root.
#[derive(clap::Parser)]
#[command(version, about)]
pub(crate) struct Options {
    /// Namespace of the left end; without --left and --right two are made and removed at the end
    #[arg(long, requires = "right")]
    pub left: Option<String>,
    /// Namespace of the right end
    #[arg(long, requires = "left")]
    pub right: Option<String>,
    /// Name of the device in both namespaces
    #[arg(long, default_value = "wire0")]
    pub device: String,
    /// MTU of the devices
    #[arg(long, default_value_t = 1_500)]
    pub device_mtu: u16,
    /// Start from lan, wifi_lossy, cellular, satellite, dsl_up or dsl_down
    #[arg(long)]
    preset: Option<String>,
    /// Parameters of both directions
    #[command(flatten)]
    both: Parameters,
    /// Parameters of this direction alone, as KEY=VALUE,... with the names above: rate_mbit=1,delay_ms=50
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = parse_parameters)]
    left_to_right: Option<Parameters>,
    /// Parameters of the other direction
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = parse_parameters)]
    right_to_left: Option<Parameters>,
    /// YAML or JSON file with preset, both, left_to_right, right_to_left and timeline; the command line goes before it
    #[arg(long)]
    file: Option<PathBuf>,
    /// Seed of all random choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Stop after so many seconds
    #[arg(long)]
    pub duration_s: Option<f64>,
    /// Capture what the left end sends and receives
    #[arg(long)]
    pub pcap_left: Option<PathBuf>,
    /// Capture what the right end sends and receives
    #[arg(long)]
    pub pcap_right: Option<PathBuf>,
}

/// Parameters of one direction; what is absent stays as it was. Shares are from 0 to 1.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, clap::Args)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// Megabits per second; 0 is unlimited
    #[arg(long)]
    rate_mbit: Option<f64>,
    /// One-way delay
    #[arg(long)]
    delay_ms: Option<f64>,
    /// Jitter
    #[arg(long)]
    jitter_ms: Option<f64>,
    /// Its shape: uniform, normal or long_tail
    #[arg(long)]
    jitter_shape: Option<String>,
    /// Whether jitter reorders packets
    #[arg(long)]
    jitter_reorders: Option<bool>,
    /// Share of packets lost
    #[arg(long)]
    loss: Option<f64>,
    /// Mean length of a burst of loss, in packets; 1 is independent loss
    #[arg(long)]
    burst: Option<f64>,
    /// Room in the queue as time at the link's rate
    #[arg(long)]
    queue_ms: Option<f64>,
    /// Room in the queue in packets
    #[arg(long)]
    queue_packets: Option<usize>,
    /// Queue management: drop_tail, codel, codel_ecn or mark (above mark_above_ms)
    #[arg(long)]
    aqm: Option<String>,
    /// Wait above which `mark` marks; 1 if not given
    #[arg(long)]
    mark_above_ms: Option<f64>,
    /// Share of packets held back
    #[arg(long)]
    reorder: Option<f64>,
    /// For how long; 10 if not given
    #[arg(long)]
    reorder_ms: Option<f64>,
    /// Share of packets that arrive twice
    #[arg(long)]
    duplicate: Option<f64>,
    /// Share of packets with flipped bits, behind their first 40 bytes
    #[arg(long)]
    corrupt: Option<f64>,
    /// Share of ECN-capable packets marked
    #[arg(long)]
    mark: Option<f64>,
    /// Whether the ECN field is cleared
    #[arg(long)]
    bleach_ecn: Option<bool>,
    /// Largest IP packet that passes; larger ones vanish
    #[arg(long)]
    mtu: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    preset: Option<String>,
    both: Option<Parameters>,
    left_to_right: Option<Parameters>,
    right_to_left: Option<Parameters>,
    timeline: Vec<Entry>,
}

/// A change at a time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Since the start; at once if it comes on standard input.
    #[serde(default)]
    at_ms: u64,
    both: Option<Parameters>,
    left_to_right: Option<Parameters>,
    right_to_left: Option<Parameters>,
    /// What the link as a whole does from now on.
    pub link: Option<LinkState>,
}

/// What a link as a whole does.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LinkState {
    Up,
    Down,
    Paused,
    Resumed,
}

/// The link to be run.
#[derive(Debug)]
pub(crate) struct Link {
    pub left_to_right: LinkConfig,
    pub right_to_left: LinkConfig,
    pub timeline: Vec<Entry>,
}

impl Options {
    /// The link that all options together describe.
    pub(crate) fn link(&self) -> Result<Link> {
        let file: File = match &self.file {
            None => File::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                serde_yaml::from_str(&text).with_context(|| format!("{}", path.display()))?
            }
        };
        let base = match self.preset.as_deref().or(file.preset.as_deref()) {
            None => LinkConfig::new(),
            Some(name) => preset(name)?,
        }
        // The packets that the devices hand over begin with their IP headers.
        .overhead(Overhead::Bytes(0));
        let direction = |from_file: &Option<Parameters>, from_line: &Option<Parameters>| {
            let mut config = base.clone();
            let layers = [&file.both, from_file, &Some(self.both.clone()), from_line];
            for parameters in layers.into_iter().flatten() {
                parameters.apply(&mut config)?;
            }
            anyhow::Ok(config)
        };
        let left_to_right = direction(&file.left_to_right, &self.left_to_right)?;
        let right_to_left = direction(&file.right_to_left, &self.right_to_left)?;
        for entry in &file.timeline {
            for (_, parameters) in entry.parameters() {
                parameters
                    .apply(&mut base.clone())
                    .with_context(|| format!("timeline at {} ms", entry.at_ms))?;
            }
        }
        Ok(Link { left_to_right, right_to_left, timeline: file.timeline })
    }
}

impl Entry {
    pub(crate) fn at(&self) -> Duration {
        Duration::from_millis(self.at_ms)
    }

    /// What changes in which direction.
    pub(crate) fn parameters(
        &self,
    ) -> impl Iterator<Item = (peerage_netsim::Direction, &Parameters)> {
        use peerage_netsim::Direction::{Backward, Both, Forward};
        [(Both, &self.both), (Forward, &self.left_to_right), (Backward, &self.right_to_left)]
            .into_iter()
            .filter_map(|(direction, parameters)| Some((direction, parameters.as_ref()?)))
    }
}

impl Parameters {
    /// Changes what is given.
    pub(crate) fn apply(&self, config: &mut LinkConfig) -> Result<()> {
        if let Some(rate) = self.rate_mbit {
            ensure!(rate >= 0.0, "rate_mbit is {rate}, but must not be negative");
            config.rate = (rate > 0.0).then(|| Rate::bits_per_second((rate * 1e6) as u64));
        }
        if let Some(delay) = self.delay_ms {
            config.delay = duration("delay_ms", delay)?;
        }
        if let Some(amount) = self.jitter_ms {
            config.jitter.amount = duration("jitter_ms", amount)?;
        }
        if let Some(shape) = &self.jitter_shape {
            let amount = config.jitter.amount;
            let reordering = config.jitter.reordering;
            config.jitter = match shape.as_str() {
                "uniform" => Jitter::uniform(amount),
                "normal" => Jitter::normal(amount),
                "long_tail" => Jitter::long_tail(amount),
                other => {
                    bail!("jitter_shape is {other:?}, but must be uniform, normal or long_tail")
                }
            };
            config.jitter.reordering = reordering;
        }
        if let Some(reorders) = self.jitter_reorders {
            config.jitter.reordering = reorders;
        }
        if let Some(loss) = self.loss {
            let loss = share("loss", loss)?;
            config.loss = match self.burst {
                Some(burst) if burst > 1.0 => Loss::bursty(loss, burst),
                _ => Loss::Random(loss),
            };
        }
        self.apply_queue(config)?;
        if let Some(probability) = self.reorder {
            config.reorder.probability = share("reorder", probability)?;
            config.reorder.extra = duration("reorder_ms", self.reorder_ms.unwrap_or(10.0))?;
        }
        if let Some(probability) = self.duplicate {
            config.duplicate = share("duplicate", probability)?;
        }
        if let Some(probability) = self.corrupt {
            config.corrupt.probability = share("corrupt", probability)?;
            config.corrupt.max_bits = 3;
            // The IP header stays whole: a broken address would send the packet astray, which is not a bit error.
            config.corrupt.skip = 40;
        }
        if let Some(probability) = self.mark {
            config.mark = share("mark", probability)?;
        }
        if let Some(bleach) = self.bleach_ecn {
            config.bleach_ecn = bleach;
        }
        if let Some(mtu) = self.mtu {
            config.mtu = Some(mtu);
        }
        Ok(())
    }

    fn apply_queue(&self, config: &mut LinkConfig) -> Result<()> {
        let management = config.queue.management;
        if let Some(packets) = self.queue_packets {
            config.queue = Queue::packets(packets).management(management);
        }
        if let Some(time) = self.queue_ms {
            let Some(rate) = config.rate else {
                bail!("queue_ms needs rate_mbit: without a rate there is no queue");
            };
            let bits = rate.as_bits_per_second() as f64 * duration("queue_ms", time)?.as_secs_f64();
            // A packet at least, or a slow link would let nothing wait.
            config.queue = Queue::bytes((bits / 8.0).max(1_500.0) as usize).management(management);
        }
        if let Some(aqm) = &self.aqm {
            config.queue.management = match aqm.as_str() {
                "drop_tail" => Management::DropTail,
                "codel" => Queue::codel(false).management,
                "codel_ecn" => Queue::codel(true).management,
                "mark" => Management::MarkAbove(duration(
                    "mark_above_ms",
                    self.mark_above_ms.unwrap_or(1.0),
                )?),
                other => bail!("aqm is {other:?}, but must be drop_tail, codel, codel_ecn or mark"),
            };
        }
        Ok(())
    }
}

fn preset(name: &str) -> Result<LinkConfig> {
    Ok(match name {
        "lan" => LinkConfig::lan(),
        "wifi_lossy" => LinkConfig::wifi_lossy(),
        "cellular" => LinkConfig::cellular(),
        "satellite" => LinkConfig::satellite(),
        "dsl_up" => LinkConfig::dsl_up(),
        "dsl_down" => LinkConfig::dsl_down(),
        other => bail!(
            "no preset is called {other:?}: lan, wifi_lossy, cellular, satellite, dsl_up, dsl_down"
        ),
    })
}

/// `KEY=VALUE,...` is a mapping of YAML but for its signs.
fn parse_parameters(text: &str) -> Result<Parameters, String> {
    let yaml = format!("{{{}}}", text.replace('=', ": ").replace(',', ", "));
    serde_yaml::from_str(&yaml).map_err(|error| error.to_string())
}

fn share(name: &str, value: f64) -> Result<f64> {
    ensure!((0.0..=1.0).contains(&value), "{name} is {value}, but must be a share from 0 to 1");
    Ok(value)
}

fn duration(name: &str, ms: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(ms / 1e3)
        .with_context(|| format!("{name} is {ms}, which is not a time"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn link(arguments: &[&str]) -> Result<Link> {
        Options::try_parse_from([&["peerage-wire"], arguments].concat())?.link()
    }

    #[test]
    fn directions_differ_where_asked() {
        let link = link(&[
            "--rate-mbit=20",
            "--delay-ms=25.5",
            "--queue-ms=100",
            "--left-to-right=loss=0.1,rate_mbit=1",
        ])
        .unwrap();
        assert_eq!(link.left_to_right.rate, Some(Rate::mbit(1)));
        assert_eq!(link.left_to_right.loss, Loss::Random(0.1));
        assert_eq!(link.right_to_left.rate, Some(Rate::mbit(20)));
        assert_eq!(link.right_to_left.loss, Loss::None);
        assert_eq!(link.right_to_left.queue.max_bytes, 250_000);
        assert_eq!(link.left_to_right.delay, Duration::from_micros(25_500));
    }

    #[test]
    fn mistakes_are_named() {
        for (arguments, named) in [
            (&["--loss=2"][..], "loss is 2"),
            (&["--delay-ms=-1"], "delay_ms is -1"),
            (&["--aqm=red"], "aqm is \"red\""),
            (&["--queue-ms=5"], "queue_ms needs rate_mbit"),
            (&["--left-to-right=los=1"], "unknown field `los`"),
            (&["--preset=isdn"], "\"isdn\""),
        ] {
            let error = format!("{:#}", link(arguments).unwrap_err());
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_file_has_a_timeline() {
        let file: File = serde_yaml::from_str(
            "preset: lan\nboth: {delay_ms: 5}\ntimeline:\n- at_ms: 100\n  left_to_right: {loss: 1}\n- {at_ms: 200, link: down}\n",
        )
        .unwrap();
        assert_eq!(file.timeline.len(), 2);
        assert_eq!(file.timeline[0].parameters().count(), 1);
        assert_eq!(file.timeline[1].link, Some(LinkState::Down));
        assert!(serde_yaml::from_str::<File>("timeline: [{at: 5}]").is_err());
    }
}
