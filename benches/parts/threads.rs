//! Which threads of a rank have computed, and how long they have waited for a core: where the time of a bench goes.

use dtask::prelude::*;
use std::collections::BTreeMap;

/// A thread's name and number, its seconds on a core, and its seconds ready without one.
type Thread = (String, u32, f64, f64);

/// The threads of this process.
fn threads(_: u64) -> Vec<Thread> {
    // threads without a name of their own have the program's; of those the client's is the only busy one
    let program = std::fs::read_to_string("/proc/self/comm").unwrap_or_default();
    let folders = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let thread = |path: std::path::PathBuf| {
        let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
        let times = std::fs::read_to_string(path.join("schedstat")).ok()?;
        let mut times = times.split_whitespace().map(|word| word.parse::<f64>().unwrap_or(0.0) * 1e-9);
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        let name = match name.trim() {
            _ if number == std::process::id() => "reactor",
            name if name == program.trim() => "client",
            name => name,
        };
        let name = name.to_owned();
        Some((name, number, times.next()?, times.next()?))
    };
    folders.filter_map(|folder| thread(folder.path())).collect()
}

/// What the threads of all ranks had used at some moment.
pub struct Snapshot(Vec<Vec<Thread>>);

impl Snapshot {
    /// Now.
    pub fn take(client: &Client) -> dtask::Result<Self> {
        let mut ranks = vec![threads(0)];
        for rank in 1..client.ranks() {
            ranks.push(client.options().pure(false).on(Rank(rank as u32)).submit(threads, (0,)).result()?);
        }
        Ok(Snapshot(ranks))
    }

    /// Prints what the threads have used since, in `seconds`: each its share of a core, and for how large a share it
    /// was ready but had no core.
    pub fn print_since(&self, earlier: &Snapshot, seconds: f64) {
        for (rank, (now, before)) in self.0.iter().zip(&earlier.0).enumerate() {
            let before: BTreeMap<u32, &Thread> = before.iter().map(|thread| (thread.1, thread)).collect();
            let mut used: Vec<(f64, String)> = now
                .iter()
                .map(|(name, number, busy, waiting)| {
                    let (from, without) = before.get(number).map_or((0.0, 0.0), |old| (old.2, old.3));
                    let share = |since: f64| since / seconds * 100.0;
                    let (busy, waiting) = (share(busy - from), share(waiting - without));
                    (busy, format!("{name} {busy:.0} % (and {waiting:.0} % without a core)"))
                })
                .collect();
            used.retain(|(busy, _)| *busy >= 1.0);
            used.sort_by(|a, b| b.0.total_cmp(&a.0));
            let used: Vec<String> = used.into_iter().map(|(_, text)| text).collect();
            println!("  threads of rank {rank}: {}", used.join(", "));
        }
    }
}
