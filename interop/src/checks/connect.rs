//! H and L: connect and echo.

use anyhow::Result;
use serde_json::json;

use super::echo;
use crate::pair::Pair;

/// A channel opens, messages come back; then the answerer opens one too.
pub(super) async fn connect(pair: &mut Pair) -> Result<()> {
    pair.connect("record", "echo").await?;
    pair.connected().await?;
    echo(pair, pair.offerer(), "main").await?;
    pair.answerer().channel("back", "record", json!({})).await?;
    for end in pair.ends() {
        end.opened("back", pair.patience).await?;
    }
    echo(pair, pair.answerer(), "back").await
}
