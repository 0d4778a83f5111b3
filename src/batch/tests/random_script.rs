//! Random scripts, and the files that they make, computed one instance after the other.

use super::dice::Dice;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// A command that prints a number, and then as many lines of zeros as this times the number.
    Command(u64),
    /// An expression whose result has so many equal elements.
    Array(u64),
    /// A reduction of the only task that it reads.
    Sum,
}

/// Where the results of a task are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Keeping {
    Nowhere,
    /// A file to which all instances append.
    Shared(String),
    /// A file for each instance, with the bytes that it prints.
    Own,
    /// A file for each instance with the array.
    Npy,
}

/// A task of a random script.
#[derive(Debug, Clone)]
pub(super) struct SimTask {
    pub(super) name: String,
    /// The number of instances; `None` for a task without parameters.
    count: Option<u64>,
    work: Work,
    factor: u64,
    /// The tasks that it reads.
    pub(super) reads: Vec<usize>,
    pub(super) keeping: Keeping,
    /// Whether some instances fail at the first attempt of each run.
    is_flaky: bool,
    /// The run from which on no instance fails for good.
    pub(super) mended: u32,
}

/// A random script.
#[derive(Debug, Clone)]
pub(super) struct SimScript {
    pub(super) tasks: Vec<SimTask>,
}

/// How an attempt of a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Works,
    FailsOnce,
    Fails,
}

impl SimTask {
    pub(super) fn instances(&self) -> u64 {
        self.count.unwrap_or(1)
    }

    pub(super) fn is_command(&self) -> bool {
        matches!(self.work, Work::Command(_))
    }

    /// How an attempt of a command ends in a run.
    pub(super) fn fate(&self, index: u64, attempt: u64, run: u32) -> Fate {
        match (index * 7 + self.factor) % 5 {
            0 if run < self.mended => Fate::Fails,
            1 if self.is_flaky && attempt == 1 => Fate::FailsOnce,
            _ => Fate::Works,
        }
    }

    /// What a command prints that has read numbers with this sum.
    pub(super) fn printed(&self, index: u64, sum: f64) -> String {
        let value = self.value(index, sum);
        let Work::Command(lines) = self.work else { return format!("{value:?}\n") };
        let zeros = "0\n".repeat((lines * value as u64) as usize);
        format!("{value}\n{zeros}")
    }

    fn value(&self, index: u64, sum: f64) -> f64 {
        match self.work {
            Work::Sum => sum,
            _ => ((index * self.factor) as f64 + sum) % 97.0,
        }
    }

    /// The number of elements of the result.
    fn length(&self) -> u64 {
        if let Work::Array(length) = self.work { length } else { 1 }
    }

    fn file(&self, index: u64, ending: &str) -> String {
        let index = self.count.map_or(String::new(), |_| format!("-{index}"));
        format!("{}{index}.{ending}", self.name)
    }
}

impl SimScript {
    pub(super) fn random(dice: &mut Dice) -> SimScript {
        let many = 2 + dice.below(5);
        let count = dice.pick(&[1, 3, 6, 12, 25]);
        let mends = if dice.one_in(3) { 1 + dice.below(3) as u32 } else { 0 };
        let mut tasks: Vec<SimTask> = Vec::new();
        for at in 0..many as usize {
            let is_array = |task: &SimTask| matches!(task.work, Work::Array(_));
            let mut work = match dice.below(3) {
                0 => Work::Array(dice.pick(&[1, 1, 30, 400])),
                _ => Work::Command(dice.pick(&[0, 0, 1, 20])),
            };
            let mut count = (!dice.one_in(4)).then_some(count);
            let mut reads: Vec<usize> = (0..dice.below(3)).map(|_| dice.below(at as u64) as usize).collect();
            reads.retain(|read| {
                *read < at && (matches!(work, Work::Command(_)) || !tasks[*read].is_command())
            });
            reads.sort_unstable();
            reads.dedup();
            let mut sums = (0..at).filter(|task| is_array(&tasks[*task]) && tasks[*task].count.is_some());
            if let Some(summed) = sums.next_back().filter(|_| dice.one_in(4)) {
                let length = tasks[summed].length();
                if length == 1 {
                    (work, count, reads) = (Work::Sum, None, vec![summed]);
                }
            }
            let keeping = match (dice.below(5), work) {
                (0, _) if at + 1 < many as usize => Keeping::Nowhere,
                (1, Work::Array(_)) => Keeping::Npy,
                (2, Work::Command(_) | Work::Array(1) | Work::Sum) => Keeping::Shared("all.txt".to_owned()),
                (3, Work::Command(_) | Work::Array(1)) => Keeping::Own,
                (_, Work::Array(2..)) => Keeping::Npy,
                _ => Keeping::Shared(format!("t{at}.txt")),
            };
            let is_flaky = dice.one_in(3) && matches!(work, Work::Command(_));
            let mended = if matches!(work, Work::Command(_)) && dice.one_in(2) { mends } else { 0 };
            let factor = 1 + dice.below(9);
            tasks.push(SimTask {
                name: format!("t{at}"),
                count,
                work,
                factor,
                reads,
                keeping,
                is_flaky,
                mended,
            });
        }
        SimScript { tasks }
    }

    /// The text of the script.
    pub(super) fn text(&self) -> String {
        let mut text = "dtask = 1\n".to_owned();
        for task in &self.tasks {
            let SimTask { name, factor, .. } = task;
            let _ = writeln!(text, "[task.{name}]");
            if let Some(count) = task.count {
                let _ = writeln!(text, "for = {{ i = \"0..{count}\" }}");
            }
            let index = if task.count.is_some() { "{i}" } else { "0" };
            let read = |of: &str| -> Vec<String> {
                task.reads.iter().map(|read| of.replace('@', &self.tasks[*read].name)).collect()
            };
            match task.work {
                Work::Command(_) => {
                    let word = |read: &usize| {
                        let SimTask { name, work, .. } = &self.tasks[*read];
                        let output = if matches!(work, Work::Command(_)) { ".stdout" } else { "" };
                        format!("{{{name}{output}}}")
                    };
                    let reads = task.reads.iter().map(word).collect::<Vec<_>>().join(" ");
                    let _ = writeln!(text, "run = \"sim {name} {index} {reads}\"");
                    if task.is_flaky {
                        let _ = writeln!(text, "retries = 1\nbackoff = \"20 ms\"");
                    }
                }
                Work::Array(length) => {
                    let index = if task.count.is_some() { "i" } else { "0" };
                    let reads: String = read(" + sum(@)").concat();
                    let expression = format!("(1.0 * {index} * {factor}{reads}) % 97");
                    let _ = match length {
                        1 => writeln!(text, "array = \"{expression}\""),
                        _ => writeln!(text, "array = \"full(({length},), 0.0) + {expression}\""),
                    };
                }
                Work::Sum => {
                    let _ = writeln!(text, "reduce = {{ of = \"{}\", with = \"add\" }}", read("@").concat());
                }
            }
            let own = if task.count.is_some() { format!("{name}-{{i}}") } else { name.clone() };
            let _ = match &task.keeping {
                Keeping::Nowhere => Ok(()),
                Keeping::Shared(path) => writeln!(text, "stdout = \"{path}\""),
                Keeping::Own => writeln!(text, "save = \"{own}.out\""),
                Keeping::Npy => writeln!(text, "save = \"{own}.npy\""),
            };
        }
        text
    }

    /// The instances of `other` that an instance of `task` reads.
    pub(super) fn inputs(&self, task: usize, index: u64, other: usize) -> std::ops::Range<u64> {
        match (self.tasks[task].count, self.tasks[other].count) {
            (Some(_), Some(_)) => index..index + 1,
            (_, count) => 0..count.unwrap_or(1),
        }
    }

    /// The files that the script makes, with their contents; of an array the bytes of its elements.
    pub(super) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut values: Vec<Vec<f64>> = Vec::new();
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (number, task) in self.tasks.iter().enumerate() {
            let mut own = Vec::new();
            for index in 0..task.instances() {
                let of = |read: &usize| -> f64 {
                    let inputs = self.inputs(number, index, *read);
                    let length = self.tasks[*read].length() as f64;
                    inputs.map(|input| values[*read][input as usize] * length).sum()
                };
                let sum: f64 = task.reads.iter().map(of).sum();
                let value = task.value(index, sum);
                own.push(value);
                let printed = task.printed(index, sum).into_bytes();
                match &task.keeping {
                    Keeping::Nowhere => {}
                    Keeping::Shared(path) => files.entry(path.clone()).or_default().extend(printed),
                    Keeping::Own => _ = files.insert(task.file(index, "out"), printed),
                    Keeping::Npy => {
                        let bytes = value.to_le_bytes().repeat(task.length() as usize);
                        files.insert(task.file(index, "npy"), bytes);
                    }
                }
            }
            values.push(own);
        }
        files
    }
}
