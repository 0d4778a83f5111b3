//! Handles whose values nobody reads: tasks that never begin, results that are dropped; and senders that share a capacity.

use super::channels::{sink, source};
use super::check;
use dtask::{Actor, Client, Event, Failure, Rank, Receiver, Sender};
use serde::{Deserialize, Serialize};

fn waits_then(go: Event, way: u64) -> Result<u64, Failure> {
    go.wait()?;
    if way == 1 { Err(Failure::new("on purpose")) } else { Ok(way) }
}

fn source_after(_: u64, out: Sender<u64>) -> Result<u64, Failure> {
    out.send(1)?;
    Ok(1)
}

fn receives_error(input: Receiver<u64>) -> Result<String, Failure> {
    match input.recv() {
        Err(error) => Ok(error.to_string()),
        Ok(item) => Err(Failure::new(format!("nobody sends, and {item} has come"))),
    }
}

/// A receiver is told when the task that was to send is cancelled or fails before it begins. So is a sender whose receiver
/// never begins.
pub fn sender_never_begins(client: &Client) -> Result<(), Failure> {
    for way in 0..2_u64 {
        let go = client.event(&format!("way {way}"));
        let first = client.submit(waits_then, (&go, way));
        let (tx, rx) = client.channel::<u64>(2);
        let sends = client.submit(source_after, (&first, tx));
        let got = client.submit(receives_error, (rx,));
        match way {
            0 => sends.cancel(),
            _ => go.set()?,
        }
        let told = got.result()?;
        check(told.contains("a task that was to send has failed or was cancelled before it began"), &told)?;
        go.set()?;
        check(first.exception().is_some() == (way == 1), "the task that was waited for")?;
    }
    let go = client.event("the other end");
    let first = client.submit(waits_then, (&go, 0));
    let (tx, rx) = client.channel::<u64>(2);
    let receives = client.submit(|_: u64, rx: Receiver<u64>| rx.recv().is_ok(), (&first, rx));
    let sends = client.submit(source, (tx, 0, 1_000));
    receives.cancel();
    let told = sends.result().map_err(|error| error.to_string());
    check(told.as_ref().is_err_and(|text| text.contains("nobody receives")), &format!("{told:?}"))?;
    go.set()?;
    Ok(first.result().map(drop)?)
}

struct Count(u64);

impl Count {
    fn new(start: u64) -> Count {
        Count(start)
    }
    fn add(&mut self, n: u64) -> u64 {
        self.0 += n;
        self.0
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Holder {
    bytes: Vec<u8>,
    actor: Actor<Count>,
    tx: Sender<u64>,
}

fn makes(length: usize, actor: Actor<Count>, tx: Sender<u64>) -> Holder {
    Holder { bytes: vec![7; length], actor, tx }
}

fn counts(holder: &Holder) -> Result<u64, Failure> {
    check(holder.bytes.iter().all(|byte| *byte == 7), "the bytes")?;
    Ok(holder.actor.call(Count::add, (1,)).result()?)
}

/// Handles inside results of any size, read on other ranks or never: the channel ends when all are gone.
pub fn handles_in_results(client: &Client) -> Result<(), Failure> {
    let ranks = client.ranks() as u32;
    for length in [0_usize, 300, 50_000] {
        let actor = client.actor(Count::new, (0,));
        let (tx, rx) = client.channel::<u64>(1);
        let unread = client.options().pure(false).submit(makes, (length, &actor, &tx));
        let held = client.options().on(Rank(1 % ranks)).submit(makes, (length, &actor, &tx));
        let scattered = client.scatter(makes(length, actor.clone(), tx.clone()));
        client.wait([&unread])?;
        let reads: Vec<_> = (1..ranks.max(2))
            .flat_map(|rank| [(rank % ranks, &held), (rank % ranks, &scattered)])
            .map(|(rank, holder)| client.options().pure(false).on(Rank(rank)).submit(counts, (holder,)))
            .collect();
        let all = client.gather(&reads)?;
        check(all.iter().max() == Some(&(all.len() as u64)), "each has counted")?;
        drop((unread, held, scattered, reads, actor, tx));
        check(rx.recv().is_err_and(|error| error.to_string().contains("nobody sends")), "the channel ends")?;
    }
    Ok(())
}

/// A sender that has sent one item, and keeps its end until all others have sent theirs.
fn idle_source(out: Sender<u64>, done: Event) -> Result<u64, Failure> {
    out.send(1_000_000)?;
    done.wait()?;
    out.send(2_000_000)?;
    Ok(2)
}

/// More senders than the capacity has items, one of which does not use its share.
pub fn shared_capacity(client: &Client) -> Result<(), Failure> {
    let ranks = client.ranks() as u32;
    let on = |k: u32| client.options().pure(false).on(Rank(if ranks > 1 { 1 + k % (ranks - 1) } else { 0 }));
    for capacity in [1, 2, 3, 7] {
        let (tx, rx) = client.channel(capacity);
        let done = client.event(&format!("done {capacity}"));
        let idle = on(0).submit(idle_source, (&tx, &done));
        let sent: Vec<_> = (0..6).map(|k| on(k).submit(source, (&tx, 0, 20))).collect();
        drop(tx);
        let got = client.submit(sink, (rx,));
        check(client.gather(sent)? == [20; 6], "all have sent")?;
        done.set()?;
        check(idle.result()? == 2, "the idle one too")?;
        check(got.result()? == (122, 6 * 190 + 3_000_000), "all has come")?;
    }
    Ok(())
}
