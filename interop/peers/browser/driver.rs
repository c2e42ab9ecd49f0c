//! Starts a browser through chromedriver or geckodriver and runs the page's exchange function.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use thirtyfour::common::capabilities::firefox::FirefoxPreferences;
use thirtyfour::{Capabilities, ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::Options;

/// How long the driver program may take to listen, and the browser to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long one script may run: a page that is busy with bulk data answers late.
const SCRIPT_LIMIT: Duration = Duration::from_secs(60);

/// How long a script may work on a page of somebody else's.
const VISIT_LIMIT: Duration = Duration::from_secs(120);

/// A running browser with one page.
pub(crate) struct Browser {
    session: Option<WebDriver>,
    program: Child,
}

impl Browser {
    /// Starts the driver program and through it the browser.
    ///
    /// # Errors
    /// When a program is missing or does not come up in time; the message says which.
    pub(crate) async fn start(options: &Options) -> Result<Self> {
        let port = free_port()?;
        let (program, capabilities) = match options.kind.as_str() {
            "firefox" => (
                std::env::var("PEERAGE_GECKODRIVER").unwrap_or_else(|_| "geckodriver".into()),
                firefox(options)?,
            ),
            _ => ("chromedriver".to_owned(), chromium(options)?),
        };
        let mut command = Command::new(&program);
        // chromedriver reads --port=N, geckodriver too.
        command.arg(format!("--port={port}"));
        let program = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start `{program}`; it comes with `cargo xtask interop`, or see interop/README.md"))?;
        let mut browser = Self { session: None, program };
        let deadline = tokio::time::Instant::now() + START_LIMIT;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if tokio::time::Instant::now() > deadline || browser.program.try_wait()?.is_some() {
                bail!("the WebDriver program of {} did not listen on port {port}", options.kind);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let session = tokio::time::timeout(
            START_LIMIT,
            WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities),
        )
        .await
        .with_context(|| {
            format!("{} did not start within {} s", options.kind, START_LIMIT.as_secs())
        })?
        .with_context(|| format!("{} did not start", options.kind))?;
        session.set_script_timeout(SCRIPT_LIMIT).await?;
        browser.session = Some(session);
        Ok(browser)
    }

    /// Loads the page; whatever the page before held is gone.
    pub(crate) async fn open(&self, url: &str) -> Result<()> {
        self.session()?.goto(url).await.with_context(|| format!("cannot load {url}"))
    }

    /// Hands commands to the page and returns what it has to say, after at most `hold` milliseconds.
    pub(crate) async fn exchange(&self, commands: Vec<Value>, hold: u64) -> Result<Vec<Value>> {
        const SCRIPT: &str = "const done = arguments[arguments.length - 1]; \
            window.interop.exchange(JSON.parse(arguments[0]), arguments[1]).then(done, (e) => done('[]'));";
        let commands = serde_json::to_string(&commands)?;
        let answer = self
            .session()?
            .execute_async(SCRIPT, vec![Value::from(commands), Value::from(hold)])
            .await
            .context("the page does not answer")?;
        let text = answer.json().as_str().context("the page's answer is no text")?;
        Ok(serde_json::from_str(text)?)
    }

    /// Loads a page of somebody else's, or stays on the one that there is, and runs a script on it; returns what the script handed
    /// over.
    pub(crate) async fn visit(&self, url: Option<&str>, script: &str) -> Result<Value> {
        if let Some(url) = url {
            self.open(url).await?;
        }
        let session = self.session()?;
        session.set_script_timeout(VISIT_LIMIT).await?;
        let told = session.execute_async(script, Vec::new()).await;
        session.set_script_timeout(SCRIPT_LIMIT).await?;
        let told = told.context("the script did not end")?;
        Ok(serde_json::from_str(told.json().as_str().context("the script told no text")?)?)
    }

    /// Closes the browser and its driver program.
    pub(crate) async fn quit(&mut self) {
        if let Some(session) = self.session.take() {
            let _ = tokio::time::timeout(Duration::from_secs(4), session.quit()).await;
        }
        let _ = self.program.start_kill();
        let _ = self.program.wait().await;
    }

    fn session(&self) -> Result<&WebDriver> {
        self.session.as_ref().context("the browser was closed")
    }
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn chromium(options: &Options) -> Result<Capabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    let mut arguments = vec![
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--disable-background-timer-throttling",
        "--disable-renderer-backgrounding",
        "--use-fake-device-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
    ];
    if !options.headed {
        arguments.push("--headless=new");
    }
    if options.mdns {
        arguments.push("--enable-features=WebRtcHideLocalIpsWithMdns");
    } else {
        // The permission for media, which this gives unasked, shows the addresses as well.
        arguments.push("--use-fake-ui-for-media-stream");
        arguments.push("--disable-features=WebRtcHideLocalIpsWithMdns");
    }
    if options.loopback {
        arguments.push("--allow-loopback-in-peer-connection");
    }
    if options.flexfec {
        arguments.push(
            "--force-fieldtrials=WebRTC-FlexFEC-03/Enabled/WebRTC-FlexFEC-03-Advertised/Enabled/",
        );
    }
    for argument in arguments {
        capabilities.add_arg(argument)?;
    }
    if let Some(binary) = find(&["chromium", "chromium-browser", "google-chrome"]) {
        capabilities.set_binary(&binary)?;
    }
    Ok(capabilities.into())
}

fn firefox(options: &Options) -> Result<Capabilities> {
    let mut preferences = FirefoxPreferences::new();
    for name in [
        "media.navigator.streams.fake",
        "media.navigator.permission.disabled",
        // The pages of the command line come from another address by plain HTTP.
        "media.devices.insecure.enabled",
        "media.getusermedia.insecure.enabled",
        "app.update.disabledForTesting",
    ] {
        preferences.set(name, true)?;
    }
    for name in [
        "network.captive-portal-service.enabled",
        "network.connectivity-service.enabled",
        "app.normandy.enabled",
        "browser.safebrowsing.update.enabled",
        "media.gmp-manager.updateEnabled",
        "datareporting.policy.dataSubmissionEnabled",
    ] {
        preferences.set(name, false)?;
    }
    preferences.set("media.autoplay.default", 0)?;
    preferences.set("media.peerconnection.ice.obfuscate_host_addresses", options.mdns)?;
    if options.loopback {
        preferences.set("media.peerconnection.ice.loopback", true)?;
    }
    if options.dtls12 {
        // 0x0303, DTLS 1.2 in TLS terms.
        preferences.set("media.peerconnection.dtls.version.max", 771)?;
    }
    let mut capabilities = DesiredCapabilities::firefox();
    capabilities.set_preferences(preferences)?;
    if !options.headed {
        capabilities.add_arg("-headless")?;
    }
    if let Some(binary) = find(&["firefox-esr", "firefox"]) {
        capabilities.set_firefox_binary(&binary)?;
    }
    Ok(capabilities.into())
}

fn find(names: &[&str]) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    names
        .iter()
        .find_map(|name| {
            std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
        })
        .map(|file| file.display().to_string())
}
