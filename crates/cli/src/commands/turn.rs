//! `peerage turn`: a STUN and TURN server, by flags and a file.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use peerage_turn::driver::{Identity, Options, TurnServer};
use peerage_turn::{BehaviourDiscovery, Config, PeerRules, RelayAddress};
use serde::Deserialize;

use crate::options::Common;
use crate::report::{Event, Report};

#[derive(Args)]
pub(crate) struct TurnArgs {
    /// Read settings from this YAML file: the flags' names with their values; flags win, lists are joined
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,
}

/// What both the flags and the file say.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// Listen for UDP here (repeatable) [default: 0.0.0.0:3478]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<SocketAddr>,

    /// Listen for TCP here (repeatable)
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen_tcp: Vec<SocketAddr>,

    /// Listen for TLS here, with --certificate and --key (repeatable)
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen_tls: Vec<SocketAddr>,

    /// Listen for DTLS here, with --certificate and --key (repeatable)
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen_dtls: Vec<SocketAddr>,

    /// The certificate for TLS and DTLS, and those that lead to it, PEM
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,

    /// Its private key, PEM
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Relay from this address, one of each family [default: the addresses listened on]; ADDRESS=PUBLIC behind a NAT that maps
    /// ports one to one
    #[arg(long, value_name = "ADDRESS")]
    relay: Vec<String>,

    /// Ports of relayed addresses [default: 49152-65535]
    #[arg(long, value_name = "FIRST-LAST")]
    ports: Option<String>,

    /// The realm of the users' names [default: peerage]
    #[arg(long)]
    realm: Option<String>,

    /// A user who may allocate (repeatable). Other users of this machine see flags: prefer the file
    #[arg(long, value_name = "NAME:PASSWORD")]
    user: Vec<String>,

    /// A secret for time-limited credentials, as `turn-rest` services hand them out (repeatable, while it is replaced)
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,

    /// Open these peers, which may be closed by themselves: loopback, private, link-local, metadata (repeatable)
    #[arg(long, value_name = "RANGE")]
    allow_peer: Vec<String>,

    /// Close these peers (repeatable); the longest range of both lists decides
    #[arg(long, value_name = "RANGE")]
    deny_peer: Vec<String>,

    /// Allocations of one user [default: 1000]
    #[arg(long, value_name = "NUMBER")]
    user_quota: Option<usize>,

    /// Allocations in all [default: 10000]
    #[arg(long, value_name = "NUMBER")]
    total_quota: Option<usize>,

    /// Payload of one allocation, each way, in bytes per second
    #[arg(long, value_name = "BYTES")]
    bandwidth: Option<u64>,

    /// Payload that one worker relays, in bytes per second
    #[arg(long, value_name = "BYTES")]
    total_bandwidth: Option<u64>,

    /// The longest lifetime of an allocation, in seconds [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    max_lifetime: Option<u64>,

    /// How long a nonce is good, in seconds [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    nonce_lifetime: Option<u64>,

    /// Answers a second to those without credentials, for each network of theirs; 0 is no bound [default: 500]
    #[arg(long, value_name = "NUMBER")]
    unauthenticated_rate: Option<u32>,

    /// Another address and port of this machine, for clients that study their NAT (RFC 5780), one of each family; the first
    /// is the first --listen
    #[arg(long, value_name = "ADDRESS:PORT")]
    other_address: Vec<SocketAddr>,

    /// Relay UDP only, not TCP (RFC 6062)
    #[arg(long)]
    no_tcp_relay: bool,

    /// Say `peerage` in answers to users
    #[arg(long)]
    software: bool,

    /// Threads [default: one for each processor]
    #[arg(long, value_name = "NUMBER")]
    workers: Option<NonZeroUsize>,

    /// Serve metrics for Prometheus here, to whoever asks
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,

    /// When interrupted, wait so many seconds for allocations to end [default: 0]
    #[arg(long, value_name = "SECONDS")]
    drain: Option<u64>,
}

pub(crate) async fn run(options: &Common, args: &TurnArgs, report: &Report) -> Result<()> {
    let mut settings = args.settings.clone();
    if let Some(path) = &args.config {
        settings = settings.over(read(path)?);
    }
    let patience = Duration::from_secs(settings.drain.unwrap_or(0));
    let mut options_of_server = settings.options()?;
    if options.verbose || options.json {
        let report = *report;
        options_of_server.observer = Some(Arc::new(move |event| tell(report, event)));
    }
    let stun_only = !options_of_server.config.relays_for_anyone();
    let server = TurnServer::start(options_of_server)?;
    for address in server.udp_addresses() {
        report.event(&Event::Listening { url: format!("turn:{address}?transport=udp") });
    }
    for address in server.tcp_addresses() {
        report.event(&Event::Listening { url: format!("turn:{address}?transport=tcp") });
    }
    for address in server.tls_addresses() {
        report.event(&Event::Listening { url: format!("turns:{address}?transport=tcp") });
    }
    for address in server.dtls_addresses() {
        report.event(&Event::Listening { url: format!("turns:{address}?transport=udp") });
    }
    if let Some(address) = server.metrics_address() {
        report.event(&Event::Listening { url: format!("http://{address}/metrics") });
    }
    if stun_only {
        report.hint("no --user and no --secret: STUN only, nobody can allocate");
    }
    interrupted().await?;
    if server.allocations() > 0 && !patience.is_zero() {
        report.hint("waiting for allocations to end; interrupt again to end them");
        server.drain();
        let until = tokio::time::Instant::now() + patience;
        let mut again = std::pin::pin!(interrupted());
        while server.allocations() > 0 && tokio::time::Instant::now() < until {
            tokio::select! {
                _ = &mut again => break,
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
    }
    // Its threads are waited for.
    tokio::task::spawn_blocking(move || drop(server)).await?;
    Ok(())
}

/// Ctrl-C, or what service managers send.
async fn interrupted() -> Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result?,
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await?;
    Ok(())
}

fn tell(report: Report, event: &peerage_turn::Event) {
    use peerage_turn::Event as Turn;
    match event {
        Turn::Allocated { tuple, username, relayed } => report.event(&Event::Allocated {
            client: tuple.client.to_string(),
            username,
            relayed: relayed.to_string(),
        }),
        Turn::Freed { tuple, username, ended, sent, received } => report.event(&Event::Freed {
            client: tuple.client.to_string(),
            username,
            reason: format!("{ended:?}").to_lowercase(),
            sent: *sent,
            received: *received,
        }),
        _ => {}
    }
}

fn read(path: &Path) -> Result<Settings> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_yaml::from_str(&text).with_context(|| {
        format!(
            "{} is not a file of settings: write the long flags' names, as `realm: example.org`",
            path.display()
        )
    })
}

impl Settings {
    /// These, where they are set, over those of a file.
    fn over(self, file: Self) -> Self {
        fn join<T>(mut a: Vec<T>, b: Vec<T>) -> Vec<T> {
            a.extend(b);
            a
        }
        Self {
            listen: self.listen.into_iter().chain(file.listen).collect(),
            listen_tcp: self.listen_tcp.into_iter().chain(file.listen_tcp).collect(),
            listen_tls: self.listen_tls.into_iter().chain(file.listen_tls).collect(),
            listen_dtls: self.listen_dtls.into_iter().chain(file.listen_dtls).collect(),
            certificate: self.certificate.or(file.certificate),
            key: self.key.or(file.key),
            relay: join(self.relay, file.relay),
            ports: self.ports.or(file.ports),
            realm: self.realm.or(file.realm),
            user: join(self.user, file.user),
            secret: join(self.secret, file.secret),
            allow_peer: join(self.allow_peer, file.allow_peer),
            deny_peer: join(self.deny_peer, file.deny_peer),
            user_quota: self.user_quota.or(file.user_quota),
            total_quota: self.total_quota.or(file.total_quota),
            bandwidth: self.bandwidth.or(file.bandwidth),
            total_bandwidth: self.total_bandwidth.or(file.total_bandwidth),
            max_lifetime: self.max_lifetime.or(file.max_lifetime),
            nonce_lifetime: self.nonce_lifetime.or(file.nonce_lifetime),
            unauthenticated_rate: self.unauthenticated_rate.or(file.unauthenticated_rate),
            other_address: join(self.other_address, file.other_address),
            no_tcp_relay: self.no_tcp_relay || file.no_tcp_relay,
            software: self.software || file.software,
            workers: self.workers.or(file.workers),
            metrics: self.metrics.or(file.metrics),
            drain: self.drain.or(file.drain),
        }
    }

    fn options(&self) -> Result<Options> {
        let mut listen = self.listen.clone();
        let others = [&self.listen_tcp, &self.listen_tls, &self.listen_dtls];
        if listen.is_empty() && others.iter().all(|list| list.is_empty()) {
            listen.push(SocketAddr::from(([0, 0, 0, 0], 3478)));
        }
        let mut config = Config {
            software: self.software.then(|| concat!("peerage ", env!("CARGO_PKG_VERSION")).into()),
            secrets: self.secret.clone(),
            tcp_relay: !self.no_tcp_relay,
            peers: PeerRules { allow: ranges(&self.allow_peer)?, deny: ranges(&self.deny_peer)? },
            bandwidth: self.bandwidth,
            total_bandwidth: self.total_bandwidth,
            ..Config::default()
        };
        for user in &self.user {
            match user.split_once(':') {
                Some((name, password)) => config.users.push((name.into(), password.into())),
                None => bail!("user `{user}` has no password: write NAME:PASSWORD"),
            }
        }
        for relay in &self.relay {
            config.relays.push(relay_address(relay)?);
        }
        if self.relay.is_empty() && config.relays_for_anyone() {
            let all = listen.iter().chain(others.into_iter().flatten());
            for ip in all.map(SocketAddr::ip).filter(|ip| !ip.is_unspecified()) {
                if !config.relays.iter().any(|relay| relay.bind.is_ipv4() == ip.is_ipv4()) {
                    config.relays.push(ip.into());
                }
            }
            if config.relays.is_empty() {
                bail!(
                    "which address of this machine shall peers see? Name it with --relay ADDRESS, or --listen on one address"
                );
            }
        }
        if let Some(ports) = &self.ports {
            config.ports = port_range(ports)?;
        }
        let set = |place: &mut usize, value: Option<usize>| *place = value.unwrap_or(*place);
        set(&mut config.user_quota, self.user_quota);
        set(&mut config.total_quota, self.total_quota);
        if let Some(realm) = &self.realm {
            config.realm.clone_from(realm);
        }
        if let Some(seconds) = self.max_lifetime {
            config.max_lifetime = Duration::from_secs(seconds);
            config.default_lifetime = config.default_lifetime.min(config.max_lifetime);
        }
        if let Some(seconds) = self.nonce_lifetime {
            config.nonce_lifetime = Duration::from_secs(seconds);
        }
        if let Some(rate) = self.unauthenticated_rate {
            config.unauthenticated_rate = rate;
        }
        for &alternate in &self.other_address {
            let of_family = |address: &&SocketAddr| address.is_ipv4() == alternate.is_ipv4();
            let Some(primary) = listen.iter().find(of_family).copied() else {
                bail!(
                    "--other-address {alternate} needs a --listen on an address of its family: it is for UDP"
                );
            };
            if primary.ip().is_unspecified() {
                bail!("--other-address needs a first --listen on one address, not {primary}");
            }
            config.behaviour.push(BehaviourDiscovery { primary, alternate });
            for ip in [primary.ip(), alternate.ip()] {
                for port in [primary.port(), alternate.port()] {
                    let address = SocketAddr::new(ip, port);
                    if !listen.contains(&address) {
                        listen.push(address);
                    }
                }
            }
        }
        let mut options = Options::new(config);
        options.udp = listen;
        options.tcp.clone_from(&self.listen_tcp);
        options.tls.clone_from(&self.listen_tls);
        options.dtls.clone_from(&self.listen_dtls);
        options.identity = match (&self.certificate, &self.key) {
            (Some(chain), Some(key)) => Some(Identity { chain: chain.clone(), key: key.clone() }),
            (None, None) if self.listen_tls.is_empty() && self.listen_dtls.is_empty() => None,
            _ => bail!("TLS and DTLS need both --certificate FILE and --key FILE"),
        };
        options.workers = self.workers;
        options.metrics = self.metrics;
        Ok(options)
    }
}

fn ranges(texts: &[String]) -> Result<Vec<peerage_turn::Cidr>> {
    texts.iter().map(|text| Ok(text.parse()?)).collect()
}

fn relay_address(text: &str) -> Result<RelayAddress> {
    let parse = |text: &str| {
        text.parse::<IpAddr>()
            .with_context(|| format!("relay address `{text}` is not an IP address"))
    };
    Ok(match text.split_once('=') {
        Some((bind, advertised)) => {
            RelayAddress { bind: parse(bind)?, advertised: parse(advertised)? }
        }
        None => parse(text)?.into(),
    })
}

fn port_range(text: &str) -> Result<std::ops::RangeInclusive<u16>> {
    let range = text
        .split_once('-')
        .and_then(|(first, last)| Some(first.trim().parse().ok()?..=last.trim().parse().ok()?));
    range.with_context(|| format!("ports `{text}` are not FIRST-LAST, such as 49152-65535"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_lists_are_joined() {
        let file: Settings = serde_yaml::from_str(
            "listen: [127.0.0.1:3478]\nrealm: example.org\nuser: ['a:1']\nallow-peer: [127.0.0.0/8]\nuser-quota: 3\n",
        )
        .unwrap();
        let flags = Settings {
            realm: Some("other.example".into()),
            user: vec!["b:2:3".into()],
            ..Settings::default()
        };
        let options = flags.over(file).options().unwrap();
        let config = options.config;
        assert_eq!(config.realm, "other.example");
        assert_eq!(config.users, [("b".into(), "2:3".into()), ("a".into(), "1".into())]);
        assert_eq!(config.user_quota, 3);
        assert_eq!(config.relays, [IpAddr::from([127, 0, 0, 1]).into()]);
        assert_eq!(options.udp, ["127.0.0.1:3478".parse().unwrap()]);
        config.check().unwrap();
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |settings: Settings| format!("{:#}", settings.options().unwrap_err());
        let users = |user: &str| Settings { user: vec![user.into()], ..Settings::default() };
        assert!(error(users("alice")).contains("NAME:PASSWORD"));
        assert!(error(users("alice:x")).contains("--relay"));
        assert!(error(Settings { ports: Some("5".into()), ..Settings::default() }).contains("`5`"));
        let closed = Settings { deny_peer: vec!["10/8".into()], ..Settings::default() };
        assert!(error(closed).contains("`10/8`"));
        let unknown = serde_yaml::from_str::<Settings>("relm: x").unwrap_err().to_string();
        assert!(unknown.contains("relm"), "{unknown}");
    }
}
