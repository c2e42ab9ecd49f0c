//! The page: for each case a plot of rates, of the time packets wait, and of losses, and the metrics of RFC 8868 §3.
//! It needs nothing beside it.

use std::fmt::Write;

use crate::sim::measure::{FlowOutcome, Outcome};
use crate::sim::scenarios::Case;
use crate::sim::{FlowSpec, Scenario, Source};

pub(crate) struct Drawn {
    pub(crate) case: Case,
    pub(crate) ours: Outcome,
    pub(crate) theirs: Outcome,
}

const WIDTH: f64 = 560.0;
const LEFT: f64 = 52.0;
const PANELS: [(f64, &str); 3] = [(170.0, "kbit/s"), (80.0, "wait, ms"), (50.0, "lost, %")];
const GAP: f64 = 14.0;
const COLOURS: [&str; 5] = ["#1f6feb", "#d1495b", "#2e933c", "#8f5bd1", "#c77d0a"];

/// Rate of all flows together, the mean and the 95th percentile of waiting, and losses, of a whole run.
pub(crate) fn summary(outcome: &Outcome) -> String {
    let end = outcome.seconds as f64;
    let sent: f64 = outcome.flows.iter().map(|flow| flow.sent_kbps(0.0, end)).sum();
    let packets: u64 = outcome.flows.iter().map(|flow| flow.arrived).sum();
    let lost: u64 = outcome.flows.iter().map(|flow| flow.lost).sum();
    let worst = outcome.flows.iter().map(|flow| flow.percentile_ms(0.95)).fold(0.0, f64::max);
    let mean = outcome.flows.iter().map(|flow| flow.delay_ms(0.0, end)).sum::<f64>()
        / outcome.flows.len().max(1) as f64;
    let share = lost as f64 * 100.0 / (packets + lost).max(1) as f64;
    format!("{sent:>9.0} {:>10} {share:>8.2} %", format!("{mean:.0}/{worst:.0}"))
}

pub(crate) fn page(drawn: &[Drawn]) -> String {
    let mut body = String::new();
    for (index, Drawn { case, ours, theirs }) in drawn.iter().enumerate() {
        let _ = write!(
            body,
            "<h2 id=\"c{index}\">{}</h2>\n<div class=\"pair\"><figure><figcaption>Peerage</figcaption>{}</figure>\
             <figure><figcaption>goog_cc</figcaption>{}</figure></div>\n{}",
            case.section,
            plot(&case.scenario, ours, theirs),
            plot(&case.scenario, theirs, ours),
            metrics(&case.scenario, ours, theirs),
        );
    }
    let contents: String = drawn
        .iter()
        .enumerate()
        .map(|(index, drawn)| {
            format!("<li><a href=\"#c{index}\">{}</a></li>\n", drawn.case.section)
        })
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Congestion control</title>\n<style>\n\
         body {{ font: 14px sans-serif; color: #1c2128; margin: 24px auto; max-width: 1180px; }}\n\
         .pair {{ display: flex; flex-wrap: wrap; gap: 16px; }} figure {{ margin: 0; }}\n\
         figcaption {{ font-weight: bold; }} h2 {{ margin-top: 36px; }}\n\
         table {{ border-collapse: collapse; }} td, th {{ padding: 2px 10px; text-align: right; }}\n\
         th {{ border-bottom: 1px solid #9aa4b2; }} td:first-child, th:first-child {{ text-align: left; }}\n\
         ul {{ columns: 3; }}\n</style></head><body>\n<h1>Congestion control in virtual time</h1>\n\
         <p>The cases of RFC 8867 and some more, the same sources, pacer, paths and seeds for both controllers. Full \
         lines: what each flow sends in a second; dotted: its target; grey: the capacity. Below: the mean time that \
         packets wait in queues, and the losses of each second.</p>\n<ul>{contents}</ul>\n{body}</body></html>\n"
    )
}

/// Something over time: a value for each second.
fn line(svg: &mut String, values: &[f64], most: f64, top: f64, height: f64, style: &str) {
    let step = (WIDTH - LEFT) / values.len().max(1) as f64;
    let mut points = String::new();
    for (second, value) in values.iter().enumerate() {
        let x = LEFT + (second as f64 + 0.5) * step;
        let y = top + height - height * (value / most).clamp(0.0, 1.0);
        let _ = write!(points, "{x:.1},{y:.1} ");
    }
    let _ = writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" {style}/>");
}

fn seconds(outcome: &Outcome, value: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    (0..outcome.seconds).map(|second| value(second as f64, second as f64 + 1.0)).collect()
}

/// A round number not below this.
fn ceiling(value: f64) -> f64 {
    let unit = 10f64.powf(value.max(1.0).log10().floor());
    [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0]
        .into_iter()
        .map(|factor| factor * unit)
        .find(|&most| most >= value)
        .unwrap_or(value)
}

/// A figure of `outcome`, to the same scale as that of `other`.
fn plot(scenario: &Scenario, outcome: &Outcome, other: &Outcome) -> String {
    let capacity = seconds(outcome, |from, _| scenario.capacity(from) as f64);
    let highest = capacity.iter().copied().fold(0.0, f64::max);
    let demand: f64 = scenario.flows.iter().map(largest).sum();
    let waits_of = |outcome: &Outcome| -> Vec<Vec<f64>> {
        let wait = |flow| seconds(outcome, |from, to| FlowOutcome::delay_ms(flow, from, to));
        outcome.flows.iter().map(wait).collect()
    };
    let losses_of = |outcome: &Outcome| -> Vec<Vec<f64>> {
        let loss = |flow| seconds(outcome, |from, to| FlowOutcome::loss(flow, from, to) * 100.0);
        outcome.flows.iter().map(loss).collect()
    };
    let (waits, losses) = (waits_of(outcome), losses_of(outcome));
    let most_of = |lines: &[Vec<f64>]| lines.iter().flatten().copied().fold(0.0, f64::max);
    let longest = most_of(&waits).max(most_of(&waits_of(other)));
    let most_lost = most_of(&losses).max(most_of(&losses_of(other)));
    let most = [
        ceiling(highest.min(demand * 2.0) * 1.1),
        ceiling(longest.clamp(50.0, 2_000.0)),
        ceiling(most_lost.max(5.0)).min(100.0),
    ];
    let mut svg = String::new();
    let mut top = 8.0;
    for (panel, (height, unit)) in PANELS.into_iter().enumerate() {
        axes(&mut svg, top, height, most[panel], unit);
        if panel == 0 {
            line(
                &mut svg,
                &capacity,
                most[0],
                top,
                height,
                "stroke=\"#9aa4b2\" stroke-width=\"2\"",
            );
        }
        for (index, flow) in outcome.flows.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let full = format!("stroke=\"{colour}\" stroke-width=\"1.3\"");
            match panel {
                0 => {
                    let target = seconds(outcome, |from, to| flow.target_kbps(from, to));
                    let dotted =
                        format!("stroke=\"{colour}\" stroke-dasharray=\"2 3\" opacity=\"0.7\"");
                    line(&mut svg, &target, most[0], top, height, &dotted);
                    let sent = seconds(outcome, |from, to| flow.sent_kbps(from, to));
                    line(&mut svg, &sent, most[0], top, height, &full);
                }
                1 => line(&mut svg, &waits[index], most[1], top, height, &full),
                _ => line(&mut svg, &losses[index], most[2], top, height, &full),
            }
        }
        if panel == 0 && !outcome.tcp.is_empty() {
            let tcp = seconds(outcome, |from, to| {
                outcome.tcp.iter().map(|flow| flow.kbps(from, to)).sum::<f64>()
            });
            line(&mut svg, &tcp, most[0], top, height, "stroke=\"#1c2128\" stroke-width=\"0.8\"");
        }
        top += height + GAP;
    }
    let height = top + 14.0;
    for part in 0..=5 {
        let x = LEFT + (WIDTH - LEFT) * f64::from(part) / 5.0;
        let anchor = if part == 5 { "end" } else { "middle" };
        let second = outcome.seconds as f64 * f64::from(part) / 5.0;
        let _ = writeln!(
            svg,
            "<text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"{anchor}\">{second:.0} s</text>",
            height - 8.0
        );
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"10\" fill=\"#1c2128\">\n{svg}</svg>"
    )
}

fn largest(flow: &FlowSpec) -> f64 {
    match flow.source {
        Source::Adaptive { max, .. } => max as f64,
        Source::Constant(rate) => rate as f64,
    }
}

fn axes(svg: &mut String, top: f64, height: f64, most: f64, unit: &str) {
    let bottom = top + height;
    let _ = writeln!(
        svg,
        "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{}\" height=\"{height}\" fill=\"#f6f8fa\"/>\
         <text x=\"{x}\" y=\"{}\" text-anchor=\"end\">{most}</text><text x=\"{x}\" y=\"{bottom}\" \
         text-anchor=\"end\">0</text><text x=\"{x}\" y=\"{}\" text-anchor=\"end\">{unit}</text>",
        WIDTH - LEFT,
        top + 9.0,
        top + height / 2.0 + 4.0,
        x = LEFT - 4.0,
    );
}

/// RFC 8868 §3, a row for each flow of each controller.
fn metrics(scenario: &Scenario, ours: &Outcome, theirs: &Outcome) -> String {
    let mut rows = String::new();
    for (who, outcome) in [("Peerage", ours), ("goog_cc", theirs)] {
        for (index, flow) in outcome.flows.iter().enumerate() {
            let spec = &scenario.flows[index];
            let _ = writeln!(
                rows,
                "<tr><td>{who} {}</td>{}</tr>",
                index + 1,
                cells(spec, flow, scenario)
            );
        }
        let tcp: f64 = outcome.tcp.iter().map(|tcp| tcp.kbps(0.0, scenario.seconds as f64)).sum();
        let (sent, lost) =
            outcome.tcp.iter().fold((0, 0), |sum, tcp| (sum.0 + tcp.sent, sum.1 + tcp.lost));
        if sent > 0 {
            let share = lost as f64 * 100.0 / sent as f64;
            let _ = writeln!(
                rows,
                "<tr><td>TCP beside {who}</td><td>{tcp:.0}</td><td></td><td></td><td></td><td></td><td></td>\
                 <td>{share:.2}</td><td></td><td></td><td></td></tr>"
            );
        }
    }
    format!(
        "<table><tr><th></th><th>sent, kbit/s</th><th>received</th><th>goodput</th><th>of the capacity</th><th>wait, \
         mean</th><th>median / 95 % / most, ms</th><th>lost, %</th><th>converges in, s</th><th>oscillation</th>\
         <th>reports, kbit/s</th></tr>\n{rows}</table>\n"
    )
}

fn cells(spec: &FlowSpec, flow: &FlowOutcome, scenario: &Scenario) -> String {
    let (from, to) = (spec.start, spec.end.min(scenario.seconds as f64));
    let length = to - from;
    let capacity = (0..length as u32)
        .map(|second| scenario.capacity(from + f64::from(second)) as f64)
        .sum::<f64>()
        / length.max(1.0);
    // Convergence: until it first has nine tenths of what it has later on, on average.
    let settled = flow.received_kbps(from + length / 4.0, to) * 0.9;
    let convergence =
        flow.time_to(from, to, settled).map_or("never".to_owned(), |time| format!("{time:.1}"));
    let reports: u64 = flow.bins(from, to).iter().map(|bin| bin.report_bytes).sum();
    format!(
        "<td>{:.0}</td><td>{:.0}</td><td>{:.0}</td><td>{:.0} %</td><td>{:.0}</td><td>{:.0} / {:.0} / {:.0}</td>\
         <td>{:.2}</td><td>{convergence}</td><td>{:.2}</td><td>{:.0}</td>",
        flow.sent_kbps(from, to),
        flow.received_kbps(from, to),
        flow.media_kbps(from, to) * (1.0 - flow.loss(from, to)),
        flow.sent_kbps(from, to) * 100.0 / capacity.max(1.0),
        flow.delay_ms(from, to),
        flow.percentile_ms(0.5),
        flow.percentile_ms(0.95),
        flow.max_delay_ms(from, to),
        flow.loss(from, to) * 100.0,
        flow.oscillation((from + length / 4.0) as u32, to as u32),
        reports as f64 * 8.0 / 1_000.0 / length.max(1.0),
    )
}
