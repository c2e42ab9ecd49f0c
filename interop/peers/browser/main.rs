//! A browser as an interop peer: starts it through its WebDriver program, opens the page that implements the protocol
//! (served on a loopback address of the same network namespace, which browsers treat as a secure context), and passes commands
//! and events through.

mod driver;
mod page;

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

/// How long the page holds an exchange open when it has nothing to say. Commands wait for at most this long.
const HOLD_MS: u64 = 20;

/// A browser as an interop peer.
#[derive(Parser)]
pub(crate) struct Options {
    /// Which browser
    #[arg(long, value_parser = ["chromium", "firefox"])]
    kind: String,
    /// Let the browser hide its addresses behind mDNS names
    #[arg(long)]
    mdns: bool,
    /// Chromium only: offer and send FlexFEC
    #[arg(long)]
    flexfec: bool,
    /// Firefox only: offer nothing newer than DTLS 1.2
    #[arg(long)]
    dtls12: bool,
    /// Show the window
    #[arg(long)]
    headed: bool,
    /// Both ends are on this host's loopback interface
    #[arg(long)]
    loopback: bool,
    /// Where the page is served: Firefox gathers addresses of the IP version that the page came by
    #[arg(long, env = "PEERAGE_PAGE_IP", default_value = "127.0.0.1")]
    page_ip: IpAddr,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let url = page::serve(options.page_ip).await?;
    let mut browser = driver::Browser::start(&options).await?;
    let result = serve(&mut browser, &url).await;
    browser.quit().await;
    result
}

async fn serve(browser: &mut driver::Browser, url: &str) -> Result<()> {
    let (tx, mut commands) = mpsc::channel::<Value>(1024);
    tokio::spawn(async move {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            match serde_json::from_str(&line) {
                Ok(command) => {
                    if tx.send(command).await.is_err() {
                        return;
                    }
                }
                Err(error) => eprintln!("not a command: {error}: {line}"),
            }
        }
    });
    browser.open(url).await?;
    let mut stdout = tokio::io::stdout();
    let mut batch = Vec::new();
    // Between cells the page has nothing to say; then wait for the runner instead of asking the browser.
    let mut busy = false;
    loop {
        if !busy && batch.is_empty() {
            match commands.recv().await {
                Some(command) => batch.push(command),
                None => return Ok(()),
            }
        }
        loop {
            match commands.try_recv() {
                Ok(command) => batch.push(command),
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return Ok(()),
            }
        }
        if batch.iter().any(|command| command["cmd"] == "quit") {
            return Ok(());
        }
        if let Some(at) = batch.iter().position(|command| command["cmd"] == "reset") {
            let reset = batch.swap_remove(at);
            browser.open(url).await.context("the page did not load again")?;
            batch.clear();
            busy = false;
            say(&mut stdout, &json!({"id": reset["id"], "result": {}})).await?;
            continue;
        }
        if let Some(at) = batch.iter().position(|command| command["cmd"] == "visit") {
            let visit = batch.swap_remove(at);
            let [url, script] = ["url", "script"].map(|name| visit[name].as_str());
            let mut answer = match browser.visit(url, script.unwrap_or("")).await {
                Ok(told) => told,
                Err(error) => json!({"error": format!("{error:#}")}),
            };
            answer["id"] = visit["id"].clone();
            say(&mut stdout, &answer).await?;
            batch.clear();
            busy = false;
            continue;
        }
        busy |= batch.iter().any(|command| command["cmd"] == "create");
        let asked = !batch.is_empty();
        let messages = browser.exchange(std::mem::take(&mut batch), HOLD_MS).await?;
        if asked && !busy && messages.is_empty() {
            // An answer is still on its way.
            busy = true;
        }
        for message in &messages {
            say(&mut stdout, message).await?;
        }
        if messages.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

async fn say(stdout: &mut tokio::io::Stdout, message: &Value) -> Result<()> {
    stdout.write_all(format!("{message}\n").as_bytes()).await?;
    stdout.flush().await?;
    Ok(())
}
