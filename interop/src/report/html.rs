//! The report as one self-contained page: the grid, and what lies behind each cell at a click.

use anyhow::Result;
use serde_json::Value;

const TEMPLATE: &str = include_str!("report.html");

/// The page with the report's data in it.
pub(crate) fn write(report: &Value) -> Result<String> {
    // Inside a script element only `</` could end it early.
    let data = serde_json::to_string(report)?.replace("</", "<\\/");
    Ok(TEMPLATE.replace("\"REPORT_DATA\"", &data))
}

#[cfg(test)]
mod tests {
    #[test]
    fn data_cannot_end_the_script() {
        let page = super::write(&serde_json::json!({"reason": "</script><b>"})).unwrap();
        assert!(page.contains("<\\/script><b>") && !page.contains("REPORT_DATA"));
    }
}
