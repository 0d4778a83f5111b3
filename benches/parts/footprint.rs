//! What a run costs beside time on its cores: memory, and processor time while nothing is to be done.

use super::{inc, run, settle};
use crate::common::table::{Row, head, rate};
use dtask::prelude::*;
use mpi::topology::SimpleCommunicator;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// A number from `/proc/self/status`, in bytes.
fn status(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|word| word.parse::<f64>().ok()).unwrap_or(f64::NAN) * 1024.0
}

fn resident(_: u64) -> f64 {
    status("VmRSS")
}

/// Processor time that this process has used so far, in seconds.
fn cpu_seconds(_: u64) -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn compute(seconds: f64) -> f64 {
    let begin = Instant::now();
    let mut x = 1.0f64;
    while begin.elapsed().as_secs_f64() < seconds {
        x = (0..1000).fold(x, |x, _| (x + 1.0).sqrt());
    }
    x
}

/// What `question` gives on each rank.
fn everywhere(
    client: &Client,
    question: fn(u64) -> f64,
    ask: impl Fn(Rank) -> dtask::Result<f64>,
) -> dtask::Result<Vec<f64>> {
    let others = (1..client.ranks() as u32).map(|rank| ask(Rank(rank)));
    std::iter::once(Ok(question(0))).chain(others).collect()
}

fn resident_everywhere(client: &Client) -> dtask::Result<Vec<f64>> {
    settle(client)?;
    everywhere(client, resident, |rank| client.options().pure(false).on(rank).submit(resident, (0,)).result())
}

fn cpu_everywhere(client: &Client) -> dtask::Result<Vec<f64>> {
    everywhere(client, cpu_seconds, |rank| {
        client.options().pure(false).on(rank).submit(cpu_seconds, (0,)).result()
    })
}

/// Memory of rank 0 for each of a million tasks, and what is left when they are released.
pub fn memory(world: &SimpleCommunicator) {
    run(world, true, |client| {
        const COUNT: i64 = 1_000_000;
        client.gather(client.map(inc, 0..1_000))?;
        settle(client)?;
        head();
        let before = status("VmRSS");
        let each = |bytes: f64| (bytes - before) / COUNT as f64;
        let text = |bytes: f64| format!("{bytes:.0} bytes/task");
        for round in ["first", "second"] {
            let futures: Vec<_> = (0..COUNT).map(|x| client.submit(inc, (x,))).collect();
            client.wait(&futures)?;
            let (held, peak) = (each(status("VmRSS")), each(status("VmHWM")));
            drop(futures);
            settle(client)?;
            let left = each(status("VmRSS"));
            let what = |what: &str| format!("{round} 10^6 tasks, rank 0: {what}");
            Row::new(&what("done, futures held"), text(held)).below(held, 200.0, 200.0, " bytes").print();
            Row::new(&what("at the fullest"), text(peak)).below(peak, 200.0, 200.0, " bytes").print();
            Row::new(&what("not given back"), text(left)).print();
        }
        Ok(())
    });
}

/// Ten million tasks through one run: does memory grow?
pub fn many(world: &SimpleCommunicator) {
    const COUNT: u64 = 10_000_000;
    const WINDOW: u64 = 100_000;
    const EARLY: u64 = 1_000_000;
    run(world, true, |client| {
        head();
        let report = |what: &str, early: &[f64], late: &[f64], seconds: f64| {
            Row::new(&format!("10^7 tasks, {what}"), rate(COUNT as f64 / seconds)).print();
            for (rank, (early, late)) in early.iter().zip(late).enumerate() {
                let growth = (late - early) / (COUNT - EARLY) as f64;
                let from_to = format!("{:.0} → {:.0} MiB", early / 1048576.0, late / 1048576.0);
                Row::new(
                    &format!("  growth of rank {rank} from 10^6 to 10^7"),
                    format!("{growth:.2} bytes/task"),
                )
                .beside(from_to)
                .below(growth, 1.0, 0.1, " bytes")
                .print();
            }
        };
        let begin = Instant::now();
        let mut early = Vec::new();
        for start in (0..COUNT).step_by(WINDOW as usize) {
            if start == EARLY {
                early = resident_everywhere(client)?;
            }
            let xs = start as i64..(start + WINDOW) as i64;
            let futures: Vec<_> = xs.clone().map(|x| client.submit(inc, (x,))).collect();
            assert!(client.gather(futures)?.into_iter().eq(xs.map(inc)), "wrong results");
        }
        let seconds = begin.elapsed().as_secs_f64();
        report("submitted in windows of 10^5 and dropped", &early, &resident_everywhere(client)?, seconds);
        let begin = Instant::now();
        let family = client.family(|x: u64| x + 1, COUNT);
        for start in (0..COUNT).step_by(WINDOW as usize) {
            if start == EARLY {
                early = resident_everywhere(client)?;
            }
            let results = client.gather(family.range(start..start + WINDOW))?;
            assert!(results.into_iter().eq(start + 1..=start + WINDOW), "wrong results");
        }
        let seconds = begin.elapsed().as_secs_f64();
        report("one family, taken in windows of 10^5", &early, &resident_everywhere(client)?, seconds);
        Ok(())
    });
}

/// What ranks burn that have nothing to do.
pub fn idle(world: &SimpleCommunicator) {
    run(world, true, |client| {
        head();
        let spent = |what: &str, ranks: &[usize], wait: &dyn Fn() -> dtask::Result<()>| {
            let (before, begin) = (cpu_everywhere(client)?, Instant::now());
            wait()?;
            let (after, seconds) = (cpu_everywhere(client)?, begin.elapsed().as_secs_f64());
            for &rank in ranks {
                let share = (after[rank] - before[rank]) / seconds * 100.0;
                Row::new(&format!("rank {rank} while {what}"), format!("{share:.2} % of a core"))
                    .below(share, 2.0, 0.5, " %")
                    .print();
            }
            Ok(())
        };
        spent("rank 1 computes for 8 s", &[0, 2], &|| {
            let limit = Duration::from_secs(60);
            client.options().on(Rank(1)).submit(compute, (8.0,)).result_timeout(limit).map(|_| ())
        })?;
        spent("the client sleeps for 8 s", &[0, 1, 2], &|| {
            std::thread::sleep(Duration::from_secs(8));
            Ok(())
        })
    });
}
