//! Results by name, and their spread over the ranks.

use super::check;
use dtask::{Client, Event, Failure, Rank};

fn numbers(n: u64) -> Vec<u64> {
    (0..n).collect()
}

fn sum(numbers: &[u64]) -> u64 {
    numbers.iter().sum()
}

/// Publishes its own result under a name and waits until it was read.
fn publisher(n: u64, known: Event, seen: Event) -> Result<u64, Failure> {
    let client = dtask::current()?;
    let own = client.submit(numbers, (n,));
    client.publish("from a task", &own)?;
    drop(own);
    known.set()?;
    seen.wait()?;
    Ok(u64::from(client.unpublish("from a task")?))
}

fn reader(known: Event, seen: Event) -> Result<u64, Failure> {
    known.wait()?;
    let client = dtask::current()?;
    let found = client.published::<Vec<u64>>("from a task")?;
    let total = client.submit(sum, (&found,)).result()?;
    seen.set()?;
    Ok(total + found.shared()?.len() as u64)
}

/// Futures by name, from the client to tasks and from task to task.
pub fn published(client: &Client) -> Result<(), Failure> {
    let large = client.submit(numbers, (1_000,));
    client.publish("numbers", &large)?;
    client.publish("numbers", &large)?; // the same again is no error
    let other = client.submit(numbers, (5,));
    let taken = client.publish("numbers", &other).map_err(|error| error.to_string());
    check(
        taken.is_err_and(|text| text.contains("another result is published as \"numbers\"")),
        "a taken name",
    )?;
    drop((large, other));
    let in_task = |k: u64| -> Result<u64, Failure> {
        Ok(dtask::current()?.published::<Vec<u64>>("numbers")?.result()?[k as usize])
    };
    check(client.gather(client.map(in_task, 0..20_u64))? == numbers(20), "in tasks")?;
    let own = client.published::<Vec<u64>>("numbers")?;
    check(client.unpublish("numbers")? && !client.unpublish("numbers")?, "it was published once")?;
    check(own.result()?.len() == 1_000, "a future outlives the name")?;
    let none = client.published::<u64>("numbers").map(drop).map_err(|error| error.to_string());
    check(none.is_err_and(|text| text.contains("nothing is published as \"numbers\"")), "no such name")?;
    // of another type; short; failing; not done yet
    client.publish("short", &client.submit(|| 7_u64, ()))?;
    check(client.published::<u64>("short")?.result()? == 7, "a short one")?;
    check(client.published::<String>("short")?.result().is_err(), "a wrong type is an error")?;
    let fails = || -> Result<u64, Failure> { Err(Failure::new("on purpose")) };
    client.publish("failing", &client.submit(fails, ()))?;
    let failing = client.published::<u64>("failing")?.result().map_err(|error| error.to_string());
    check(failing.is_err_and(|text| text.contains("on purpose")), "its failure is handed on")?;
    for name in ["short", "failing"] {
        client.unpublish(name)?;
    }
    let (known, seen) = (client.event("published"), client.event("read"));
    let publishes = client.submit(publisher, (100, &known, &seen));
    let reads = client.submit(reader, (&known, &seen));
    check((publishes.result()?, reads.result()?) == (1, 4950 + 100), "from task to task")
}

/// Results that lie on one rank are spread.
pub fn rebalanced(client: &Client) -> Result<(), Failure> {
    let first = Rank(u32::from(client.ranks() > 1));
    let parts = client.options().on(first).map(numbers, 1_000..1_012_u64);
    client.wait(&parts)?;
    let moved = client.rebalance()?;
    match client.ranks() {
        1 | 2 => check(moved == 0, "nothing can move")?,
        ranks => check(moved >= 8_000 * 12 / ranks as u64 && moved < 8_100 * 12, "the share of the others")?,
    }
    check(client.rebalance()? == 0, "what is even stays")?;
    let sums = client.gather(client.map(sum, &parts))?;
    check(sums == (1_000..1_012_u64).map(|n| n * (n - 1) / 2).collect::<Vec<_>>(), "the values are the same")
}
