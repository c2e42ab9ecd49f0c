//! What a run of the laboratory leaves behind: lines and a table in the terminal, `report.html`, `report.json`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use super::cell::Outcome;
use super::plan::Route;

/// One line about one cell.
pub(crate) fn line(outcome: &Outcome) -> String {
    let word = if outcome.pass { "pass" } else { "FAIL" };
    let mut line = format!(
        "{word} {:<20} {:<9} {:<9} {:<10} {:>6.2} s",
        outcome.network,
        outcome.subject,
        outcome.peer,
        outcome.route.to_string(),
        outcome.seconds
    );
    if !outcome.reason.is_empty() {
        let _ = write!(line, "\n       {}", outcome.reason);
    }
    line
}

/// The peers that occur, in the order of their first cell.
fn peers(outcomes: &[Outcome]) -> Vec<String> {
    let mut peers: Vec<String> = Vec::new();
    for outcome in outcomes {
        let name = pair(outcome);
        if !peers.contains(&name) {
            peers.push(name);
        }
    }
    peers
}

fn pair(outcome: &Outcome) -> String {
    format!("{} ↔ {}", outcome.subject, outcome.peer)
}

fn field(outcome: &Outcome) -> String {
    match outcome.route {
        Route::None => format!("✗ after {:.1} s", outcome.seconds),
        route if outcome.pass => format!("{route}, {:.2} s", outcome.seconds),
        route => format!("✗ {route}, {:.2} s", outcome.seconds),
    }
}

/// The table: a row a network, a column a pair of peers.
fn rows(outcomes: &[Outcome]) -> Vec<(String, String, BTreeMap<String, &Outcome>)> {
    let mut rows: Vec<(String, String, BTreeMap<String, &Outcome>)> = Vec::new();
    for outcome in outcomes {
        if rows.last().is_none_or(|(name, ..)| *name != outcome.network) {
            rows.push((outcome.network.clone(), outcome.expected.to_string(), BTreeMap::new()));
        }
        if let Some((.., cells)) = rows.last_mut() {
            cells.insert(pair(outcome), outcome);
        }
    }
    rows
}

/// Prints the table and writes the files.
pub(crate) fn finish(outcomes: &[Outcome], folder: &Path) -> Result<()> {
    let peers = peers(outcomes);
    println!("\n| network | cheapest | {} |", peers.join(" | "));
    println!("|---|---|{}", "---|".repeat(peers.len()));
    for (network, expected, cells) in rows(outcomes) {
        let cells: Vec<String> = peers
            .iter()
            .map(|peer| cells.get(peer).map_or("".into(), |cell| field(cell)))
            .collect();
        println!("| {network} | {expected} | {} |", cells.join(" | "));
    }
    let passed = outcomes.iter().filter(|outcome| outcome.pass).count();
    println!("\n{passed} of {} by the cheapest path", outcomes.len());
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    write("report.json", serde_json::to_string_pretty(&json!({"cells": outcomes}))?)?;
    write("report.html", html(outcomes, &peers))?;
    println!("report: {}", folder.join("report.html").display());
    Ok(())
}

/// One page that stands alone: the table, and the reason or the candidates behind each cell.
fn html(outcomes: &[Outcome], peers: &[String]) -> String {
    let mut page = String::from(
        "<!doctype html><meta charset=utf-8><title>Peerage: the laboratory</title><style>\
         body{font:15px system-ui;margin:2em;max-width:80em}table{border-collapse:collapse}\
         td,th{border:1px solid #bbb;padding:.4em .7em;text-align:left;vertical-align:top}\
         .pass{background:#dff3df}.fail{background:#f8dcdc}summary{cursor:pointer}pre{white-space:pre-wrap;max-width:30em}\
         @media(prefers-color-scheme:dark){body{background:#111;color:#ddd}.pass{background:#153015}.fail{background:#3a1717}}\
         </style><h1>Who connects, and how</h1><table><tr><th>network<th>cheapest path",
    );
    for peer in peers {
        let _ = write!(page, "<th>{}", escape(peer));
    }
    for (network, expected, cells) in rows(outcomes) {
        let claim = cells.values().next().map_or("", |cell| cell.claim.as_str());
        let _ = write!(
            page,
            "<tr><td><b>{}</b><br>{}<td>{}",
            escape(&network),
            escape(claim),
            escape(&expected)
        );
        for peer in peers {
            let Some(cell) = cells.get(peer) else {
                page.push_str("<td>");
                continue;
            };
            let behind = if cell.reason.is_empty() {
                serde_json::to_string_pretty(&cell.pair).unwrap_or_default()
            } else {
                cell.reason.clone()
            };
            let _ = write!(
                page,
                "<td class={}><details><summary>{}</summary><pre>{}</pre></details>",
                if cell.pass { "pass" } else { "fail" },
                escape(&field(cell)),
                escape(&behind)
            );
        }
    }
    page.push_str("</table>");
    page
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
