//! The run in the terminal: a line a cell, and a table at the end.

use std::collections::BTreeMap;

use crate::grid::{Cell, Outcome, Verdict};
use crate::scenario::Scenario;

/// The order of the cases in tables.
const ORDER: &str = "HTMNBCRVDALPQEYWSGKXIOUJF";

/// Position of a case's letter in tables.
pub(crate) fn rank(letter: char) -> usize {
    ORDER.find(letter).unwrap_or(ORDER.len())
}

/// The word for a verdict.
pub(crate) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Unsupported => "n/a",
        Verdict::Skipped => "skip",
    }
}

/// One line about one cell.
pub(crate) fn line(outcome: &Outcome) -> String {
    let form = if outcome.trickle { "trickle" } else { "complete" };
    let mut line = format!(
        "{:<4} {} {:<17} {:<14} {:<8} {form:<8} {:>6.1} s",
        word(outcome.verdict),
        outcome.letter,
        outcome.case,
        outcome.peer,
        outcome.role,
        outcome.seconds
    );
    for (name, value) in &outcome.notes {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        line.push_str(&format!("  {name} {value}"));
    }
    if !outcome.reason.is_empty() {
        line.push_str(&format!("\n       {}", outcome.reason));
    }
    line
}

/// The grid: a row a case, a column a peer, and in each field how many of its cells passed.
pub(crate) fn table(outcomes: &[Outcome]) {
    let mut peers: Vec<&str> = Vec::new();
    let mut rows: BTreeMap<(usize, &str), BTreeMap<&str, Vec<Verdict>>> = BTreeMap::new();
    for outcome in outcomes {
        if !peers.contains(&outcome.peer.as_str()) {
            peers.push(&outcome.peer);
        }
        rows.entry((rank(outcome.letter), &outcome.case))
            .or_default()
            .entry(&outcome.peer)
            .or_default()
            .push(outcome.verdict);
    }
    peers.sort_unstable();
    print!("\n{:<20}", "");
    for peer in &peers {
        print!(" {peer:>14}");
    }
    println!();
    for ((rank, case), fields) in &rows {
        print!("{} {case:<18}", ORDER.chars().nth(*rank).unwrap_or('?'));
        for peer in &peers {
            print!(
                " {:>14}",
                fields.get(peer).map_or_else(|| "-".to_owned(), |verdicts| field(verdicts))
            );
        }
        println!();
    }
}

fn field(verdicts: &[Verdict]) -> String {
    let count = |verdict| verdicts.iter().filter(|other| **other == verdict).count();
    let ran = count(Verdict::Pass) + count(Verdict::Fail);
    if ran > 0 {
        let mark = if count(Verdict::Fail) > 0 { " FAIL" } else { "" };
        return format!("{}/{ran}{mark}", count(Verdict::Pass));
    }
    word(if count(Verdict::Skipped) > 0 { Verdict::Skipped } else { Verdict::Unsupported })
        .to_owned()
}

/// What there is to run.
pub(crate) fn list(scenarios: &[Scenario], cells: &[Cell]) {
    for scenario in scenarios {
        println!("{} {:<18} {}", scenario.letter, scenario.name, scenario.claim);
        for (peer, reason) in &scenario.unsupported {
            println!("  {:<18} not with {peer}: {reason}", "");
        }
    }
    println!("\n{} cells selected:", cells.len());
    for cell in cells {
        println!("{} {}", cell.scenario.letter, cell.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_counts_what_ran() {
        assert_eq!(field(&[Verdict::Pass, Verdict::Pass]), "2/2");
        assert_eq!(field(&[Verdict::Pass, Verdict::Fail, Verdict::Unsupported]), "1/2 FAIL");
        assert_eq!(field(&[Verdict::Unsupported]), "n/a");
        assert_eq!(field(&[Verdict::Skipped, Verdict::Unsupported]), "skip");
    }
}
