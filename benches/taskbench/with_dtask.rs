//! Task Bench in dtask: each point of the graph is a task whose arguments are the futures of the points that it depends
//! on. The client submits step after step and waits for all; nothing is said about ranks.

use super::graph::Graph;
use super::point::{Stamp, point};
use dtask::prelude::*;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// Which task this is, and of what.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Place {
    graph: Graph,
    step: u32,
    column: u16,
    iterations: u32,
}

impl Place {
    fn point(self, inputs: &[Stamp]) -> Stamp {
        point(&self.graph, self.step as usize, self.column.into(), self.iterations, inputs)
    }
}

fn of_none(place: Place) -> Stamp {
    place.point(&[])
}

fn of_one(place: Place, a: Stamp) -> Stamp {
    place.point(&[a])
}

fn of_two(place: Place, a: Stamp, b: Stamp) -> Stamp {
    place.point(&[a, b])
}

fn of_three(place: Place, a: Stamp, b: Stamp, c: Stamp) -> Stamp {
    place.point(&[a, b, c])
}

/// Seconds from the first submission until every task has ended.
///
/// # Errors
/// When a task has failed, or the run has ended.
///
/// # Panics
/// When tasks are missing.
pub fn run(client: &Client, graph: &Graph, steps: usize, iterations: u32) -> dtask::Result<f64> {
    let before = dtask::internal::finished(client)?;
    let submit = client.options().pure(false);
    let mut futures: Vec<Future<Stamp>> = Vec::with_capacity(graph.tasks(steps));
    let begin = Instant::now();
    let mut row = 0; // where the last step begins
    for step in 0..steps {
        let next = futures.len();
        for column in 0..graph.width_at(step) {
            let place = Place { graph: *graph, step: step as u32, column: column as u16, iterations };
            let input = |column: usize| &futures[row + column];
            let future = match graph.inputs(step, column)[..] {
                [] => submit.submit(of_none, (place,)),
                [a] => submit.submit(of_one, (place, input(a))),
                [a, b] => submit.submit(of_two, (place, input(a), input(b))),
                [a, b, c] => submit.submit(of_three, (place, input(a), input(b), input(c))),
                _ => unreachable!("no pattern takes more"),
            };
            futures.push(future);
        }
        row = next;
    }
    client.wait(&futures)?;
    let seconds = begin.elapsed().as_secs_f64();
    // a point that was given anything else than it depends on has failed
    client.gather(&futures[row..])?;
    let finished = dtask::internal::finished(client)? - before;
    assert_eq!(finished, futures.len() as u64, "tasks have failed or were not computed");
    Ok(seconds)
}
