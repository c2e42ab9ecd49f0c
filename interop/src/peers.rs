//! The peers: how each is started, and why one cannot be.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::network::{Network, sibling};
use crate::scenario::Variant;

/// The interop folder of the source tree, where the Python peers lie.
fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A peer that the grid knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    Peerage,
    Chromium,
    Firefox,
    /// Firefox that offers nothing newer than DTLS 1.2.
    FirefoxDtls12,
    Libwebrtc,
    Aiortc,
}

/// Every peer with its name. `self` and `peerage` are the same program.
const NAMES: [(&str, Peer); 7] = [
    ("chromium", Peer::Chromium),
    ("firefox", Peer::Firefox),
    ("firefox-dtls12", Peer::FirefoxDtls12),
    ("libwebrtc", Peer::Libwebrtc),
    ("aiortc", Peer::Aiortc),
    ("self", Peer::Peerage),
    ("peerage", Peer::Peerage),
];

impl Peer {
    /// Finds a peer by its name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, peer)| *peer)
    }

    /// The names, for messages.
    pub(crate) fn names() -> Vec<&'static str> {
        NAMES.iter().map(|(name, _)| *name).collect()
    }

    /// Whether it is a browser, whose addresses are hidden by a launch option and not per connection.
    pub(crate) fn is_browser(self) -> bool {
        matches!(self, Peer::Chromium | Peer::Firefox | Peer::FirefoxDtls12)
    }

    /// Why it cannot be started here, with the line that installs it.
    pub(crate) fn missing(self) -> Option<String> {
        let need = |program: &str, install: &str| {
            which(program).is_none().then(|| format!("{program} not found; install: {install}"))
        };
        match self {
            Peer::Peerage => (!sibling("interop-peer-peerage").is_file())
                .then(|| "not built: cargo build --release -p peerage-interop --bins".to_owned()),
            Peer::Chromium => need(
                "chromedriver",
                "sudo apt-get install -y chromium chromium-driver",
            )
            .or_else(|| {
                ["chromium", "chromium-browser", "google-chrome"]
                    .iter()
                    .all(|name| which(name).is_none())
                    .then(|| {
                        "chromium not found; install: sudo apt-get install -y chromium".to_owned()
                    })
            }),
            Peer::Firefox | Peer::FirefoxDtls12 => {
                let driver =
                    std::env::var("PEERAGE_GECKODRIVER").unwrap_or_else(|_| "geckodriver".into());
                need(&driver, "cargo install geckodriver --locked").or_else(|| {
                    ["firefox-esr", "firefox"].iter().all(|name| which(name).is_none()).then(|| {
                        "firefox not found; install: sudo apt-get install -y firefox-esr".to_owned()
                    })
                })
            }
            Peer::Libwebrtc => python_missing("webrtc", "wrtc==0.1.0"),
            Peer::Aiortc => python_missing("aiortc", "aiortc"),
        }
    }

    /// The command that starts it at one end of a network.
    pub(crate) fn command(
        self,
        network: &Network,
        end: usize,
        variant: Variant,
        headed: bool,
    ) -> Command {
        let host = matches!(network, Network::Host);
        let mut command = match self {
            Peer::Peerage => network.command(end, &sibling("interop-peer-peerage")),
            Peer::Chromium | Peer::Firefox | Peer::FirefoxDtls12 => {
                let mut command = network.command(end, &sibling("interop-peer-browser"));
                command
                    .args(["--kind", if self == Peer::Chromium { "chromium" } else { "firefox" }]);
                for (wanted, flag) in [
                    (variant.mdns, "--mdns"),
                    (variant.flexfec, "--flexfec"),
                    (self == Peer::FirefoxDtls12, "--dtls12"),
                    (headed, "--headed"),
                    (host, "--loopback"),
                ] {
                    if wanted {
                        command.arg(flag);
                    }
                }
                command
            }
            Peer::Libwebrtc | Peer::Aiortc => {
                let mut command = network.command(end, &python());
                let name = if self == Peer::Aiortc { "aiortc" } else { "libwebrtc" };
                command.arg("-B").arg(folder().join("peers").join(name).join("peer.py"));
                command
            }
        };
        if host {
            command.env("WRTC_ALLOW_LOOPBACK", "1");
        }
        command
    }
}

/// The Python that has the Python peers' packages.
fn python() -> PathBuf {
    std::env::var_os("PEERAGE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from)
}

fn python_missing(module: &str, package: &str) -> Option<String> {
    let works = std::process::Command::new(python())
        .args([
            "-c",
            &format!("import importlib.util as u, sys; sys.exit(u.find_spec('{module}') is None)"),
        ])
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    (!works).then(|| format!("the Python module {module} was not found; install: python3 -m pip install {package} (and set PEERAGE_PYTHON)"))
}

/// Where a program is.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|file| file.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}
