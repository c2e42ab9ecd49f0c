//! The STUN and TURN server of the laboratory: coturn, in a namespace of its own on the internet.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::world::SERVER;
use crate::network::command_in;
use crate::process::kill_tree;

/// Name and password of its only user.
pub(crate) const USER: &str = "peerage";
pub(crate) const PASSWORD: &str = "laboratory";

/// A running server, ended on drop.
pub(crate) struct Server(Child);

impl Server {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(namespace: &str, folder: &Path) -> Result<Self> {
        let [cert, key] = [folder.join("server.pem"), folder.join("server.key")];
        if !cert.is_file() {
            certificate(&cert, &key).await?;
        }
        let log = std::fs::File::create(folder.join("logs").join("coturn.log"))?;
        let child = command_in(namespace, Path::new("turnserver"))
            .arg("-n")
            .args(SERVER.iter().flat_map(|ip| ["-L", ip]))
            .args(["-p", "3478", "--tls-listening-port", "443"])
            .args(["-a", "-u", &format!("{USER}:{PASSWORD}"), "-r", "laboratory", "-f"])
            .arg("--cert")
            .arg(&cert)
            .arg("--pkey")
            .arg(&key)
            .arg("--userdb")
            .arg(folder.join("turndb"))
            .arg("--pidfile")
            .arg(folder.join("turn.pid"))
            .args(["--no-cli", "--log-file", "stdout", "--simple-log", "-v"])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context(
                "cannot start coturn; on Debian or Ubuntu run: sudo apt-get install -y coturn",
            )?;
        let mut server = Self(child);
        for _ in 0..100 {
            if let Some(status) = server.0.try_wait()? {
                bail!("coturn ended with {status}; its log is coturn.log");
            }
            // By TCP it listens last.
            let listening = command_in(namespace, Path::new("ss")).args(["-Hltn"]).output().await?;
            if String::from_utf8_lossy(&listening.stdout).contains(&format!("{}:443", SERVER[0])) {
                return Ok(server);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("coturn does not listen; its log is coturn.log")
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
    let host = if ipv6 { format!("[{}]", SERVER[2]) } else { SERVER[0].to_owned() };
    json!([
        {"urls": [format!("stun:{host}:3478")]},
        {
            "urls": [
                format!("turn:{host}:3478?transport=udp"),
                format!("turn:{host}:443?transport=tcp"),
                format!("turns:{host}:443?transport=tcp"),
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
