//! Leaves stages out when pictures take longer than they may, and takes them in again when there is time for them.
//!
//! It knows only what it is told: how long each picture took. One stage goes at a time, then it waits for what that changes. A stage
//! comes back when what it took would fit with room to spare for a while; if it has to go again soon, the next try waits
//! twice as long.

use std::time::Duration;

use super::config::Stage;

/// Which goes first: the one that is missed least, then the one that takes longest. Light and colour would be seen to jump.
const ORDER: [Stage; 4] = [Stage::Sharpen, Stage::Denoise, Stage::WhiteBalance, Stage::LowLight];
/// What a new picture counts.
const WEIGHT: f32 = 0.2;
/// Pictures until a change is seen in what pictures take.
const SETTLED: u32 = 12;
/// The share of the budget that a stage that comes back must fit into.
const ROOM: f32 = 0.75;
/// Pictures for which there must be room, at first and at most.
const PATIENCE: (u32, u32) = (60, 1_920);

/// Decides which stages are left out.
#[derive(Debug, Clone)]
pub struct Governor {
    /// Stages of [`ORDER`] that are left out, and what each took, in seconds.
    left_out: Vec<(Stage, f32)>,
    /// What a picture takes, smoothed, in seconds.
    load: Option<f32>,
    /// Pictures since the last change, ...
    since: u32,
    /// ... since the last stage came back, ...
    since_return: u32,
    /// ... and for which there has been room for the one that went last.
    room: u32,
    patience: u32,
    /// What pictures took before the last stage went, until that is compared.
    before: Option<f32>,
}

impl Default for Governor {
    fn default() -> Self {
        Self {
            left_out: Vec::with_capacity(ORDER.len()),
            load: None,
            since: SETTLED,
            since_return: u32::MAX,
            room: 0,
            patience: PATIENCE.0,
            before: None,
        }
    }
}

impl Governor {
    /// One that leaves nothing out.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a stage is left out.
    pub fn leaves_out(&self, stage: Stage) -> bool {
        self.left_out.iter().any(|(other, _)| *other == stage)
    }

    /// All stages are taken in again, and what was learnt is forgotten.
    pub fn reset(&mut self) {
        *self = Self { left_out: std::mem::take(&mut self.left_out), ..Self::default() };
        self.left_out.clear();
    }

    /// A picture took so long; `is_on` says which stages there are.
    pub fn update(&mut self, took: Duration, budget: Duration, is_on: impl Fn(Stage) -> bool) {
        let (took, budget) = (took.as_secs_f32(), budget.as_secs_f32());
        let load = self.load.map_or(took, |load| load + WEIGHT * (took - load));
        self.load = Some(load);
        self.since = self.since.saturating_add(1);
        self.since_return = self.since_return.saturating_add(1);
        self.left_out.retain(|(stage, _)| is_on(*stage));
        if self.since < SETTLED {
            return;
        }
        if let (Some(before), Some((_, cost))) = (self.before.take(), self.left_out.last_mut()) {
            *cost = (before - load).max(0.0);
        }
        if load > budget {
            self.room = 0;
            let next = ORDER.into_iter().find(|stage| is_on(*stage) && !self.leaves_out(*stage));
            if let Some(stage) = next {
                self.left_out.push((stage, 0.0));
                self.before = Some(load);
                self.since = 0;
                if self.since_return < 2 * PATIENCE.0 {
                    self.patience = (2 * self.patience).min(PATIENCE.1);
                }
            }
            return;
        }
        let Some(&(_, cost)) = self.left_out.last() else { return };
        self.room = if load + cost < ROOM * budget { self.room + 1 } else { 0 };
        if self.room >= self.patience {
            self.left_out.pop();
            (self.room, self.since, self.since_return) = (0, 0, 0);
        } else if self.since > 4 * PATIENCE.1 {
            self.patience = PATIENCE.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_millis(10);

    /// Pictures that take `base` ms and 2 ms for each stage that is not left out.
    fn run(governor: &mut Governor, pictures: u32, base: f32) -> usize {
        for _ in 0..pictures {
            let stages = Stage::ALL.iter().filter(|stage| !governor.leaves_out(**stage)).count();
            let took = Duration::from_secs_f32((base + 2.0 * stages as f32) / 1e3);
            governor.update(took, BUDGET, |_| true);
        }
        governor.left_out.len()
    }

    #[test]
    fn stages_go_when_time_is_short_and_come_back() {
        let mut governor = Governor::new();
        assert_eq!(run(&mut governor, 1_000, 1.0), 0);
        // Fifteen and a half milliseconds: three have to go.
        assert_eq!(run(&mut governor, 200, 7.5), 3);
        assert!(!governor.leaves_out(Stage::LowLight));
        assert_eq!(run(&mut governor, 200, 15.0), 4);
        assert_eq!(run(&mut governor, 3_000, 0.0), 0);
    }

    #[test]
    fn a_single_long_picture_changes_nothing() {
        let mut governor = Governor::new();
        run(&mut governor, 100, 0.0);
        governor.update(Duration::from_millis(18), BUDGET, |_| true);
        assert_eq!(run(&mut governor, 20, 0.0), 0);
    }

    #[test]
    fn a_stage_that_does_not_fit_is_tried_less_and_less() {
        let mut governor = Governor::new();
        let (mut changes, mut last) = (Vec::new(), 0);
        for picture in 0..20_000u32 {
            // What others take depends on what is left out, so that its cost is never learnt right.
            let took = if governor.left_out.is_empty() { 12 } else { 5 };
            governor.load = governor.load.map(|load| load.min(0.012));
            if let Some((_, cost)) = governor.left_out.last_mut() {
                *cost = 0.0;
            }
            governor.update(Duration::from_millis(took), BUDGET, |_| true);
            if governor.left_out.len() != last {
                last = governor.left_out.len();
                changes.push(picture);
            }
        }
        assert!((6..30).contains(&changes.len()), "{changes:?}");
        let gaps: Vec<u32> = changes.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().max() > Some(&1_900), "{gaps:?}");
    }

    #[test]
    fn stages_that_are_off_are_not_counted_as_left_out() {
        let mut governor = Governor::new();
        for _ in 0..50 {
            governor.update(2 * BUDGET, BUDGET, |stage| stage == Stage::Denoise);
        }
        assert_eq!(Stage::ALL.map(|stage| governor.leaves_out(stage)), [true, false, false, false]);
        governor.update(2 * BUDGET, BUDGET, |_| false);
        assert!(!governor.leaves_out(Stage::Denoise));
    }
}
