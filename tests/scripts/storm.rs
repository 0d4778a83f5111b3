//! A sweep that is ended again and again, at random moments and in every way, and goes on with another number of ranks:
//! each instance's command runs once, but for those that were under way or had ended a moment before a `kill -9`.
//!
//! `DTASK_STORM=2000 cargo test --test scripts storm -- --nocapture` is a larger one; `DTASK_SEED=7` makes other moments.

use super::Folder;
use super::resume::{family, send, start};
use super::signals::{eventually, runs};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::process::Child;

const SWEEP: &str = r#"
[task.t]
for    = { i = "0..COUNT" }
shell  = "sleep 0.00$(( {i} % 8 )); echo {i} >> ran; echo result {i} > {out}"
out    = "o.txt"
save   = "r/{i}.txt"
[task.sum]
shell  = "cat {t.list} | xargs cat | wc -l"
stdout = "sum.txt"
"#;

/// How a run is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// `kill -9` of every process at once.
    KillAll,
    KillLauncher,
    KillRank0,
    /// `kill -9` of the last rank, which is not rank 0 where there are others.
    KillLast,
    TermLauncher,
    TermRank0,
    /// The notice that batch systems send before the end.
    Notice,
}

const BLOWS: [(Blow, usize); 8] = [
    (Blow::KillAll, 2),
    (Blow::TermLauncher, 4),
    (Blow::Notice, 2),
    (Blow::KillRank0, 2),
    (Blow::TermRank0, 1),
    (Blow::KillLast, 4),
    (Blow::KillLauncher, 2),
    (Blow::Notice, 1),
];

/// The ranks among these processes, rank 0 first.
fn ranks(all: &[u32]) -> Vec<u32> {
    let rank = |pid: &u32| -> Option<(u32, u32)> {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let number = environment.split(|byte| *byte == 0).find_map(|variable| {
            std::str::from_utf8(variable).ok()?.strip_prefix("OMPI_COMM_WORLD_RANK=")?.parse().ok()
        })?;
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.count();
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        // the spawner has the environment and the name of its rank, and one thread
        (name.trim() == "dtask" && threads > 1).then_some((number, *pid))
    };
    let mut found: Vec<(u32, u32)> = all.iter().filter_map(rank).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, pid)| pid).collect()
}

/// Ends a run.
fn strike(folder: &Folder, blow: Blow, child: &mut Child) {
    let all = family(child.id());
    let ranks = ranks(&all);
    let first = ranks.first().copied().unwrap_or(child.id());
    match blow {
        Blow::KillAll => all.iter().for_each(|pid| send(*pid, Signal::KILL)),
        Blow::KillLauncher => send(child.id(), Signal::KILL),
        Blow::KillRank0 => send(first, Signal::KILL),
        Blow::KillLast => send(ranks.last().copied().unwrap_or(first), Signal::KILL),
        Blow::TermLauncher => send(child.id(), Signal::TERM),
        Blow::TermRank0 => send(first, Signal::TERM),
        Blow::Notice => send(first, Signal::USR1),
    }
    eventually("it ends", || child.try_wait().expect("its state").is_some());
    // what is left of it would hold the lock, or still append
    eventually("nothing of it runs", || all.iter().all(|pid| !runs(&pid.to_string())));
    // a command that was begun while the others were looked up
    let here = std::fs::canonicalize(folder.path("")).expect("the folder");
    let is_here = |entry: std::fs::DirEntry| {
        std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&here))
    };
    eventually("nothing works in the folder", || {
        !std::fs::read_dir("/proc").expect("processes").flatten().any(is_here)
    });
}

/// The instances that the file of all commands has, in order.
fn ran(folder: &Folder) -> Vec<u64> {
    let text = std::fs::read_to_string(folder.path("ran")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// The instances of the sweep that the journal has.
fn done(folder: &Folder, count: u64) -> BTreeSet<u64> {
    let run = folder.run(0, &["journal", "s.toml", "--json"]);
    run.assert_success();
    // the first family is the sweep
    let begin =
        run.stdout.lines().find(|line| line.starts_with(r#"{"record":"begin""#)).expect("a beginning");
    let (_, families) = begin.split_once(r#""families":["#).expect("families");
    let digest = families.split('"').find(|word| word.len() == 32).expect("a digest");
    let mut done = BTreeSet::new();
    for line in run.stdout.lines().filter(|line| line.starts_with(r#"{"record":"done""#)) {
        if !line.contains(digest) {
            continue;
        }
        let (_, ranges) = line.split_once(r#""ranges":[["#).expect("ranges");
        let (ranges, _) = ranges.split_once("]]").expect("their end");
        for range in ranges.split("],[") {
            let (first, length) = range.split_once(',').expect("two numbers");
            let first: u64 = first.parse().expect("a number");
            done.extend(first..first + length.parse::<u64>().expect("a number"));
        }
    }
    assert!(done.iter().all(|index| *index < count));
    done
}

#[test]
fn storm() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (count, mut seed) = (number("DTASK_STORM").unwrap_or(240), number("DTASK_SEED").unwrap_or(1));
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let folder = Folder::script(&SWEEP.replace("COUNT", &count.to_string()));
    let rounds = if count < 1000 { BLOWS.len() as u64 } else { 3 * BLOWS.len() as u64 };
    let (mut known, mut begun, mut again) = (BTreeSet::new(), 0, 0);
    for round in 0..rounds {
        let (blow, ranks) = BLOWS[round as usize % BLOWS.len()];
        let mut child = start(&folder, ranks);
        // a random moment: so many commands have run in this run, and then a moment
        let more = 1 + random(count / rounds) as usize;
        eventually("commands run", || {
            ran(&folder).len() >= begun + more || child.try_wait().expect("its state").is_some()
        });
        (0..random(200_000)).for_each(|_| std::hint::spin_loop());
        let before = done(&folder, count);
        strike(&folder, blow, &mut child);
        let all = ran(&folder);
        let own = all[begun..].to_vec();
        begun = all.len();
        let distinct: BTreeSet<u64> = own.iter().copied().collect();
        assert_eq!(distinct.len(), own.len(), "{blow:?}: twice in one run");
        let twice: Vec<&u64> = distinct.intersection(&known).collect();
        assert!(twice.is_empty(), "{blow:?} on {ranks} ranks: {twice:?} were done, and have run again");
        let after = done(&folder, count);
        assert!(
            after.is_superset(&known) && after.is_superset(&before),
            "{blow:?}: the journal has lost something"
        );
        let lost: Vec<&u64> = distinct.difference(&after).collect();
        println!("{blow:?} on {ranks} ranks: {} commands, {} of them for nothing", own.len(), lost.len());
        let most = match blow {
            Blow::Notice => 0,
            // those that had appended, and whose ends the rank had not seen
            Blow::TermLauncher | Blow::TermRank0 => 2 * ranks * 2,
            _ => own.len(),
        };
        assert!(lost.len() <= most, "{blow:?} on {ranks} ranks: {lost:?} had run and are not done");
        again += lost.len();
        known = after;
        if known.len() as u64 == count {
            break;
        }
    }
    for ranks in [1, 2, 4] {
        let run = folder.dtask(ranks).args(["s.toml"]).limit(std::time::Duration::from_secs(300)).run();
        run.assert_success();
    }
    let all = ran(&folder);
    assert_eq!(all.len(), count as usize + again, "each once, but for those that were lost");
    println!("{count} instances: {} commands, {again} of them for nothing", all.len());
    assert_eq!(folder.read("sum.txt"), format!("{count}\n"));
    for i in 0..count {
        assert_eq!(folder.read(&format!("r/{i}.txt")), format!("result {i}\n"));
    }
    // a `kill -9` may leave a hidden file that was not whole
    let is_seen = |name: &String| !name.starts_with('.');
    let names = std::fs::read_dir(folder.path("r")).expect("results");
    let names = names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    assert_eq!(names.filter(is_seen).count(), count as usize);
    let names: Vec<String> = folder.names().into_iter().filter(is_seen).collect();
    assert_eq!(names, ["r", "ran", "sum.txt"]);
}
