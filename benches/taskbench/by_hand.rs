//! Task Bench in MPI: its `mpi/nonblock.cc`. Columns are dealt to the ranks in blocks, one rank for each core; in each
//! step a rank posts its receives and sends, waits for all of them, and computes its columns.

use super::graph::Graph;
use super::point::{Stamp, flops, point};
use crate::common::Rounds;
use mpi::collective::SystemOperation;
use mpi::request::{Request, scope};
use mpi::traits::*;
use smallvec::SmallVec;
use std::ops::Range;
use std::time::Instant;

/// Where an input of an own column comes from.
enum Input {
    /// An own column.
    Own(usize),
    /// A buffer into which it is received.
    Received(usize),
}

/// A message of a step: another rank, and a tag that names both columns.
struct Message {
    rank: i32,
    tag: i32,
    /// An own column to be sent.
    column: usize,
}

/// What a rank does in a step.
#[derive(Default)]
struct Plan {
    /// One per buffer.
    receives: Vec<Message>,
    sends: Vec<Message>,
    /// Columns that compute in this step, with their inputs.
    points: Vec<(usize, SmallVec<[Input; 3]>)>,
}

/// A rank of the hand-written version.
pub struct ByHand<'a, C> {
    comm: &'a C,
}

impl<'a, C: Communicator> ByHand<'a, C> {
    /// One on each rank of `comm`.
    pub fn new(comm: &'a C) -> Self {
        ByHand { comm }
    }

    /// The peak of the kernel on all ranks together, in FLOP/s: the best of some runs of large tasks without messages.
    pub fn peak(&self) -> f64 {
        const ITERATIONS: u32 = 1 << 16;
        let graph = Graph { pattern: super::graph::Pattern::NoComm, width: self.comm.size() as u16 };
        let work = |steps| (steps * self.comm.size() as usize) as f64 * flops(ITERATIONS);
        let rates = Rounds((0..7).map(|_| work(20) / self.run(&graph, 20, ITERATIONS)).collect());
        rates.range().1
    }

    /// Seconds for `steps` steps; the same on every rank. As Task Bench does, every run is done twice, and the second
    /// one counts.
    pub fn run(&self, graph: &Graph, steps: usize, iterations: u32) -> f64 {
        let (begin, period) = graph.repeats();
        let plans: Vec<Plan> = (0..(begin + period).min(steps)).map(|step| self.plan(graph, step)).collect();
        let own = self.columns(self.comm.rank(), graph);
        let mut seconds = 0.0;
        for _ in 0..2 {
            let mut outputs = vec![[0u64; 2]; own.len()];
            let mut received =
                vec![[0u64; 2]; plans.iter().map(|plan| plan.receives.len()).max().unwrap_or(0)];
            self.comm.barrier();
            let start = Instant::now();
            for step in 0..steps {
                let at = if step < begin { step } else { begin + (step - begin) % period };
                self.step(&plans[at], &outputs, &mut received);
                let mut next: SmallVec<[[u64; 2]; 8]> = SmallVec::new();
                for (column, sources) in &plans[at].points {
                    let inputs: SmallVec<[Stamp; 3]> = sources
                        .iter()
                        .map(|source| match source {
                            Input::Own(index) => outputs[*index].into(),
                            Input::Received(index) => received[*index].into(),
                        })
                        .collect();
                    next.push(point(graph, step, *column, iterations, &inputs).into());
                }
                outputs[..next.len()].copy_from_slice(&next);
            }
            self.comm.barrier();
            let elapsed = start.elapsed().as_secs_f64();
            self.comm.all_reduce_into(&elapsed, &mut seconds, SystemOperation::max());
        }
        seconds
    }

    fn step(&self, plan: &Plan, outputs: &[[u64; 2]], received: &mut [[u64; 2]]) {
        if plan.receives.is_empty() && plan.sends.is_empty() {
            return;
        }
        scope(|scope| {
            let mut requests: SmallVec<[Request<'_, [u64], _>; 16]> = SmallVec::new();
            for (message, buffer) in plan.receives.iter().zip(received.iter_mut()) {
                let from = self.comm.process_at_rank(message.rank);
                requests.push(from.immediate_receive_into_with_tag(scope, &mut buffer[..], message.tag));
            }
            for message in &plan.sends {
                let to = self.comm.process_at_rank(message.rank);
                requests.push(to.immediate_send_with_tag(scope, &outputs[message.column][..], message.tag));
            }
            requests.into_iter().for_each(Request::wait_without_status);
        });
    }

    /// The columns of a rank.
    fn columns(&self, rank: i32, graph: &Graph) -> Range<usize> {
        let (rank, ranks, width) = (rank as usize, self.comm.size() as usize, usize::from(graph.width));
        rank * width / ranks..(rank + 1) * width / ranks
    }

    fn plan(&self, graph: &Graph, step: usize) -> Plan {
        let own = self.columns(self.comm.rank(), graph);
        let owner = |column| (0..self.comm.size()).find(|rank| self.columns(*rank, graph).contains(&column));
        let tag = |from: usize, to: usize| (from * usize::from(graph.width) + to) as i32;
        let mut plan = Plan::default();
        for column in 0..graph.width_at(step) {
            let here = own.contains(&column);
            let mut sources = SmallVec::new();
            for input in graph.inputs(step, column) {
                let rank = owner(if here { input } else { column }).expect("every column has an owner");
                let message = |column| Message { rank, tag: tag(input, column), column: 0 };
                match (here, own.contains(&input)) {
                    (true, true) => sources.push(Input::Own(input - own.start)),
                    (true, false) => {
                        sources.push(Input::Received(plan.receives.len()));
                        plan.receives.push(message(column));
                    }
                    (false, true) => {
                        plan.sends.push(Message { column: input - own.start, ..message(column) });
                    }
                    (false, false) => {}
                }
            }
            if here {
                plan.points.push((column, sources));
            }
        }
        plan
    }
}
