//! Tasks that do nothing: how many a second, and how long one takes.

use super::threads::Snapshot;
use super::{inc, run, settle, timed};
use crate::common::Rounds;
use crate::common::table::{Row, head, rate, time};
use crate::raw;
use dtask::prelude::*;
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;
use rustix::time::{ClockId, clock_gettime};
use std::time::Instant;

const ROUNDS: usize = 5;
/// Tasks at a time, and how often in a round.
const COUNTS: [(i64, usize); 3] = [(10_000, 10), (100_000, 3), (1_000_000, 1)];

/// What a batch of tasks took, in seconds.
struct Batch {
    all: f64,
    submitting: f64,
    /// Processor time of the thread that submits.
    submitting_cpu: f64,
}

/// How tasks are submitted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    OneByOne,
    Map,
}

/// All batches of so many tasks that were submitted so.
struct Series {
    how: How,
    count: i64,
    /// Batches of a round.
    times: usize,
    batches: Vec<Batch>,
    /// The median share of raw MPI's rate in each round.
    shares: Rounds,
}

impl Series {
    fn median(&self, of: fn(&Batch) -> f64) -> f64 {
        Rounds(self.batches.iter().map(of).collect()).median() / self.count as f64
    }

    fn round(&mut self, client: &Client, raw: f64) -> dtask::Result<()> {
        let mut shares = Rounds::default();
        for _ in 0..self.times {
            let batch = batch(client, self.count, self.how)?;
            shares.push(self.count as f64 / batch.all / raw);
            self.batches.push(batch);
        }
        self.shares.push(shares.median());
        Ok(())
    }

    fn print(&self, raw_rate: f64) {
        let how = if self.how == How::Map { "by map" } else { "one by one" };
        let what = format!("{} no-op tasks, {how}, gathered", power(self.count));
        let row = Row::new(&what, rate(1.0 / self.median(|batch| batch.all)))
            .beside(format!("raw MPI, window 64: {}", rate(raw_rate)))
            .ratio(&self.shares);
        if self.how == How::Map {
            return row.print();
        }
        row.at_least(self.shares.median(), 0.33, 0.66).print();
        let submit = self.median(|batch| batch.submitting);
        Row::new("  submit() alone", time(submit)).below(submit * 1e9, 500.0, 150.0, " ns").print();
        let cpu = self.median(|batch| batch.submitting_cpu);
        Row::new("  submit() alone, processor time", time(cpu)).print();
    }
}

fn power(count: i64) -> String {
    format!("10^{}", count.ilog10())
}

fn thread_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn batch(client: &Client, count: i64, how: How) -> dtask::Result<Batch> {
    let (begin, cpu) = (Instant::now(), thread_seconds());
    let futures: Vec<_> = match how {
        How::OneByOne => (0..count).map(|x| client.submit(inc, (x,))).collect(),
        How::Map => client.map(inc, 0..count),
    };
    let (submitting, submitting_cpu) = (begin.elapsed().as_secs_f64(), thread_seconds() - cpu);
    let results = client.gather(&futures)?;
    let all = begin.elapsed().as_secs_f64();
    assert!(results.iter().copied().eq(1..=count), "wrong results");
    drop(futures);
    settle(client)?;
    Ok(Batch { all, submitting, submitting_cpu })
}

/// Throughput of independent tasks on one computing rank.
pub fn throughput(world: &SimpleCommunicator) {
    let mut raw_rate = Rounds::default();
    let series =
        |(count, times), how| Series { how, count, times, batches: Vec::new(), shares: Rounds::default() };
    let mut all: Vec<[Series; 2]> =
        COUNTS.into_iter().map(|size| [series(size, How::OneByOne), series(size, How::Map)]).collect();
    let mut threads = None;
    for round in 0..ROUNDS {
        let raw = raw::request_reply(world, 64, 300_000, 64);
        raw_rate.push(raw);
        run(world, round + 1 == ROUNDS, |client| {
            batch(client, 10_000, How::OneByOne)?;
            for [one_by_one, mapped] in &mut all {
                let (before, begin) = (Snapshot::take(client)?, Instant::now());
                one_by_one.round(client, raw)?;
                let seconds = begin.elapsed().as_secs_f64();
                threads = Some((before, Snapshot::take(client)?, seconds));
                mapped.round(client, raw)?;
            }
            Ok(())
        });
    }
    if world.rank() > 0 {
        return;
    }
    head();
    all.iter().flatten().for_each(|series| series.print(raw_rate.median()));
    let (few, many) = (&all[0][0], &all[2][0]);
    let growth = few.shares.over(&many.shares);
    Row::new("cost of a task at 10^6", time(many.median(|batch| batch.all)))
        .beside(format!("at 10^4: {}", time(few.median(|batch| batch.all))))
        .ratio(&growth)
        .below(growth.median(), 1.3, 1.0, "")
        .print();
    if let Some((before, after, seconds)) = &threads {
        println!("  Where the time goes at 10^6 tasks, one by one:");
        after.print_since(before, *seconds);
    }
}

/// From submit to result, one task at a time.
pub fn trip(world: &SimpleCommunicator) {
    let (mut raw_trip, mut trips, mut slow) = (Rounds::default(), Rounds::default(), Rounds::default());
    for round in 0..2 * ROUNDS + 1 {
        raw_trip.push(raw::round_trip(world, 8, 20_000));
        run(world, round + 1 == 2 * ROUNDS + 1, |client| {
            let trip = |x| timed(|| client.options().pure(false).submit(inc, (x,)).result());
            for x in 0..500 {
                trip(x)?;
            }
            let times = (0..2_000).map(|x| trip(x).map(|(seconds, _)| seconds));
            let mut times: Vec<f64> = times.collect::<dtask::Result<_>>()?;
            times.sort_by(f64::total_cmp);
            trips.push(times[times.len() / 2]);
            slow.push(times[times.len() * 99 / 100]);
            Ok(())
        });
    }
    if world.rank() > 0 {
        return;
    }
    head();
    let ratios = trips.over(&raw_trip);
    Row::new("submit → result, median", time(trips.median()))
        .beside(format!("raw 8-byte round trip: {}", time(raw_trip.median())))
        .ratio(&ratios)
        .below(ratios.median(), 20.0, 5.0, "")
        .print();
    Row::new("  99 of 100 are faster than", time(slow.median())).print();
}

/// A chain: each task takes the result of the one before.
pub fn chain(world: &SimpleCommunicator) {
    const LINKS: i64 = 1_000;
    let mut rounds = Rounds::default();
    for round in 0..ROUNDS {
        run(world, round + 1 == ROUNDS, |client| {
            let submit = client.options().pure(false);
            let mut times = Rounds::default();
            for _ in 0..11 {
                let (seconds, last) = timed(|| {
                    let first = submit.submit(inc, (0,));
                    (1..LINKS).fold(first, |last, _| submit.submit(inc, (last,))).result()
                })?;
                assert_eq!(last, LINKS, "wrong results");
                times.push(seconds / LINKS as f64);
                settle(client)?;
            }
            rounds.push(times.median());
            Ok(())
        });
    }
    if world.rank() == 0 {
        head();
        let (least, greatest) = rounds.range();
        Row::new("chain of 1,000, per link", time(rounds.median()))
            .beside(format!("{} to {}", time(least), time(greatest)))
            .below(rounds.median() * 1e6, 3.0, 1.0, " µs")
            .print();
    }
}
