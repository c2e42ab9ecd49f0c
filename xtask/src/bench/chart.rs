//! The table as a picture: a bar per crate in each row, and a line where the aim is.

use std::fmt::Write;

use super::table::{Outcome, number};

const WIDTH: f64 = 920.0;
/// Where the bars start, and how long the longest is.
const LEFT: f64 = 300.0;
const LONGEST: f64 = 460.0;
const BAR: f64 = 16.0;
const ROW_GAP: f64 = 22.0;
const TOP: f64 = 50.0;

/// One file that needs nothing beside it. Each row has a scale of its own, which its largest figure or aim fills.
pub(super) fn svg(results: &[Outcome]) -> String {
    let mut body = String::new();
    let mut y = TOP;
    for result in results {
        let largest =
            result.beside.iter().map(|b| b.1).chain(result.aim).fold(result.ours, f64::max);
        let length = |value: f64| if largest > 0.0 { LONGEST * value / largest } else { 0.0 };
        let top = y;
        let bars = std::iter::once(("Peerage", result.ours)).chain(result.beside.iter().copied());
        for (index, (who, value)) in bars.enumerate() {
            let colour = if index == 0 { "#1f6feb" } else { "#9aa4b2" };
            let middle = y + BAR - 4.0;
            let _ = writeln!(
                body,
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{:.1}\" height=\"{}\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{middle}\">{} {} {}</text>",
                length(value).max(1.0),
                BAR - 2.0,
                LEFT + length(value) + 6.0,
                escape(who),
                number(value),
                escape(result.unit),
            );
            y += BAR;
        }
        let _ = writeln!(
            body,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 10.0,
            top + BAR - 4.0,
            escape(result.what),
        );
        if let Some(aim) = result.aim {
            let x = LEFT + length(aim);
            let _ = writeln!(
                body,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{}\" y2=\"{}\" stroke=\"{}\" stroke-width=\"2\"/>",
                top - 3.0,
                y,
                if result.met == Some(true) { "#1a7f37" } else { "#cf222e" },
            );
        }
        y += ROW_GAP;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#1c2128\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"20\" y=\"26\" font-size=\"15\">Peerage beside other crates, by CPU time; the line is the aim, \
         green where it is met</text>\n{body}</svg>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_for_each_crate_and_a_line_for_the_aim() {
        let outcome = Outcome {
            what: "this & that",
            unit: "M/s",
            ours: 2.0,
            beside: vec![("other", 1.0)],
            aim: Some(4.0),
            met: Some(false),
        };
        let svg = svg(&[outcome]);
        assert!(svg.contains("this &amp; that"));
        assert!(svg.contains("width=\"230.0\"") && svg.contains("Peerage 2.00 M/s"), "half");
        assert!(svg.contains("width=\"115.0\"") && svg.contains("other 1.00 M/s"), "a quarter");
        assert!(svg.contains("x1=\"760.0\"") && svg.contains("#cf222e"), "the aim, missed");
    }
}
