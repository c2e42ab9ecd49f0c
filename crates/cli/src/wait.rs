//! Waiting with an end: every timeout says what was waited for.

use std::time::Duration;

use anyhow::{Result, anyhow};

/// Waits for `work`, at most `limit`.
///
/// # Errors
/// "timed out after 30 s waiting for ...".
pub(crate) async fn within<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = T>,
) -> Result<T> {
    tokio::time::timeout(limit, work)
        .await
        .map_err(|_| anyhow!("timed out after {} s waiting for {what}", limit.as_secs_f64()))
}

/// As [`within`], for work that can fail by itself.
pub(crate) async fn try_within<T, E: Into<anyhow::Error>>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T> {
    within(limit, what, work).await?.map_err(Into::into)
}
