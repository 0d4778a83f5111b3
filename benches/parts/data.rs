//! Results that move from rank to rank.

use super::{run, settle, sum, timed};
use crate::common::Rounds;
use crate::common::table::{Row, head, time};
use crate::raw;
use dtask::prelude::*;
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;

const ROUNDS: usize = 5;
const FROM: Rank = Rank(1);
const TO: Rank = Rank(2);

fn fill(len: usize, x: f64) -> Vec<f64> {
    vec![x; len]
}

/// A result of 512 MiB on one rank, summed on another.
pub fn bulk(world: &SimpleCommunicator) {
    const BYTES: usize = 512 << 20;
    let (mut by_hand, mut own) = (Rounds::default(), Rounds::default());
    for round in 0..ROUNDS {
        by_hand.push(raw::data::bulk(world, BYTES / 8));
        run(world, round + 1 == ROUNDS, |client| {
            let x = 1.0 + round as f64;
            let data = client.options().on(FROM).submit(fill, (BYTES / 8, x));
            client.wait([&data])?;
            let (seconds, total) = timed(|| client.options().on(TO).submit(sum, (&data,)).result())?;
            assert_eq!(total, x * (BYTES / 8) as f64, "numbers were lost");
            own.push(seconds);
            Ok(())
        });
    }
    if world.rank() == 0 {
        head();
        let ratios = by_hand.over(&own);
        let speed = |rounds: &Rounds| format!("{:.2} GB/s", BYTES as f64 / rounds.median() / 1e9);
        Row::new("512 MiB moved and summed, first time", speed(&own))
            .beside(format!("MPI by hand: {}", speed(&by_hand)))
            .ratio(&ratios)
            .at_least(ratios.median(), 0.85, 0.97)
            .print();
    }
}

/// Ten thousand results of 1 KiB on one rank, each summed on another.
pub fn small(world: &SimpleCommunicator) {
    const COUNT: usize = 10_000;
    const LEN: usize = 128;
    let (mut by_hand, mut own) = (Rounds::default(), Rounds::default());
    for round in 0..ROUNDS {
        let times = (0..3).map(|_| raw::data::small(world, COUNT, LEN, 64) / COUNT as f64);
        by_hand.push(Rounds(times.collect()).median());
        run(world, round + 1 == ROUNDS, |client| {
            let mut times = Rounds::default();
            for _ in 0..3 {
                let data: Vec<_> =
                    client.options().on(FROM).starmap(fill, (0..COUNT).map(|k| (LEN, k as f64)));
                client.wait(&data)?;
                let (seconds, totals) = timed(|| client.gather(client.options().on(TO).map(sum, &data)))?;
                let expected = (0..COUNT).map(|k| (k * LEN) as f64);
                assert!(totals.into_iter().eq(expected), "numbers were lost");
                times.push(seconds / COUNT as f64);
                drop(data);
                settle(client)?;
            }
            own.push(times.median());
            Ok(())
        });
    }
    if world.rank() == 0 {
        head();
        Row::new("10,000 × 1 KiB moved and summed, each", time(own.median()))
            .beside(format!("MPI by hand, window 64: {}", time(by_hand.median())))
            .ratio(&own.over(&by_hand))
            .print();
    }
}

/// Results of 127 bytes, which travel inside messages, and longer ones, which lie where they were made, gathered.
pub fn gathers(world: &SimpleCommunicator) {
    const LENGTHS: [usize; 4] = [127, 200, 1_000, 10_000];
    let text = |length: usize, k: u64| format!("{k:length$}");
    let mut own: Vec<Rounds> = LENGTHS.iter().map(|_| Rounds::default()).collect();
    for round in 0..ROUNDS {
        run(world, round + 1 == ROUNDS, |client| {
            for (length, rounds) in LENGTHS.into_iter().zip(&mut own) {
                let count = 40_000_000 / (length as u64 + 2_000);
                // its length is encoded in one byte or three
                let characters = if length < 252 { length - 1 } else { length - 3 };
                let texts = client.options().pure(false).starmap(text, (0..count).map(|k| (characters, k)));
                client.wait(&texts)?;
                let (seconds, got) = timed(|| client.gather(&texts))?;
                assert!(got.iter().all(|text| text.len() == characters), "texts were lost");
                rounds.push(seconds / count as f64);
                drop(texts);
                settle(client)?;
            }
            Ok(())
        });
    }
    if world.rank() == 0 {
        head();
        for (length, rounds) in LENGTHS.into_iter().zip(&own) {
            let row = Row::new(&format!("results of {length} bytes gathered, each"), time(rounds.median()));
            if length > LENGTHS[0] { row.ratio(&rounds.over(&own[0])).print() } else { row.print() }
        }
    }
}
