//! A: a person opens the page of `peerage serve` in a browser.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::pair::Pair;

/// What is done on the page.
const SCRIPT: &str = include_str!("../../pages/drive-serve.js");

/// Starts the command in the subject's place and works its page in the peer's browser.
pub(super) async fn serve(pair: &mut Pair) -> Result<()> {
    let (mut command, address) =
        pair.command_line.take().context("the command line is not there")?;
    let mut program = command
        .args(["serve", "--json", "--http", &format!("{address}:0")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start `peerage serve`")?;
    let stdout = program.stdout.take().context("`peerage serve` has no standard output")?;
    let mut lines = BufReader::new(stdout).lines();
    let url = loop {
        let line = tokio::time::timeout(Duration::from_secs(10), lines.next_line())
            .await
            .context("`peerage serve` did not say where it listens within 10 s")??
            .context("`peerage serve` ended before it listened")?;
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(url) = event["url"].as_str() {
            break url.to_owned();
        }
    };
    // Nobody reads the rest, but the pipe must not fill.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let shown = pair
        .peer
        .call_within("visit", json!({"url": url, "script": SCRIPT}), Duration::from_secs(170))
        .await;
    program.start_kill().ok();
    let _ = program.wait().await;
    let shown = shown?;
    for name in ["trip", "rate", "picture"] {
        pair.note(name, shown[name].clone());
    }
    Ok(())
}
