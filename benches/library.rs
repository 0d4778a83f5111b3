//! What objects cost: calls of actors, items of channels, queues, events, functions on every rank. Each figure stands
//! beside raw MPI where that has a counterpart, measured in turns on the same three ranks.
//!
//! `cargo bench --bench library`; it starts itself under `mpirun`. A figure is the median of the rounds.

mod common;

use common::Rounds;
use common::launch::{Outcome, cores, job, rank_arguments};
use common::table::{Row, head, rate, time};
use dtask::prelude::*;
use mpi::topology::SimpleCommunicator;
use mpi::traits::*;
use std::time::Instant;

const ROUNDS: usize = 5;
const CALLS: u64 = 2_000;
const ITEMS: u64 = 200_000;

fn main() {
    if rank_arguments().is_some() {
        let (universe, _) = mpi::initialize_with_threading(mpi::Threading::Serialized).expect("MPI starts");
        return ranks(&universe.world());
    }
    let mut outcome = Outcome::default();
    println!("\nobjects: 3 ranks on {} cores", cores());
    let ended = job(3, 240, &["objects".into()], |line| outcome.print(line));
    outcome.ended("objects", ended);
    outcome.finish();
}

/// Seconds that each of `n` calls of `work` takes.
fn each<E>(n: u64, mut work: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let begin = Instant::now();
    for _ in 0..n {
        work()?;
    }
    Ok(begin.elapsed().as_secs_f64() / n as f64)
}

/// Seconds of a message of 100 bytes from rank 0 to rank 1 and back.
fn raw_round_trip(comm: &SimpleCommunicator) -> f64 {
    let mut buffer = [7u8; 100];
    let begin = Instant::now();
    for _ in 0..CALLS {
        match comm.rank() {
            0 => {
                comm.process_at_rank(1).send(&buffer[..]);
                comm.process_at_rank(1).receive_into(&mut buffer[..]);
            }
            1 => {
                comm.process_at_rank(0).receive_into(&mut buffer[..]);
                comm.process_at_rank(0).send(&buffer[..]);
            }
            _ => {}
        }
    }
    let seconds = begin.elapsed().as_secs_f64() / CALLS as f64;
    comm.barrier();
    seconds
}

/// Messages of 100 bytes a second from rank 1 to rank 2, with a reply after each 1,024, as the capacity of a channel.
fn raw_stream(comm: &SimpleCommunicator) -> f64 {
    let mut buffer = [7u8; 100];
    comm.barrier();
    let begin = Instant::now();
    for number in 1..=ITEMS {
        match comm.rank() {
            1 => comm.process_at_rank(2).send(&buffer[..]),
            2 => {
                comm.process_at_rank(1).receive_into(&mut buffer[..]);
            }
            _ => break,
        }
        if number % 1024 == 0 {
            match comm.rank() {
                1 => comm.process_at_rank(2).receive_into(&mut buffer[..1]).count(u8::equivalent_datatype()),
                _ => {
                    comm.process_at_rank(1).send(&buffer[..1]);
                    0
                }
            };
        }
    }
    comm.barrier();
    ITEMS as f64 / begin.elapsed().as_secs_f64()
}

fn raw_barrier(comm: &SimpleCommunicator) -> f64 {
    comm.barrier();
    let begin = Instant::now();
    (0..CALLS).for_each(|_| comm.barrier());
    begin.elapsed().as_secs_f64() / CALLS as f64
}

struct Counter(u64);

fn add(counter: &mut Counter, n: u64) -> u64 {
    counter.0 += n;
    counter.0
}

fn source(out: Sender<Vec<u8>>, count: u64) -> Result<(), Failure> {
    let packet = vec![7; 100];
    (0..count).try_for_each(|_| out.send(packet.clone()))?;
    Ok(())
}

fn sink(input: Receiver<Vec<u8>>) -> Result<f64, Failure> {
    input.recv()?;
    let (begin, mut items) = (Instant::now(), 0u64);
    for packet in &input {
        items += packet?.len() as u64 / 100;
    }
    Ok(items as f64 / begin.elapsed().as_secs_f64())
}

/// Answers each set of `there` by one of `back`.
fn echo(there: Event, back: Event, times: u64) -> Result<(), Failure> {
    for _ in 0..times {
        there.wait()?;
        there.clear()?;
        back.set()?;
    }
    Ok(())
}

/// Items a second from rank 1 to rank 2.
fn stream(client: &Client, capacity: u32, items: u64) -> dtask::Result<f64> {
    let (tx, rx) = client.channel(capacity);
    let rate = client.options().on(Rank(2)).submit(sink, (rx,));
    let sent = client.options().on(Rank(1)).submit(source, (tx, items + 1));
    let rate = rate.result()?;
    sent.result().map(|()| rate)
}

#[derive(Default)]
struct Figures {
    call: Rounds,
    many_calls: Rounds,
    wide: Rounds,
    narrow: Rounds,
    queue: Rounds,
    event: Rounds,
    every_rank: Rounds,
}

fn measure(client: &Client, figures: &mut Figures, round: usize) -> dtask::Result<()> {
    let counter = client.options().on(Rank(1)).actor(|n: u64| Counter(n), (0,));
    figures.call.push(each(CALLS, || counter.call(add, (1,)).result().map(drop))?);
    let begin = Instant::now();
    let calls: Vec<Future<u64>> = (0..CALLS).map(|_| counter.call(add, (1,))).collect();
    client.gather(calls)?;
    figures.many_calls.push(begin.elapsed().as_secs_f64() / CALLS as f64);
    figures.wide.push(stream(client, 1024, ITEMS)?);
    figures.narrow.push(stream(client, 8, ITEMS / 10)?);
    let queue = client.queue(&format!("queue {round}"));
    let put_and_get = || queue.put(vec![7u8; 100]).and_then(|()| queue.get().map(drop));
    figures.queue.push(each(CALLS, put_and_get)?);
    let (there, back) = (client.event("there"), client.event("back"));
    let echo = client.options().pure(false).on(Rank(1)).submit(echo, (&there, &back, CALLS / 4));
    let turn = || {
        there.set()?;
        back.wait()?;
        back.clear()
    };
    figures.event.push(each(CALLS / 4, turn)? / 2.0);
    echo.result()?;
    figures.every_rank.push(each(CALLS / 4, || client.run_on_all(|| (), ()).map(drop))?);
    Ok(())
}

fn ranks(comm: &SimpleCommunicator) {
    let mut figures = Figures::default();
    let (mut trip, mut raw, mut barrier) = (Rounds::default(), Rounds::default(), Rounds::default());
    for round in 0..ROUNDS {
        trip.push(raw_round_trip(comm));
        raw.push(raw_stream(comm));
        barrier.push(raw_barrier(comm));
        dtask::run_on(comm, |client| measure(client, &mut figures, round)).expect("a run");
    }
    if comm.rank() > 0 {
        return;
    }
    let beside_trip = format!("raw round trip of 100 bytes: {}", time(trip.median()));
    head();
    Row::new("actor: call and reply, one after the other", time(figures.call.median()))
        .beside(beside_trip.clone())
        .ratio(&figures.call.over(&trip))
        .print();
    Row::new("actor: 2,000 calls at once, each", time(figures.many_calls.median())).print();
    Row::new("channel: items of 100 bytes, 1,024 under way", rate(figures.wide.median()))
        .beside(format!("raw messages, 1,024 under way: {}", rate(raw.median())))
        .ratio(&figures.wide.over(&raw))
        .at_least(figures.wide.median() / 1e5, 1.0, 4.0)
        .print();
    Row::new("channel: items of 100 bytes, 8 under way", rate(figures.narrow.median())).print();
    Row::new("queue: put and get of 100 bytes", time(figures.queue.median()))
        .beside(beside_trip.clone())
        .ratio(&figures.queue.over(&trip))
        .print();
    Row::new("event: set there, waked here (half a turn)", time(figures.event.median()))
        .beside(beside_trip)
        .print();
    Row::new("run_on_all of a function that does nothing", time(figures.every_rank.median()))
        .beside(format!("MPI_Barrier: {}", time(barrier.median())))
        .ratio(&figures.every_rank.over(&barrier))
        .print();
}
