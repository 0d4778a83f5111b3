//! Chains are submitted, judged and ended, in any order of verdicts.

use super::chains::{Chains, Verdict};
use crate::arrays::Expr;
use crate::batch::resume::todo::Todo;
use crate::script::plan::condition::Condition;
use crate::script::plan::until::Until;
use crate::script::sweep::family::Sweep;
use crate::script::sweep::param_values::ParamValues;
use crate::script::sweep::range::NumRange;
use std::collections::VecDeque;

/// A family of loops along `n`, which is the outer (0) or the inner (1) of two parameters.
fn family(along: usize, loops: u64, length: u64) -> (Sweep, Until) {
    let range = |end: u64| ParamValues::Range(NumRange::parse(&format!("0..{end}")).expect("a range"));
    let mut params = vec![("n".to_owned(), range(length)), ("case".to_owned(), range(loops))];
    params.rotate_left(along);
    let family = Sweep::product(params).expect("a family");
    let axis = family.axes()[along];
    let condition = Condition { text: "1".into(), expr: Expr::parse("1").expect("a number"), names: vec![] };
    (family, Until { condition, along: "n".into(), axis, required: false })
}

/// Runs all chains, with as many verdicts a turn as `each` says, and returns the instances that were submitted. Chain
/// number c ends at position `ends(c)`.
fn run(
    chains: &mut Chains,
    until: &Until,
    family: &Sweep,
    each: usize,
    ends: impl Fn(u64) -> u64,
) -> Vec<u64> {
    let (todo, mut open, mut submitted) = (Todo::default(), VecDeque::new(), Vec::new());
    while !chains.are_over() {
        for chain in chains.active().to_vec() {
            while let Some(instance) = chains.next(chain) {
                assert!(!chains.is_settled(instance) && !chains.is_over(instance));
                chains.submitted(chain, &todo);
                open.push_back(instance);
                submitted.push(instance);
            }
        }
        assert!(chains.low() <= family.len());
        chains.begin_turn();
        for _ in 0..each {
            let Some(instance) = open.pop_front() else { break };
            let (chain, position) = until.place(family, instance).expect("a place");
            let verdict = match position.cmp(&ends(chain)) {
                std::cmp::Ordering::Less => Verdict::GoesOn,
                std::cmp::Ordering::Equal => Verdict::Met,
                std::cmp::Ordering::Greater => Verdict::Behind,
            };
            chains.judge(instance, verdict);
        }
        chains.sweep();
    }
    submitted
}

#[test]
fn chains_end_each_at_its_own_place() {
    for along in [0, 1] {
        for each in [1, 3, 1000] {
            let (family, until) = family(along, 5, 400);
            let mut chains = Chains::new(0, &family, &until, &Todo::default());
            let ends = |chain: u64| [0, 17, 399, 1, 90][chain as usize];
            let submitted = run(&mut chains, &until, &family, each, ends);
            let needed: u64 = (0..5).map(|chain| ends(chain) + 1).sum();
            assert_eq!(chains.not_needed.count(), family.len() - needed);
            for chain in 0..5 {
                let first = until.instance(&family, chain, 0).expect("an instance");
                let last = until.instance(&family, chain, ends(chain));
                assert_eq!(chains.last(first), last);
                let own =
                    submitted.iter().filter(|at| until.place(&family, **at).is_some_and(|(c, _)| c == chain));
                assert!(own.count() as u64 > ends(chain));
            }
            assert_eq!((chains.low(), chains.unmet().count()), (family.len(), 0));
        }
    }
}

#[test]
fn a_slow_chain_is_not_submitted_beyond_its_end() {
    let (family, until) = family(1, 1, 1000);
    let mut chains = Chains::new(0, &family, &until, &Todo::default());
    let todo = Todo::default();
    for position in 0..8 {
        assert_eq!(chains.next(0), Some(position));
        chains.submitted(0, &todo);
        assert_eq!(chains.next(0), None, "one at a time");
        // several looks go by before it ends
        (0..5).for_each(|_| chains.begin_turn());
        chains.judge(position, if position < 7 { Verdict::GoesOn } else { Verdict::Met });
    }
    chains.sweep();
    assert!(chains.are_over() && chains.is_over(500) && chains.is_settled(999));
    assert_eq!((chains.last(0), chains.not_needed.count()), (Some(7), 992));
}

#[test]
fn a_broken_chain_leaves_the_others_alone() {
    let (family, until) = family(1, 2, 10);
    let mut chains = Chains::new(0, &family, &until, &Todo::default());
    let todo = Todo::default();
    chains.submitted(0, &todo);
    chains.submitted(1, &todo);
    chains.begin_turn();
    assert_eq!(chains.judge(0, Verdict::Broken), Some((0, 1..10)));
    assert_eq!(chains.judge(10, Verdict::GoesOn), None);
    chains.sweep();
    assert_eq!((chains.active(), chains.not_needed.count()), (&[1][..], 0));
    assert_eq!(chains.unsubmitted(&todo).count(), 9);
}

#[test]
fn what_is_told_to_be_behind_the_end_first_is_the_end() {
    let (family, until) = family(1, 1, 1000);
    let mut chains = Chains::new(0, &family, &until, &Todo::default());
    let todo = Todo::default();
    // a chain that runs dry at each look comes to be submitted ahead of its verdicts
    let mut open = Vec::new();
    while open.len() < 4 {
        open.clear();
        while let Some(instance) = chains.next(0) {
            chains.submitted(0, &todo);
            open.push(instance);
        }
        if open.len() < 4 {
            for instance in &open {
                chains.begin_turn();
                assert_eq!(chains.judge(*instance, Verdict::GoesOn), None);
            }
        }
    }
    let [first, second, third, fourth] = open[..] else { panic!("{open:?}") };
    chains.begin_turn();
    // rank 0 may see the verdict of a later instance before that of the end: what it would submit now would find
    // nothing before it, and begin the loop again by `else`
    assert_eq!(chains.judge(third, Verdict::Behind), Some((0, fourth + 1..1000)));
    assert_eq!((chains.next(0), chains.is_over(first)), (None, false));
    assert_eq!(chains.judge(fourth, Verdict::Behind), None);
    assert_eq!(chains.judge(second, Verdict::Behind), None);
    assert_eq!(chains.judge(first, Verdict::Met), None);
    chains.sweep();
    assert!(chains.are_over());
    assert_eq!((chains.last(0), chains.not_needed.count()), (Some(first), 1000 - first - 1));
}
