//! `peerage serve`: the echo endpoint with a page to open in a browser.

use anyhow::Result;

use crate::commands::echo;
use crate::options::{Common, ServeArgs};
use crate::report::Report;

const PAGE: &str = include_str!("page.html");

pub(crate) async fn run(options: &Common, args: &ServeArgs, report: &Report) -> Result<()> {
    report.hint("open the address below in a browser; interrupt with Ctrl-C");
    echo::serve(options, args, *report, "text/html; charset=utf-8", PAGE).await
}
