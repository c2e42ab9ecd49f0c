//! Media on emulated wires in one table: each direction of each cell in a row, what a browser does with itself below ours.

use serde::Serialize;
use serde_json::Value;

use crate::grid::Outcome;

/// A note, and how it is headed.
type Column = (&'static str, &'static str);

/// What a row tells: the note that it is read from, without phase and direction, and how it is headed.
pub(super) const COLUMNS: [Column; 9] = [
    ("mbit", "Mbit/s"),
    ("used", "of the wire"),
    ("queue_ms", "queue ms"),
    ("queue_worst_ms", "worst ms"),
    ("freezes", "freezes"),
    ("frozen_s", "frozen s"),
    ("longest_freeze_s", "longest s"),
    ("lost_packets", "lost"),
    ("repaired", "repaired"),
];

/// The same of cells in which pictures are compared with what was drawn.
pub(super) const PICTURES: [Column; 12] = [
    ("shown", "shown"),
    ("freezes", "freezes"),
    ("frozen_s", "frozen s"),
    ("delay_ms", "delay ms"),
    ("delay_95_ms", "95 % ms"),
    ("psnr_db", "PSNR dB"),
    ("psnr_5_db", "5 % dB"),
    ("ssim", "SSIM"),
    ("together", "in 40 ms"),
    ("skew_1_ms", "skew 1 %"),
    ("skew_50_ms", "50 %"),
    ("skew_99_ms", "99 %"),
];

/// A direction of a cell, in one phase of it.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub case: String,
    /// From whom to whom.
    pub way: String,
    /// In the order of the columns.
    pub figures: Vec<Option<f64>>,
}

/// The rows of all cells that have such figures: case by case and phase by phase, ours before the reference.
pub(super) fn rows(outcomes: &[Outcome]) -> Vec<Row> {
    rows_of(outcomes, &COLUMNS, "queue_ms")
}

/// The same of pictures that were compared with what was drawn.
pub(super) fn pictures(outcomes: &[Outcome]) -> Vec<Row> {
    rows_of(outcomes, &PICTURES, "psnr_db")
}

/// Rows of the cells that tell what `has` names.
fn rows_of(outcomes: &[Outcome], columns: &[Column], has: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for outcome in outcomes {
        let peer = outcome.peer.split('-').next_back().unwrap_or_default();
        for (rank, phase) in ["", "step1_", "step2_", "step3_"].into_iter().enumerate() {
            for (way, from, to) in
                [("sent", outcome.subject.as_str(), peer), ("received", peer, &outcome.subject)]
            {
                let figure = |what: &str| {
                    outcome.notes.get(&format!("{phase}{way}_{what}")).and_then(Value::as_f64)
                };
                if figure(has).is_none() {
                    continue;
                }
                let step = if rank > 0 { format!(", step {rank}") } else { String::new() };
                let row = Row {
                    case: format!("{}{step}", outcome.case),
                    way: format!("{from} to {to}"),
                    figures: columns.iter().map(|(what, _)| figure(what)).collect(),
                };
                let is_reference = outcome.subject == peer;
                rows.push(((outcome.case.clone(), rank, is_reference), row));
            }
        }
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Prints them.
pub(super) fn print(columns: &[Column], rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    print!("\n{:<22} {:<22}", "", "");
    for (_, heading) in columns {
        print!(" {heading:>11}");
    }
    println!();
    for row in rows {
        print!("{:<22} {:<22}", row.case, row.way);
        for figure in &row.figures {
            print!(" {:>11}", figure.map_or_else(|| "-".to_owned(), |figure| figure.to_string()));
        }
        println!();
    }
}
