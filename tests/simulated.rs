//! The whole cluster in one process on one thread, every interleaving made again by its seed.
//!
//! `DTASK_SEEDS=100..2000 cargo test --release --test simulated` looks at more seeds than the suite does.

mod bodies;
#[path = "bodies/nested.rs"]
mod nested;

use bodies::{Random, Results, random_graph, serial, submit};
use dtask::Failure;
use dtask::internal::commands::ScratchRoot;
use dtask::internal::commands::outputs::CommandOutputs;
use dtask::internal::commands::outputs::{Content, OutputRef};
use dtask::simulated::Cluster;
use dtask::{Client, Error, Rank};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

const STEPS: usize = 2_000_000;

fn seeds(default: Range<u64>) -> Range<u64> {
    let Ok(text) = std::env::var("DTASK_SEEDS") else { return default };
    let (from, to) = text.split_once("..").expect("DTASK_SEEDS=from..to");
    from.parse().expect("a number")..to.parse().expect("a number")
}

/// Computes a random graph; `disturb` is called between steps.
fn compute(ranks: u32, seed: u64, tasks: usize, mut disturb: impl FnMut(&mut Cluster, &mut Random)) {
    let told = |what: String| panic!("ranks {ranks}, seed {seed}: {what}");
    let graph = random_graph(seed, tasks);
    let (mut cluster, client): (Cluster, Client) = Cluster::new(ranks, 1 + (seed % 3) as u32, seed);
    let folder = tempfile::tempdir().expect("a temporary folder");
    if seed % 3 == 1 {
        cluster.limit_memory(100 << (seed % 7), folder.path());
    }
    let mut random = Random(seed ^ 0xD15);
    let mut futures = submit(&client, &graph);
    let (numbers, texts) = (client.pending(&futures.numbers), client.pending(&futures.texts));
    // half of the futures go while their tasks run; their results are still needed by others, or were asked for
    if seed.is_multiple_of(2) {
        futures.numbers.retain(|_| random.below(2) == 0);
        futures.texts.clear();
    }
    for step in 0.. {
        if numbers.is_ready() && texts.is_ready() {
            break;
        }
        if step == STEPS {
            told(format!("hangs: {} messages under way", cluster.under_way()));
        }
        disturb(&mut cluster, &mut random);
        cluster.step().unwrap_or_else(told);
    }
    let results = Results {
        numbers: numbers.take().expect("ready").into_iter().map(Result::ok).collect(),
        texts: texts.take().expect("ready").into_iter().map(Result::ok).collect(),
    };
    assert!(results == serial(&graph), "ranks {ranks}, seed {seed}: other results than computed serially");
    drop(futures);
    cluster.release_links();
    cluster.settle(STEPS, Cluster::is_empty).unwrap_or_else(|what| {
        told(format!("something is left when all futures are dropped: {what}"));
    });
    assert_eq!(cluster.spilled().1, 0, "ranks {ranks}, seed {seed}: bytes in memory at the end");
}

#[test]
fn results_beyond_the_memory_limit_go_to_disk_and_come_back() {
    for seed in seeds(0..20) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (mut cluster, client) = Cluster::new(1 + (seed % 4) as u32, 2, seed);
        cluster.limit_memory(10_000, folder.path());
        let series = |n: u64| (0..500).map(|k| (n * 1000 + k) as f64).collect::<Vec<f64>>();
        let parts: Vec<_> = (0..30).map(|n| client.submit(series, (n,))).collect();
        let last = |parts: Vec<Vec<f64>>| parts.iter().map(|part| part[499]).sum::<f64>();
        let all = client.pending(&parts);
        cluster.settle(STEPS, |_| all.is_ready()).unwrap();
        let futures: Vec<_> = (0..3).map(|_| client.submit(last, (parts.clone(),))).collect();
        let sums = client.pending(&futures);
        cluster.settle(STEPS, |_| sums.is_ready()).unwrap();
        let expected: f64 = (0..30).map(|n| f64::from(n * 1000 + 499)).sum();
        for sum in sums.take().expect("ready") {
            assert_eq!(sum.expect("a sum"), expected, "seed {seed}");
        }
        for (n, part) in all.take().expect("ready").into_iter().enumerate() {
            assert_eq!(part.expect("a part"), series(n as u64), "seed {seed}");
        }
        assert!(cluster.spilled().0 > 0, "seed {seed}: nothing was moved to disk");
        assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
        drop((parts, futures));
        cluster.settle(STEPS, Cluster::is_empty).unwrap();
        assert_eq!(cluster.spilled().1, 0, "seed {seed}: bytes in memory at the end");
    }
}

#[test]
fn random_graphs_give_the_serial_results_on_one_to_eight_ranks() {
    for seed in seeds(0..12) {
        for ranks in 1..=8 {
            compute(ranks, seed, 250, |_, _| ());
        }
    }
}

#[test]
fn random_graphs_survive_lost_ranks() {
    let mut deaths = 0;
    for seed in seeds(0..40) {
        let ranks = 3 + (seed % 6) as u32;
        let mut lost = Vec::new();
        compute(ranks, seed, 200, |cluster, random| {
            // rank 0 and one other stay
            if lost.len() + 2 < ranks as usize && random.below(500) == 0 {
                let rank = Rank(1 + random.below(u64::from(ranks) - 1) as u32);
                if !lost.contains(&rank) {
                    cluster.lose(rank);
                    lost.push(rank);
                }
            }
        });
        deaths += lost.len();
    }
    assert!(deaths >= 20, "only {deaths} ranks were lost: the test tests nothing");
}

#[test]
fn random_graphs_are_not_disturbed_by_held_links() {
    for seed in seeds(0..12) {
        let ranks = 2 + (seed % 4) as u32;
        compute(ranks, seed, 150, |cluster, random| {
            if random.below(200) == 0 {
                let mut rank = || Rank(random.below(u64::from(ranks)) as u32);
                let (from, to) = (rank(), rank());
                // held for some time; the next draw lets it go
                cluster.release_links();
                cluster.hold(from, to, true);
            }
        });
    }
}

/// Computes random nested graphs; `disturb` is called between steps. Tells what the network has delivered.
fn compute_nested(ranks: u32, seed: u64, mut disturb: impl FnMut(&mut Cluster, &mut Random)) -> (u64, u64) {
    let told = |what: String| panic!("ranks {ranks}, seed {seed}: {what}");
    let (mut cluster, client): (Cluster, Client) = Cluster::new(ranks, 1 + (seed % 3) as u32, seed);
    let mut random = Random(seed ^ 0x0DE5);
    let roots: Vec<(u64, u64)> = (0..4).map(|_| (random.next() % 1000, 1 + random.below(3))).collect();
    let futures = client.options().pure(false).starmap(nested::grow, roots.iter().copied());
    let pending = client.pending(&futures);
    for step in 0.. {
        if pending.is_ready() {
            break;
        }
        if step == STEPS {
            told(format!("hangs: {} messages under way", cluster.under_way()));
        }
        disturb(&mut cluster, &mut random);
        cluster.step().unwrap_or_else(told);
    }
    let results: Vec<Option<Vec<u64>>> = pending.take().expect("ready").into_iter().map(Result::ok).collect();
    let expected: Vec<Option<Vec<u64>>> =
        roots.iter().map(|&(seed, depth)| nested::serial(seed, depth)).collect();
    assert!(results == expected, "ranks {ranks}, seed {seed}: other results than computed serially");
    drop(futures);
    cluster.settle(STEPS, Cluster::is_empty).unwrap_or_else(|what| {
        told(format!("something is left when all futures are dropped: {what}"));
    });
    cluster.delivered()
}

#[test]
fn random_nested_graphs_give_the_serial_results_on_one_to_six_ranks() {
    for seed in seeds(0..10) {
        for ranks in 1..=6 {
            compute_nested(ranks, seed, |_, _| ());
        }
    }
    assert_eq!(compute_nested(4, 1, |_, _| ()), compute_nested(4, 1, |_, _| ()));
}

#[test]
fn random_nested_graphs_survive_lost_ranks() {
    let mut deaths = 0;
    for seed in seeds(0..40) {
        let ranks = 3 + (seed % 5) as u32;
        let mut lost = Vec::new();
        compute_nested(ranks, seed, |cluster, random| {
            // rank 0 and one other stay
            if lost.len() + 2 < ranks as usize && random.below(300) == 0 {
                let rank = Rank(1 + random.below(u64::from(ranks) - 1) as u32);
                if !lost.contains(&rank) {
                    cluster.lose(rank);
                    lost.push(rank);
                }
            }
        });
        deaths += lost.len();
    }
    assert!(deaths >= 20, "only {deaths} ranks were lost: the test tests nothing");
}

#[test]
fn equal_seeds_give_equal_runs() {
    let run = |seed| {
        let graph = random_graph(3, 200);
        let (mut cluster, client) = Cluster::new(4, 2, seed);
        let futures = submit(&client, &graph);
        let pending = client.pending(&futures.numbers);
        cluster.settle(STEPS, |_| pending.is_ready()).unwrap();
        cluster.delivered()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6), "the seed should change the order of delivery");
}

#[test]
fn a_lost_result_is_made_again_and_its_future_still_has_it() {
    let (mut cluster, client) = Cluster::new(3, 1, 7);
    let base = client.submit(|n: usize| vec![1.5f64; n], (1000,));
    let next = client.submit(|v: &Vec<f64>| v.iter().map(|x| x * 2.0).collect::<Vec<f64>>(), (&base,));
    let waiting = client.pending([&next]);
    cluster.settle(STEPS, |_| waiting.is_ready()).unwrap();
    drop(base); // `next` now depends on a recipe alone
    for rank in 1..3 {
        if cluster.stored(Rank(rank)).is_some_and(|stored| stored > 0) {
            cluster.lose(Rank(rank));
            break;
        }
    }
    let sum = client.submit(|v: &Vec<f64>| v.iter().sum::<f64>(), (&next,));
    let pending = client.pending([&sum]);
    cluster.settle(STEPS, |_| pending.is_ready()).unwrap();
    assert_eq!(pending.take().unwrap().remove(0).unwrap(), 3000.0);
}

#[test]
fn a_damaged_result_is_asked_for_again_once_and_then_its_task_fails() {
    for (times, seed) in [(1, 3), (2, 4), (9, 5)] {
        let (mut cluster, client) = Cluster::new(3, 1, seed);
        let ramp = |n: usize| (0..n).map(|k| k as f64).collect::<Vec<f64>>();
        let large = client.options().on(Rank(1)).submit(ramp, (100_000,));
        let sum = |v: &Vec<f64>| v.iter().sum::<f64>();
        let there = client.options().on(Rank(2)).submit(sum, (&large,));
        let here = client.options().pure(false).on(Rank(1)).submit(sum, (&large,));
        cluster.damage(Rank(1), Rank(2), times);
        let pending = client.pending([&there, &here]);
        cluster.settle(STEPS, |_| pending.is_ready()).unwrap();
        let mut sums = pending.take().unwrap().into_iter();
        let (there, here) = (sums.next().unwrap(), sums.next().unwrap());
        assert_eq!(here.unwrap(), 4_999_950_000.0);
        match (times, there) {
            (1, Ok(sum)) => assert_eq!(sum, 4_999_950_000.0),
            (2.., Err(error)) => {
                let text = error.to_string();
                assert!(
                    text.contains("that rank 1 has sent to rank 2 (simulated) has arrived damaged"),
                    "{text}"
                );
            }
            (_, other) => panic!("damaged {times} times: {other:?}"),
        }
    }
}

#[test]
fn random_graphs_survive_damaged_transfers() {
    for seed in seeds(0..15) {
        let ranks = 3 + (seed % 3) as u32;
        let mut damaged = BTreeSet::new();
        compute(ranks, seed, 200, |cluster, random| {
            // each pair of ranks once, so that no result is damaged twice
            let pair = (random.below(ranks.into()) as u32, random.below(ranks.into()) as u32);
            if random.below(100) == 0 && damaged.insert(pair) {
                cluster.damage(Rank(pair.0), Rank(pair.1), 1);
            }
        });
    }
}

#[test]
fn a_family_of_ten_million_costs_only_what_has_started() {
    let (mut cluster, client) = Cluster::new(3, 2, 1);
    let family = client.family(|i: u64| i * i, 10_000_000);
    let some = family.range(9_999_990..9_999_993);
    let pending = client.pending(&some);
    cluster.settle(STEPS, |_| pending.is_ready()).unwrap();
    let squares: Vec<u64> = pending.take().unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(squares[0], 9_999_990 * 9_999_990);
    let records = cluster.records();
    assert!(records < 100_000, "{records} records");
    drop((family, some));
    cluster.settle(STEPS, Cluster::is_empty).unwrap();
}

/// Whose encoding is not the same the second time: an error, a panic, longer, shorter.
#[derive(Clone, Deserialize)]
struct Fickle(usize);

impl Serialize for Fickle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        static TIMES: [AtomicU32; 4] = [const { AtomicU32::new(0) }; 4];
        let length = match (TIMES[self.0].fetch_add(1, Ordering::Relaxed), self.0) {
            (0, _) => 500,
            (_, 0) => return Err(serde::ser::Error::custom("no second time")),
            (_, 1) => panic!("the second time is too much"),
            (_, 2) => 600,
            (_, _) => 400,
        };
        vec![7u8; length].serialize(serializer)
    }
}

#[test]
fn a_result_that_cannot_be_encoded_again_is_an_error_of_those_who_take_it() {
    let causes = ["no second time", "the second time is too much", "603 bytes", "403 bytes"];
    for (kind, cause) in causes.into_iter().enumerate() {
        let (mut cluster, client) = Cluster::new(3, 1, kind as u64);
        let made = client.options().on(Rank(1)).submit(|kind: usize| Fickle(kind), (kind,));
        let taken = client.options().on(Rank(2)).submit(|fickle: &Fickle| fickle.0, (&made,));
        let pending = client.pending([&taken]);
        cluster.settle(STEPS, |_| pending.is_ready()).unwrap();
        let error = pending.take().unwrap().remove(0).unwrap_err();
        assert!(matches!(error, Error::Task(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains("could not be encoded") && text.contains(cause), "{text}");
        let fetched = client.pending([&made]);
        cluster.settle(STEPS, |_| fetched.is_ready()).unwrap();
        let text = fetched.take().unwrap().remove(0).map(|fickle| fickle.0).unwrap_err().to_string();
        assert!(text.contains(cause), "{text}");
        let after = client.submit(|x: i64| x + 1, (1,));
        let pending = client.pending([&after]);
        cluster.settle(STEPS, |_| pending.is_ready()).unwrap();
        assert_eq!(pending.take().unwrap().remove(0).unwrap(), 2);
        drop((made, taken, after));
        cluster.settle(STEPS, Cluster::is_empty).unwrap();
    }
}

/// The rank's own list of the tasks that it has run, in the order in which they came.
fn note(task: u64) -> Vec<u64> {
    let own = dtask::local(|| Mutex::new(Vec::new()));
    let mut own = own.lock().expect("nobody panics");
    own.push(task);
    own.clone()
}

#[test]
fn each_rank_has_one_value_of_its_own() {
    for seed in 0..20 {
        let (mut cluster, client) = Cluster::new(4, 2, seed);
        let on = |task: u64| {
            let options = client.options().pure(false).on(Rank(1 + (task % 3) as u32));
            options.submit(note, (task,))
        };
        let tasks: Vec<_> = (0..30).map(on).collect();
        let pending = client.pending(&tasks);
        cluster.settle(STEPS, |_| pending.is_ready()).unwrap();
        let lists: Vec<Vec<u64>> = pending.take().unwrap().into_iter().map(Result::unwrap).collect();
        for rank in 0..3 {
            let own: Vec<u64> = (0..30).filter(|task| task % 3 == rank).collect();
            let lengths: BTreeSet<usize> = own.iter().map(|task| lists[*task as usize].len()).collect();
            assert_eq!(lengths, (1..=10).collect(), "seed {seed}: a list has all tasks of its rank");
            let all = lists.iter().find(|list| list.len() == 10 && list[0] % 3 == rank).expect("the longest");
            assert_eq!(all.iter().copied().collect::<BTreeSet<u64>>(), own.into_iter().collect());
        }
    }
}

#[test]
fn a_value_that_could_not_be_made_is_made_by_the_next_task() {
    static TRIES: AtomicU32 = AtomicU32::new(0);
    fn load() -> Result<u32, Failure> {
        match TRIES.fetch_add(1, Ordering::Relaxed) {
            0 => Err(Failure::new("not yet")),
            1 => panic!("not now"),
            _ if dtask::current().is_err() => Ok(7),
            _ => Err(Failure::new("it could wait for others")),
        }
    }
    let (mut cluster, client) = Cluster::new(2, 1, 1);
    let task = |n: u32| client.submit(|n: u32| Ok::<_, Failure>(*dtask::try_local(load)? + n), (n,));
    let tasks: Vec<_> = (0..4).map(task).collect();
    let pending = client.pending(&tasks);
    cluster.settle(STEPS, |_| pending.is_ready()).unwrap();
    let told = pending.take().unwrap().into_iter().map(|result| result.map_err(|error| error.to_string()));
    let (made, failed): (Vec<_>, Vec<_>) = told.partition(Result::is_ok);
    assert_eq!((made.len(), failed.len()), (2, 2));
    let failed: Vec<String> = failed.into_iter().filter_map(Result::err).collect();
    assert!(failed.iter().any(|text| text.contains("not yet")), "{failed:?}");
    assert!(failed.iter().any(|text| text.contains("not now")), "{failed:?}");
    assert_eq!(TRIES.load(Ordering::Relaxed), 3);
}

/// Outputs of a command, one of them a file.
fn outputs(length: usize) -> CommandOutputs {
    let root = ScratchRoot::current().expect("a scratch directory");
    let file = Arc::new(root.keep_bytes(&vec![7; length]).expect("room"));
    let memory = OutputRef { which: 0, name: "stdout", content: Content::Memory(b"text") };
    CommandOutputs::new(&[memory, OutputRef { which: 2, name: "mesh", content: Content::File(&file) }])
}

/// Where the file of a pack is, and how long.
fn place(pack: &CommandOutputs) -> Result<(PathBuf, u64), Failure> {
    match pack.output(2)?.content {
        Content::File(file) => Ok((file.path().to_owned(), file.length())),
        Content::Memory(_) => Err(Failure::new("no file")),
    }
}

#[test]
fn a_commands_file_is_one_on_each_rank_that_takes_it_and_goes_with_the_last_use() {
    for seed in 0..20 {
        let (mut cluster, client) = Cluster::new(4, 1, seed);
        let made = client.options().on(Rank(1)).submit(outputs, (100_000,));
        let on = |rank: u32| client.options().pure(false).on(Rank(rank)).submit(place, (&made,));
        let taken = [on(1), on(2), on(2), on(3)];
        let pending = client.pending(&taken);
        cluster.settle(STEPS, |_| pending.is_ready()).unwrap();
        let places: Vec<(PathBuf, u64)> = pending.take().unwrap().into_iter().map(Result::unwrap).collect();
        assert!(places.iter().all(|(path, length)| *length == 100_000 && path.exists()));
        let own: BTreeSet<&PathBuf> = places.iter().map(|(path, _)| path).collect();
        assert_eq!((own.len(), &places[1]), (3, &places[2]));
        drop((made, taken));
        cluster.settle(STEPS, Cluster::is_empty).unwrap();
        assert!(own.iter().all(|path| !path.exists()));
    }
}

/// Cannot be encoded, for a long reason.
#[derive(Clone, Deserialize)]
struct Wordy;

impl Serialize for Wordy {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom(format!("{}: the last word", "why ".repeat(5000))))
    }
}

#[test]
fn arguments_that_cannot_be_encoded_fail_their_task_alone() {
    type All = (Wordy, Wordy, Wordy, Wordy, Wordy, Wordy, Wordy, String);
    let eight =
        |_: Wordy, _: Wordy, _: Wordy, _: Wordy, _: Wordy, _: Wordy, _: Wordy, text: String| text.len();
    let (mut cluster, client) = Cluster::new(2, 1, 1);
    let arguments: All = (Wordy, Wordy, Wordy, Wordy, Wordy, Wordy, Wordy, "secret".into());
    let task = client.submit(eight, arguments);
    let pending = client.pending([&task]);
    cluster.settle(STEPS, |_| pending.is_ready()).unwrap();
    let text = pending.take().unwrap().remove(0).unwrap_err().to_string();
    assert!(text.contains("why why") && text.contains("the last word"), "{text}");
    assert!(!text.contains("secret") && text.len() < 1500, "{text}");
}

#[test]
fn short_results_come_many_to_a_message() {
    let text = |k: u64| format!("{k:200}");
    let (mut cluster, client) = Cluster::new(3, 2, 4); // up to one transfer at a time
    let texts = client.map(text, 0..2_000_u64);
    let count = client.submit(|texts: Vec<String>| texts.len(), (&texts,));
    let ends = client.pending([&count]);
    cluster.settle(STEPS, |_| ends.is_ready()).unwrap();
    let (messages, bulk) = cluster.delivered();
    assert_eq!(bulk, 0, "no transfer of their own");
    let pending = client.pending(&texts);
    cluster.settle(STEPS, |_| pending.is_ready()).unwrap();
    let (more, bulk) = cluster.delivered();
    assert_eq!(bulk, 0, "no transfer of their own");
    assert!(more - messages < 1_500, "{} messages for 2,000 results", more - messages);
    let came: Vec<String> = pending.take().unwrap().into_iter().map(Result::unwrap).collect();
    assert!(came.iter().zip(0..).all(|(came, k)| *came == text(k)));
    drop((texts, count, ends));
    cluster.settle(STEPS, Cluster::is_empty).unwrap();
}

#[test]
fn a_detached_task_runs_although_nobody_holds_its_future() {
    for seed in seeds(0..20) {
        let marks = tempfile::tempdir().unwrap();
        let path = marks.path().join("mark").display().to_string();
        let mark = |_: u64, path: String| -> Result<(), Failure> { Ok(std::fs::write(path, "x")?) };
        let (mut cluster, client) = Cluster::new(3, 1, seed);
        let first = client.submit(|k: u64| k, (seed,));
        client.fire_and_forget(client.submit(mark, (first, path.clone())));
        cluster.settle(STEPS, Cluster::is_empty).unwrap();
        assert!(Path::new(&path).exists(), "seed {seed}");
        let dropped = client.submit(mark, (client.submit(|k: u64| k, (seed,)), format!("{path}2")));
        drop(dropped);
        cluster.settle(STEPS, Cluster::is_empty).unwrap();
        assert!(!Path::new(&format!("{path}2")).exists(), "seed {seed}");
    }
}
