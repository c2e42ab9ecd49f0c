//! The report as JUnit XML, which build servers read.

use std::fmt::Write as _;

use crate::grid::{Outcome, Verdict};

/// One test suite, one test case a cell.
pub(crate) fn write(outcomes: &[Outcome]) -> String {
    let count = |verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml,
        "<testsuite name=\"interop\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{:.2}\">",
        outcomes.len(),
        count(Verdict::Fail),
        count(Verdict::Skipped) + count(Verdict::Unsupported),
        outcomes.iter().map(|outcome| outcome.seconds).sum::<f64>()
    );
    for outcome in outcomes {
        let form = if outcome.trickle { "trickle" } else { "complete" };
        let _ = write!(
            xml,
            "  <testcase classname=\"{}.{}\" name=\"{} {} {form} {}\" time=\"{:.2}\"",
            outcome.letter,
            outcome.case,
            outcome.peer,
            outcome.role,
            outcome.attempt,
            outcome.seconds
        );
        let _ = match outcome.verdict {
            Verdict::Pass => writeln!(xml, "/>"),
            Verdict::Fail => {
                writeln!(xml, "><failure message=\"{}\"/></testcase>", escape(&outcome.reason))
            }
            Verdict::Unsupported | Verdict::Skipped => {
                writeln!(xml, "><skipped message=\"{}\"/></testcase>", escape(&outcome.reason))
            }
        };
    }
    xml.push_str("</testsuite>\n");
    xml
}

fn escape(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || *c == '\n').fold(
        String::with_capacity(text.len()),
        |mut out, c| {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&quot;"),
                '\n' => out.push_str("&#10;"),
                other => out.push(other),
            }
            out
        },
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn reasons_are_escaped() {
        assert_eq!(super::escape("a < \"b\" & c\u{7}"), "a &lt; &quot;b&quot; &amp; c");
    }
}
