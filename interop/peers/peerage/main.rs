//! Peerage as an interop peer: the commands and events of interop/README.md over the public API of the `peerage` crate.

mod channel;
mod connection;
mod engine;
mod fidelity;
mod layers;
mod media;
mod player;
mod playing;
mod recorder;
mod source;
mod speech;
mod texture;
mod tracks;
mod transceivers;

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;

use crate::connection::Connection;

/// Where answers and events go: one task writes them, a line each.
#[derive(Clone)]
pub(crate) struct Out(mpsc::UnboundedSender<Value>);

impl Out {
    /// An event of a connection, stamped with the time.
    pub(crate) fn event(&self, name: &str, pc: &str, mut fields: Value) {
        fields["event"] = name.into();
        fields["pc"] = pc.into();
        fields["t"] = now().into();
        let _ = self.0.send(fields);
    }
}

/// Milliseconds of Unix time.
pub(crate) fn now() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
        * 1000.0
}

#[derive(Deserialize)]
struct Command {
    id: u64,
    cmd: String,
    #[serde(default)]
    pc: String,
    #[serde(flatten)]
    fields: Value,
}

#[tokio::main]
async fn main() -> Result<()> {
    let (tx, mut rx) = mpsc::unbounded_channel::<Value>();
    let out = Out(tx);
    tokio::spawn(async move {
        let mut stdout = tokio::io::stdout();
        while let Some(message) = rx.recv().await {
            if stdout.write_all(format!("{message}\n").as_bytes()).await.is_err()
                || stdout.flush().await.is_err()
            {
                return;
            }
        }
    });
    let mut connections: HashMap<String, Arc<Connection>> = HashMap::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let command: Command = match serde_json::from_str(&line) {
            Ok(command) => command,
            Err(error) => {
                eprintln!("not a command: {error}: {line}");
                continue;
            }
        };
        let id = command.id;
        match command.cmd.as_str() {
            "quit" => break,
            "hello" => {
                let _ = out.0.send(json!({"id": id, "result": {"name": "peerage", "version": env!("CARGO_PKG_VERSION")}}));
            }
            "reset" => {
                for (_, connection) in connections.drain() {
                    connection.close().await;
                }
                let _ = out.0.send(json!({"id": id, "result": {}}));
            }
            "create" => {
                let answer = match Connection::new(&command.pc, &command.fields, out.clone()).await
                {
                    Ok(connection) => {
                        connections.insert(command.pc, connection);
                        json!({"id": id, "result": {}})
                    }
                    Err(error) => json!({"id": id, "error": format!("{error:#}")}),
                };
                let _ = out.0.send(answer);
            }
            _ => {
                let connection = connections.get(&command.pc).cloned();
                // Media is handed on from one connection to another.
                let from = command.fields["from"].as_str();
                let from = from.and_then(|from| connections.get(from)).cloned();
                let out = out.clone();
                tokio::spawn(async move {
                    let result = match connection {
                        Some(connection) => {
                            connection.run(&command.cmd, &command.fields, from).await
                        }
                        None => Err(anyhow::anyhow!("no connection {}", command.pc)),
                    };
                    let answer = match result {
                        Ok(result) => json!({"id": id, "result": result}),
                        Err(error) => json!({"id": id, "error": format!("{error:#}")}),
                    };
                    let _ = out.0.send(answer);
                });
            }
        }
    }
    for (_, connection) in connections.drain() {
        connection.close().await;
    }
    Ok(())
}

/// A string field of a command.
pub(crate) fn text<'a>(fields: &'a Value, name: &str) -> Result<&'a str> {
    fields[name].as_str().with_context(|| format!("the command lacks `{name}`"))
}
