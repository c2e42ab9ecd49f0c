//! The STUN and TURN server of the laboratory, in a namespace of its own on the internet: coturn, or `peerage turn`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::world::SERVER;
use crate::network::{command_in, sibling};
use crate::process::kill_tree;

/// Name and password of its only user.
pub(crate) const USER: &str = "peerage";
pub(crate) const PASSWORD: &str = "laboratory";

/// Which server it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Software {
    #[default]
    Coturn,
    Peerage,
}

impl Software {
    pub(crate) fn from_name(name: &str) -> Result<Self> {
        match name {
            "coturn" => Ok(Self::Coturn),
            "peerage" => Ok(Self::Peerage),
            _ => bail!("no server `{name}`; there are coturn, peerage"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Coturn => "coturn",
            Self::Peerage => "peerage-turn",
        }
    }

    /// Listens for UDP on port 3478 and for TCP on port 443 of the first addresses, for TLS on port 443 of the second ones.
    fn command(self, namespace: &str, [cert, key]: [&Path; 2], folder: &Path) -> Command {
        match self {
            Self::Coturn => {
                let mut command = command_in(namespace, Path::new("turnserver"));
                command
                    .arg("-n")
                    .args(SERVER.iter().flat_map(|ip| ["-L", ip]))
                    .args(["-p", "3478", "--tls-listening-port", "443"])
                    .args(["-a", "-u", &format!("{USER}:{PASSWORD}"), "-r", "laboratory", "-f"])
                    .arg("--cert")
                    .arg(cert)
                    .arg("--pkey")
                    .arg(key)
                    .arg("--userdb")
                    .arg(folder.join("turndb"))
                    .arg("--pidfile")
                    .arg(folder.join("turn.pid"))
                    .args(["--no-cli", "--log-file", "stdout", "--simple-log", "-v"]);
                command
            }
            Self::Peerage => {
                let mut command = command_in(namespace, &sibling("peerage"));
                command.args(["turn", "--realm", "laboratory", "--verbose"]);
                command.args(["--user", &format!("{USER}:{PASSWORD}")]);
                // Addresses of documents stand for the internet.
                command.args(["--allow-peer", "203.0.113.0/24", "--allow-peer", "2001:db8::/32"]);
                command.args(["--other-address", &format!("{}:3479", SERVER[1])]);
                command.args(["--other-address", &format!("[{}]:3479", SERVER[3])]);
                command.arg("--certificate").arg(cert).arg("--key").arg(key);
                for (first, second) in [(0, 1), (2, 3)] {
                    let at = |index: usize, port: u16| {
                        let ip: std::net::IpAddr = SERVER[index].parse().unwrap_or([0; 4].into());
                        std::net::SocketAddr::new(ip, port).to_string()
                    };
                    command.args(["--relay", SERVER[first]]);
                    command.args(["--listen", &at(first, 3478)]);
                    command.args(["--listen-tcp", &at(first, 443)]);
                    command.args(["--listen-tls", &at(second, 443)]);
                }
                command
            }
        }
    }
}

/// A running server, ended on drop.
pub(crate) struct Server(Child);

impl Server {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(software: Software, namespace: &str, folder: &Path) -> Result<Self> {
        let [cert, key] = [folder.join("server.pem"), folder.join("server.key")];
        if !cert.is_file() {
            certificate(&cert, &key).await?;
        }
        let name = software.name();
        let log = std::fs::File::create(folder.join("logs").join(format!("{name}.log")))?;
        let child = software
            .command(namespace, [&cert, &key], folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context(match software {
                Software::Coturn => {
                    "cannot start coturn; on Debian or Ubuntu run: sudo apt-get install -y coturn"
                }
                Software::Peerage => "cannot start `peerage turn`",
            })?;
        let mut server = Self(child);
        for _ in 0..100 {
            if let Some(status) = server.0.try_wait()? {
                bail!("{name} ended with {status}; its log is {name}.log");
            }
            // For TLS it listens last.
            let listening = command_in(namespace, Path::new("ss")).args(["-Hltn"]).output().await?;
            if String::from_utf8_lossy(&listening.stdout).contains(&format!("{}:443", SERVER[1])) {
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("{name} does not listen; its log is {name}.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = self.0.id() {
            kill_tree(pid);
        }
    }
}

/// What the peers are told of it, as W3C's `iceServers`.
pub(crate) fn ice_servers(ipv6: bool) -> Value {
    let host = |v4: usize, v6: usize| match ipv6 {
        true => format!("[{}]", SERVER[v6]),
        false => SERVER[v4].to_owned(),
    };
    let (host, tls) = (host(0, 2), host(1, 3));
    json!([
        {"urls": [format!("stun:{host}:3478")]},
        {
            "urls": [
                format!("turn:{host}:3478?transport=udp"),
                format!("turn:{host}:443?transport=tcp"),
                format!("turns:{tls}:443?transport=tcp"),
            ],
            "username": USER,
            "credential": PASSWORD,
        },
    ])
}

/// A certificate for the server's addresses, signed by itself.
async fn certificate(cert: &Path, key: &Path) -> Result<()> {
    let names = SERVER.map(|ip| format!("IP:{ip}")).join(",");
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-days", "30", "-subj", "/CN=laboratory", "-addext"])
        .arg(format!("subjectAltName={names}"))
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(cert)
        .output()
        .await
        .context("cannot run `openssl`")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
