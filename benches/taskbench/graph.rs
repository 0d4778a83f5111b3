//! Which results of the step before a task takes.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::hash::Hasher;
#[allow(deprecated)] // the one hasher of the standard library that is SipHash 2-4 for certain
use std::hash::SipHasher;

/// Inputs of a task, at most, in the patterns `nearest`, `spread` and `random_nearest`: Task Bench's default.
const RADIX: usize = 3;
/// Sets of dependences that `spread` and `random_nearest` go through in turns: Task Bench's default.
const PERIOD: usize = 3;
/// Share of the neighbours that `random_nearest` takes: Task Bench's default.
const FRACTION: f64 = 0.25;

/// The patterns, under Task Bench's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// No inputs.
    Trivial,
    /// A column's own result.
    NoComm,
    /// That, and its neighbours'.
    Stencil1d,
    /// The same around a ring.
    Stencil1dPeriodic,
    /// A column's own and those of a butterfly.
    Fft,
    /// The parent's, in a tree that doubles its width with each step.
    Tree,
    /// The nearest columns.
    Nearest,
    /// Columns spread over all.
    Spread,
    /// Some of the nearest columns.
    RandomNearest,
}

/// All patterns and their names.
pub const PATTERNS: [(Pattern, &str); 9] = [
    (Pattern::Trivial, "trivial"),
    (Pattern::NoComm, "no_comm"),
    (Pattern::Stencil1d, "stencil_1d"),
    (Pattern::Stencil1dPeriodic, "stencil_1d_periodic"),
    (Pattern::Fft, "fft"),
    (Pattern::Tree, "tree"),
    (Pattern::Nearest, "nearest"),
    (Pattern::Spread, "spread"),
    (Pattern::RandomNearest, "random_nearest"),
];

/// Columns of the step before; no pattern with a radix of 3 takes more.
pub type Columns = SmallVec<[usize; 3]>;

/// A pattern of some width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// The pattern.
    pub pattern: Pattern,
    /// Columns, at most.
    pub width: u16,
}

impl Graph {
    /// Columns of a step.
    pub fn width_at(&self, step: usize) -> usize {
        let width = usize::from(self.width);
        match self.pattern {
            Pattern::Tree if step < 16 => width.min(1 << step),
            _ => width,
        }
    }

    /// Tasks of so many steps.
    pub fn tasks(&self, steps: usize) -> usize {
        (0..steps).map(|step| self.width_at(step)).sum()
    }

    /// The columns of the step before whose results the task takes, in order.
    pub fn inputs(&self, step: usize, column: usize) -> Columns {
        if step == 0 {
            return Columns::new();
        }
        let mut columns = self.dependences(step, column);
        let width = self.width_at(step - 1);
        columns.retain(|column| *column < width);
        columns
    }

    /// Steps from which on `inputs` repeats itself, and after how many steps.
    pub fn repeats(&self) -> (usize, usize) {
        let begin = if self.pattern == Pattern::Tree { 2 + self.levels() } else { 1 };
        (begin, self.sets())
    }

    fn levels(&self) -> usize {
        usize::from(self.width).next_power_of_two().ilog2() as usize
    }

    /// `spread` needs a radix of at most the width, and of that its sets must not overlap: Task Bench refuses others.
    fn radix(&self) -> usize {
        if self.pattern == Pattern::Spread { RADIX.min(self.width.into()) } else { RADIX }
    }

    fn sets(&self) -> usize {
        match self.pattern {
            Pattern::Fft => self.levels().max(1),
            Pattern::Spread => PERIOD.min(usize::from(self.width).div_ceil(self.radix())),
            Pattern::RandomNearest => PERIOD,
            _ => 1,
        }
    }

    fn dependences(&self, step: usize, column: usize) -> Columns {
        let (width, radix, sets) = (usize::from(self.width), self.radix(), self.sets());
        let near = |before: usize, behind: usize| {
            (column.saturating_sub(before)..=(column + behind).min(width - 1)).collect::<Columns>()
        };
        match self.pattern {
            Pattern::Trivial => Columns::new(),
            Pattern::NoComm => Columns::from_slice(&[column]),
            Pattern::Stencil1d => near(1, 1),
            Pattern::Stencil1dPeriodic => {
                // each once: in a ring of two, both neighbours are the same (which Task Bench refuses)
                let mut columns = near(1, 1);
                if column == 0 && width > 2 {
                    columns.push(width - 1);
                }
                if column + 1 == width && width > 2 {
                    columns.push(0);
                }
                columns
            }
            Pattern::Fft => {
                let distance = 1 << ((step + sets - 1) % sets);
                let below = column.checked_sub(distance);
                let above = Some(column + distance).filter(|column| *column < width);
                below.into_iter().chain([column]).chain(above).collect()
            }
            Pattern::Tree => Columns::from_slice(&[column / 2]),
            Pattern::Nearest => near(radix / 2, (radix - 1) / 2),
            Pattern::Spread => {
                let set = step % sets;
                let shift = |i: usize| if i > 0 { set } else { 0 };
                (0..radix).map(|i| (column + i * width / radix + shift(i)) % width).collect()
            }
            Pattern::RandomNearest => {
                let mut columns = near(radix / 2, (radix - 1) / 2);
                columns.retain(|other| {
                    *other == column || random(&[0, radix, step % sets, *other, column]) < FRACTION
                });
                columns
            }
        }
    }
}

/// Task Bench's random number from 0 to 1 for this edge.
#[allow(deprecated)]
fn random(edge: &[usize; 5]) -> f64 {
    let mut hasher = SipHasher::new_with_keys(0x0807_0605_0403_0201, 0x000F_0E0D_0C0B_0A09);
    edge.iter().for_each(|word| hasher.write(&(*word as u64).to_le_bytes()));
    hasher.finish() as f64 / 2f64.powi(64)
}
