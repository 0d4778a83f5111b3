//! Random scripts with chains, circles of families, `else` and `when`, against an oracle that computes one instance
//! after the other. `DTASK_SEEDS=500` looks at more of them.

use super::Folder;
use std::collections::HashMap;
use std::fmt::Write;

/// A generator of numbers (splitmix64): a seed makes the same script again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// A term of the expression of a task: the task that is read, how many positions before the own one, and the number
/// that stands for it where it is not there; without one, the reading instance is skipped.
struct Term {
    task: usize,
    lag: u64,
    otherwise: Option<u64>,
}

struct Node {
    factor: u64,
    terms: Vec<Term>,
    /// The remainder by 3 of the sum of the index and of the task that is read which is skipped.
    when: Option<(Option<Term>, u64)>,
}

struct Graph {
    count: u64,
    nodes: Vec<Node>,
}

impl Graph {
    fn random(dice: &mut Dice) -> Graph {
        let tasks = 2 + dice.below(5) as usize;
        let nodes = (0..tasks).map(|at| {
            let term = |dice: &mut Dice| {
                // one before reads what it likes, one at the same place only earlier tasks
                let lag = if at == 0 { 1 + dice.below(3) } else { dice.below(4) };
                let task = dice.below(if lag > 0 { tasks } else { at } as u64) as usize;
                let otherwise = (lag > 0 || dice.below(2) == 0).then(|| dice.below(50));
                Term { task, lag, otherwise }
            };
            let terms = (0..dice.below(4)).map(|_| term(dice)).collect();
            let when = (dice.below(3) == 0).then(|| {
                let of = (dice.below(2) == 0).then(|| term(dice));
                (of, dice.below(3))
            });
            Node { factor: 1 + dice.below(9), terms, when }
        });
        let nodes = nodes.collect();
        Graph { count: 3 + dice.below(20), nodes }
    }

    fn script(&self, name: &str, text: &mut String) {
        let written = |term: &Term| {
            let place = if term.lag > 0 { format!("[i = i-{}]", term.lag) } else { String::new() };
            match term.otherwise {
                Some(number) => format!("({name}{}{place} else {number})", term.task),
                None => format!("{name}{}{place}", term.task),
            }
        };
        for (at, node) in self.nodes.iter().enumerate() {
            let _ = writeln!(text, "[task.{name}{at}]\nfor = {{ i = \"0..{}\" }}", self.count);
            let terms: String = node.terms.iter().map(|term| format!(" + {}", written(term))).collect();
            let _ = writeln!(text, "array = \"(i * {}{terms}) % 97\"", node.factor);
            if let Some((term, rest)) = &node.when {
                let term = term.as_ref().map(|term| format!(" + {}", written(term))).unwrap_or_default();
                let _ = writeln!(text, "when = \"(i{term}) % 3 != {rest}\"");
            }
            let _ = writeln!(text, "[task.end_{name}{at}]\nfor = {{ i = \"0..{}\" }}", self.count);
            let _ = writeln!(text, "array = \"{name}{at} else -1\"\nstdout = \"{name}{at}.txt\"");
            let _ =
                writeln!(text, "[task.sum_{name}{at}]\nreduce = {{ of = \"{name}{at}\", with = \"add\" }}");
            let _ = writeln!(
                text,
                "[task.told_{name}{at}]\narray = \"sum_{name}{at} else -1\"\nstdout = \"sum_{name}{at}.txt\""
            );
        }
    }

    fn value(&self, at: usize, index: u64, known: &mut HashMap<(usize, u64), Option<u64>>) -> Option<u64> {
        if let Some(value) = known.get(&(at, index)) {
            return *value;
        }
        let node = &self.nodes[at];
        let mut read = |term: &Term| {
            let there = index.checked_sub(term.lag).and_then(|before| self.value(term.task, before, known));
            there.or(term.otherwise)
        };
        let sum =
            node.terms.iter().map(&mut read).try_fold(index * node.factor, |sum, term| Some(sum + term?));
        let runs = match &node.when {
            None => Some(true),
            Some((None, rest)) => Some(index % 3 != *rest),
            Some((Some(term), rest)) => read(term).map(|value| (index + value) % 3 != *rest),
        };
        let value = sum.filter(|_| runs == Some(true)).map(|sum| sum % 97);
        known.insert((at, index), value);
        value
    }
}

#[test]
fn random_graphs_of_chains_and_conditions_are_what_one_after_the_other_gives() {
    let seeds: u64 = std::env::var("DTASK_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(24);
    const TOGETHER: u64 = 8;
    for first in (0..seeds).step_by(TOGETHER as usize) {
        let graphs: Vec<Graph> =
            (first..first + TOGETHER).map(|seed| Graph::random(&mut Dice(seed))).collect();
        let mut text = String::new();
        graphs.iter().enumerate().for_each(|(number, graph)| graph.script(&format!("g{number}_"), &mut text));
        let folder = Folder::script(&text);
        for ranks in [1, 2, 4] {
            folder.run(ranks, &["--fresh", "s.toml"]).assert_success();
            for (number, graph) in graphs.iter().enumerate() {
                let mut known = HashMap::new();
                for at in 0..graph.nodes.len() {
                    let values: Vec<Option<u64>> =
                        (0..graph.count).map(|index| graph.value(at, index, &mut known)).collect();
                    let shown = |value: Option<u64>| value.map_or(-1.0, |value| value as f64);
                    let expected: String =
                        values.iter().map(|value| format!("{:?}\n", shown(*value))).collect();
                    let seed = first + number as u64;
                    let found = folder.read(&format!("g{number}_{at}.txt"));
                    assert_eq!(found, expected, "seed {seed}, task {at}, {ranks} ranks\n{text}");
                    let all: Vec<u64> = values.iter().copied().flatten().collect();
                    let sum = if all.is_empty() { None } else { Some(all.iter().sum()) };
                    let found = folder.read(&format!("sum_g{number}_{at}.txt"));
                    assert_eq!(found, format!("{:?}\n", shown(sum)), "seed {seed}, sum of {at}\n{text}");
                }
            }
        }
    }
}
