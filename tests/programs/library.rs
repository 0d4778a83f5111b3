//! What the tests of the library's promises run under `mpirun`: `library NAME [ARGUMENT]`. Prints `ok NAME` on rank 0
//! when all is as it should be.

use dtask::prelude::*;
use dtask::{Config, Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

type Outcome<T> = std::result::Result<T, Failure>;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    let argument = words.next().unwrap_or_default();
    if name == "absent" {
        return absent();
    }
    let folder = Mutex::new(None);
    let config = match name.as_str() {
        "silence" => Config { silence: Duration::from_secs(2), ..Config::default() },
        "stack" => Config { stack: Some(32 << 20), ..Config::default() },
        "poll" => Config { slots: Some(2), head_slots: Some(2), ..Config::default() },
        _ => Config::default(),
    };
    let held = Mutex::new(None);
    dtask::run_with(&config, |client| {
        let scratch = tempfile::tempdir()?;
        let path = scratch.path().to_owned();
        *folder.lock().map_err(poisoned)? = Some(scratch);
        match name.as_str() {
            "dropped" => dropped(client, &path),
            "forgotten" => forgotten(client, &path),
            "unheard" => unheard(client),
            "ends" => ends(client, &path),
            "held" => {
                let file = path.join("held").display().to_string();
                // both wait for a slot when the closure returns, if there is one slot
                let tasks =
                    client.options().pure(false).starmap(write_slowly, [(file.clone(), 300), (file, 300)]);
                *held.lock().map_err(poisoned)? = Some(tasks);
                Ok(())
            }
            "poll" => poll(client),
            "dies" => dies(client, &argument),
            "stack" => stack(client),
            "copies" => copies(client),
            "encoding" => encoding(client),
            "silence" => silence(client),
            "depth" => depth(client, argument.parse().unwrap_or(100)),
            "gather" => gather(client),
            other => Err(Error::Other(format!("there is no test `{other}`"))),
        }
    })?;
    let Some(folder) = folder.into_inner().map_err(poisoned)? else { return Ok(()) }; // not on rank 0
    let written = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    match name.as_str() {
        "dropped" => check(written("dropped").is_empty(), "what was dropped has not run")?,
        "forgotten" => check(written("forgotten").len() == 20, "all that was forgotten has run")?,
        "ends" => check(written("ends") == "whole", "what ran when the closure returned has ended")?,
        "held" => check(written("held").len() == 10, "what somebody holds has run")?,
        _ => {}
    }
    println!("ok {name}");
    Ok(())
}

fn poisoned<T>(_: T) -> Error {
    Error::Other("a panic".into())
}

fn check(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Other(what.to_owned())) }
}

fn append(path: String, text: String) -> Outcome<()> {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

fn write_slowly(path: String, millis: u64) -> Outcome<()> {
    append(path.clone(), "wh".into())?;
    std::thread::sleep(Duration::from_millis(millis));
    append(path, "ole".into())
}

/// A future is dropped while its task still waits for another one.
fn dropped(client: &Client, folder: &Path) -> Result<()> {
    fn after(_: (), path: String) -> Outcome<()> {
        append(path, "x".into())
    }
    let first = client.submit(|| std::thread::sleep(Duration::from_millis(500)), ());
    let path = folder.join("dropped").display().to_string();
    for _ in 0..3 {
        let _ = client.options().pure(false).submit(after, (&first, path.clone()));
    }
    first.result()
}

fn forgotten(client: &Client, folder: &Path) -> Result<()> {
    let path = folder.join("forgotten").display().to_string();
    let first = client.submit(|| std::thread::sleep(Duration::from_millis(300)), ());
    let after = |_: (), path: String| append(path, "x".into());
    for _ in 0..10 {
        client.fire_and_forget(client.options().pure(false).submit(after, (&first, path.clone())));
    }
    // and from within a task
    let nested = |path: String| -> Outcome<()> {
        let client = dtask::current()?;
        for _ in 0..10 {
            client
                .fire_and_forget(client.options().pure(false).submit(append, (path.clone(), "y".to_owned())));
        }
        Ok(())
    };
    client.submit(nested, (path,)).result()
}

fn unheard(client: &Client) -> Result<()> {
    client.fire_and_forget(client.submit(|| -> Outcome<()> { Err(Failure::new("nobody listens")) }, ()));
    Ok(())
}

/// The closure returns while a task runs whose future is dropped.
fn ends(client: &Client, folder: &Path) -> Result<()> {
    let path = folder.join("ends").display().to_string();
    let task = client.submit(write_slowly, (path.clone(), 1_500));
    let begin = Instant::now();
    while !Path::new(&path).exists() && begin.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(1));
    }
    drop(task);
    Ok(())
}

/// Eight tasks in two slots poll their children, which have no other slots.
fn poll(client: &Client) -> Result<()> {
    let parent = |k: u64| -> Outcome<u64> {
        let client = dtask::current()?;
        let child = client.options().pure(false).submit(|k: u64| k + 1, (k,));
        while !child.done() {}
        let many = client.map(|k: u64| k * 2, 0..10);
        while client.statuses(&many).iter().any(|status| *status != dtask::Status::Finished) {}
        let pending = client.pending(client.map(|k: u64| k * 3, 0..10));
        while !pending.is_ready() {}
        Ok(child.result()?)
    };
    let parents = client.options().pure(false).map(parent, 0..8_u64);
    check(client.gather(parents)? == (1..9).collect::<Vec<u64>>(), "tasks that poll")
}

fn dies(client: &Client, how: &str) -> Result<()> {
    #[allow(unconditional_recursion)]
    fn deep(n: u64) -> u64 {
        let room = [n; 1000];
        std::hint::black_box(&room);
        deep(n + 1) + room[(n % 1000) as usize]
    }
    fn overflows(n: u64) -> u64 {
        deep(n)
    }
    fn aborts() -> u64 {
        std::process::abort()
    }
    fn exits() -> u64 {
        std::process::exit(0)
    }
    match how {
        "overflow" => client.submit(overflows, (1,)).result()?,
        "abort" => client.submit(aborts, ()).result()?,
        _ => client.submit(exits, ()).result()?,
    };
    Ok(())
}

/// 24 MiB of stack in a task.
fn stack(client: &Client) -> Result<()> {
    fn deep(n: u64) -> u64 {
        let room = [n; 1 << 17];
        std::hint::black_box(&room);
        if n == 0 { 0 } else { deep(n - 1) + room[7] }
    }
    check(client.submit(deep, (23,)).result()? == 276, "a deep recursion")
}

static COPIES: AtomicU64 = AtomicU64::new(0);

/// A large value that counts its copies.
#[derive(Serialize, Deserialize)]
struct Large(Vec<u64>);

impl Clone for Large {
    fn clone(&self) -> Self {
        COPIES.fetch_add(1, Ordering::Relaxed);
        Large(self.0.clone())
    }
}

fn copies(client: &Client) -> Result<()> {
    let make = |k: u64| Large((0..100_000).map(|n| n * k).collect());
    let large = client.submit(make, (3,));
    let (first, second) = (large.shared()?, large.shared()?);
    check(std::sync::Arc::ptr_eq(&first, &second) && first.0[5] == 15, "the same value")?;
    check(COPIES.load(Ordering::Relaxed) == 0, "no copy")?;
    check(large.result()?.0[6] == 18 && COPIES.load(Ordering::Relaxed) == 1, "a copy")?;
    drop((first, second));
    check(large.into_result()?.0[7] == 21, "the value itself")?;
    check(COPIES.load(Ordering::Relaxed) == 1, "moved, not copied")?;
    let (a, b) = (client.submit(make, (4,)), client.submit(make, (5,)));
    let (also_a, used) = (a.clone(), b.clone());
    check(a.into_result()?.0[1] == 4 && also_a.result()?.0[1] == 4, "another future keeps the value")?;
    let sum = client.submit(|large: &Large| large.0.iter().sum::<u64>(), (&used,));
    check(b.into_result()?.0[1] == 5 && sum.result()? > 0, "a task keeps the value")?;
    check(client.submit(|| 7u8, ()).into_result()? == 7, "a small one")
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Row {
    id: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    name: Option<String>,
}

/// 20,000 rows, of which some leave a field out: never a wrong value.
fn encoding(client: &Client) -> Result<()> {
    fn row(k: u32) -> Row {
        let note = (!k.is_multiple_of(300)).then(|| format!("note {k}"));
        Row { id: k, note, name: Some(format!("name {k}")) }
    }
    let rows = client.map(row, 0..20_000_u32);
    let mut refused = 0;
    for (k, future) in rows.iter().enumerate() {
        match future.result() {
            Ok(came) => check(came == row(k as u32), "a row has come as it was")?,
            Err(error) => {
                let text = error.to_string();
                let words = ["`Row`", "`note`", "skip_serializing_if", "task row-"];
                check(words.iter().all(|word| text.contains(word)), &text)?;
                refused += 1;
            }
        }
    }
    check(refused == 67, "each row without the field is told")?;
    let taken = client.submit(|row: Row| row.id, (row(0),)).result().unwrap_err().to_string();
    check(taken.contains("`note`") && taken.contains("skip_serializing_if"), &taken)
}

/// A rank is stopped for some seconds.
fn silence(client: &Client) -> Result<()> {
    let last = Rank(client.ranks() as u32 - 1);
    let pid = client.options().on(last).submit(|| std::process::id() as i32, ()).result()?;
    let pid = Pid::from_raw(pid).ok_or_else(|| Error::Other("no process".into()))?;
    let signal = |signal| kill_process(pid, signal).map_err(|error| Error::Other(error.to_string()));
    signal(Signal::STOP)?;
    std::thread::sleep(Duration::from_millis(6_000));
    signal(Signal::CONT)?;
    std::thread::sleep(Duration::from_millis(3_000));
    Ok(())
}

/// Rank 2 does other things.
fn absent() -> Result<()> {
    use mpi::traits::*;
    let (universe, _) = mpi::initialize_with_threading(mpi::Threading::Funneled)
        .ok_or_else(|| Error::Other("MPI does not start".into()))?;
    let world = universe.world();
    if world.rank() == 2 {
        std::thread::sleep(Duration::from_secs(60));
        return Ok(());
    }
    let config = Config { patience: Duration::from_secs(2), ..Config::default() };
    if let Err(error) = dtask::run_on_with(&world, &config, |_| Ok::<_, Error>(())) {
        eprintln!("{error}");
        std::thread::sleep(Duration::from_secs(1)); // until all have said so
        world.abort(3);
    }
    Ok(())
}

/// A task that submits a task and waits for it, and so on.
fn depth(client: &Client, depth: u64) -> Result<()> {
    fn below(depth: u64) -> Outcome<u64> {
        match depth {
            0 => Ok(0),
            _ => Ok(dtask::current()?.submit(below, (depth - 1,)).result()? + 1),
        }
    }
    let begin = Instant::now();
    check(client.submit(below, (depth,)).result()? == depth, "the depth")?;
    println!("{depth} deep: {:.3} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// How long a gather of small results takes, each.
fn gather(client: &Client) -> Result<()> {
    for length in [100usize, 127, 200, 1_000, 10_000, 20_000] {
        let count = if length > 5_000 { 5_000 } else { 20_000 };
        for round in 0..3u64 {
            let texts = client.options().pure(false).starmap(
                |length: usize, k: u64| format!("{:width$}", k, width = length),
                (0..count).map(|k| (length - 3, k + round)),
            );
            client.wait(&texts)?;
            let begin = Instant::now();
            let got = client.gather(&texts)?;
            let each = begin.elapsed().as_secs_f64() / count as f64;
            check(got.iter().all(|text| text.len() == length - 3), "a text has another length")?;
            println!("gather {length}: {:.2} us each", each * 1e6);
        }
    }
    Ok(())
}
