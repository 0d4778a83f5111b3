//! A stream: source → map → window → sink, four tasks that run at once and hand their items over by channels.
//!
//! Shows channels (`client.channel`) as arguments of tasks, back-pressure (the source waits while 256 items are under
//! way), an end by `close`, and what an item costs. `mpirun -n 3 stream [ITEMS]` prints something like
//!
//! ```text
//! 4 windows of 50000 readings, means 0.500 to 0.500
//! 200000 items of 100 bytes between two ranks: 410000 a second
//! ```
//!
//! The stream has no end of its own: it ends when the source closes its channel, and each stage when the one before it
//! has ended.

use dtask::prelude::*;
use std::time::Instant;

/// A reading of a sensor.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Reading {
    number: u64,
    value: f64,
}

fn source(out: Sender<Reading>, count: u64) -> Result<u64, Failure> {
    for number in 0..count {
        // a low-discrepancy sequence in place of a sensor
        let value = (number as f64 * 0.618_033_988_749_894_9).fract();
        out.send(Reading { number, value })?;
    }
    out.close();
    Ok(count)
}

fn map(input: Receiver<Reading>, out: Sender<Reading>) -> Result<u64, Failure> {
    let mut passed = 0;
    for reading in &input {
        let Reading { number, value } = reading?;
        out.send(Reading { number, value: value.sqrt().powi(2) })?;
        passed += 1;
    }
    Ok(passed)
}

fn window(input: Receiver<Reading>, out: Sender<f64>, size: usize) -> Result<u64, Failure> {
    let (mut values, mut windows) = (Vec::with_capacity(size), 0);
    for reading in &input {
        values.push(reading?.value);
        if values.len() == size {
            out.send(values.drain(..).sum::<f64>() / size as f64)?;
            windows += 1;
        }
    }
    Ok(windows)
}

fn sink(input: Receiver<f64>) -> Result<Vec<f64>, Failure> {
    let means: Result<Vec<f64>, dtask::Error> = input.iter().collect();
    Ok(means?)
}

fn packets(out: Sender<Vec<u8>>, count: u64) -> Result<(), Failure> {
    let packet = vec![7; 100];
    (0..count).try_for_each(|_| out.send(packet.clone()))?;
    Ok(())
}

fn count(input: Receiver<Vec<u8>>) -> Result<(u64, f64), Failure> {
    input.recv()?;
    let begin = Instant::now();
    let mut bytes = 0;
    for packet in &input {
        bytes += packet?.len() as u64;
    }
    Ok((bytes / 100, begin.elapsed().as_secs_f64()))
}

fn main() -> dtask::Result<()> {
    let items: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(200_000);
    dtask::run(|client| {
        let size = (items / 4).max(1);
        let (to_map, from_source) = client.channel(256);
        let (to_window, from_map) = client.channel(256);
        let (to_sink, from_window) = client.channel(8);
        let means = client.submit(sink, (from_window,));
        let stages = [
            client.submit(window, (from_map, to_sink, size as usize)),
            client.submit(map, (from_source, to_window)),
            client.submit(source, (to_map, items)),
        ];
        let means = means.result()?;
        client.gather(stages)?;
        let (least, most) = means.iter().fold((1.0f64, 0.0f64), |(l, m), &mean| (l.min(mean), m.max(mean)));
        println!("{} windows of {size} readings, means {least:.3} to {most:.3}", means.len());

        // from rank 1 to the last one; alone, from rank 0 to itself
        let last = Rank(client.ranks() as u32 - 1);
        let (tx, rx) = client.channel(1024);
        let counted = client.options().on(last).submit(count, (rx,));
        let sent = client.options().on(Rank(1.min(last.0))).submit(packets, (tx, items + 1));
        let (number, seconds) = counted.result()?;
        sent.result()?;
        println!("{number} items of 100 bytes between two ranks: {:.0} a second", number as f64 / seconds);
        Ok(())
    })
}
