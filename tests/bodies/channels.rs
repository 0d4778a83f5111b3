//! Programs over channels, the last of those in `objects.rs`.

use super::check;
use dtask::{Client, Error, Failure, Rank, Receiver, Sender};

pub fn source(out: Sender<u64>, from: u64, to: u64) -> Result<u64, Failure> {
    for n in from..to {
        out.send(n)?;
    }
    Ok(to - from)
}

pub fn sink(input: Receiver<u64>) -> Result<(u64, u64), Failure> {
    let (mut number, mut sum) = (0, 0);
    for item in &input {
        number += 1;
        sum += item?;
    }
    let end = input.recv().map_err(|error| error.to_string());
    check(end == Err("the channel is closed: nobody sends any more".into()), &format!("{end:?}"))?;
    Ok((number, sum))
}

/// Channels of several capacities, between any ranks and on one rank.
pub fn channel(client: &Client) -> Result<(), Failure> {
    let ranks = client.ranks() as u32;
    for (capacity, n) in [(1, 0), (1, 1), (1, 20), (2, 50), (8, 300), (1000, 300)] {
        for to in [Rank(1 % ranks), Rank(ranks - 1)] {
            let (tx, rx) = client.channel(capacity);
            let got = client.options().on(to).submit(sink, (rx,));
            let sent = client.options().on(Rank(1 % ranks)).submit(source, (tx, 0, n));
            let told = format!("{n} items of at most {capacity} under way, to {to:?}");
            check(got.result()? == (n, n * n.saturating_sub(1) / 2) && sent.result()? == n, &told)?;
        }
    }
    // several senders, and the closure itself is one of them
    let (tx, rx) = client.channel(4);
    let got = client.submit(sink, (rx,));
    let sent = client.starmap(source, (0..5).map(|k| (&tx, 100 * k, 100 * k + 100)));
    (0..10).try_for_each(|_| tx.send(1000))?;
    tx.close();
    check(got.result()? == (510, 134_750), "all items of all senders")?;
    client.gather(sent)?;
    // before anybody receives, as many items as the capacity go
    let (tx, rx) = client.channel::<Vec<u64>>(3);
    (0..3).try_for_each(|n| tx.send((0..20_000 * n).collect()))?;
    drop(tx);
    let lengths: Vec<usize> = rx.iter().map(|item| Ok(item?.len())).collect::<Result<_, Error>>()?;
    check(lengths == [0, 20_000, 40_000], "long items, received where they were sent")?;
    Ok(())
}

fn doubled(input: Receiver<u64>, out: Sender<u64>) -> Result<u64, Failure> {
    let mut number = 0;
    for item in &input {
        out.send(2 * item?)?;
        number += 1;
    }
    Ok(number)
}

/// A source, three stages and a sink: five tasks that run at once, also on one slot.
pub fn pipeline(client: &Client) -> Result<(), Failure> {
    let (first, mut input) = client.channel(3);
    let sent = client.submit(source, (first, 0, 200));
    let mut stages = Vec::new();
    for _ in 0..3 {
        let (tx, rx) = client.channel(3);
        stages.push(client.submit(doubled, (input, tx)));
        input = rx;
    }
    let got = client.submit(sink, (input,)).result()?;
    check(got == (200, 8 * 19_900), &format!("{got:?}"))?;
    check(client.gather(stages)? == [200; 3] && sent.result()? == 200, "each stage has passed all")?;
    Ok(())
}

/// A receiver that goes early, fails, or is dropped unread.
pub fn reader_goes(client: &Client) -> Result<(), Failure> {
    let takes = |input: Receiver<u64>, n: u64| -> Result<u64, Failure> {
        for _ in 0..n {
            input.recv()?;
        }
        if n == 3 { panic!("on purpose") } else { Ok(n) }
    };
    for n in [0, 1, 3, 10] {
        let (tx, rx) = client.channel(2);
        let taken = client.submit(takes, (rx, n));
        let sent = client.submit(source, (tx, 0, 1_000_000));
        let error = sent.result().map_err(|error| error.to_string());
        let told =
            error.as_ref().is_err_and(|error| error.contains("nobody receives from the channel any more"));
        check(told, &format!("{n}: {error:?}"))?;
        check(taken.result().is_ok() == (n != 3), "the receiver")?;
    }
    let (tx, rx) = client.channel::<u64>(2);
    drop(rx);
    let error = loop {
        if let Err(error) = tx.send(1) {
            break error;
        }
    };
    check(matches!(error, Error::Gone(_)), &error.to_string())?;
    Ok(())
}
