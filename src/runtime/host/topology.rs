//! The topology of hosts: cores and files of a host, and the number of slots of each rank.

use crate::ids::Rank;
use crate::protocol::Hello;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use xxhash_rust::xxh3::xxh3_64;

/// Numbers of the cores on which the kernel lets this thread run (its affinity mask), ascending.
pub(crate) fn cores() -> Vec<u32> {
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => {
            (0..rustix::thread::CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).map(|c| c as u32).collect()
        }
        Err(_) => (0..std::thread::available_parallelism().map_or(1, |n| n.get() as u32)).collect(),
    }
}

/// Number of cores of the host, including cores that this thread's affinity mask excludes; 0 where the system does not
/// say.
pub(crate) fn online() -> usize {
    let list = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let count = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(last.parse::<usize>().ok()? + 1 - first.parse::<usize>().ok()?)
    };
    list.trim().split(',').filter_map(count).sum()
}

/// Number of the host's cores that the batch system has granted to this job; 0 where it does not say. Where it binds no
/// processes to cores, the affinity mask has all cores of the host, and those of other jobs too.
pub(crate) fn granted() -> u32 {
    let cores = |name| std::env::var(name).ok().as_deref().and_then(granted_by_slurm);
    cores("SLURM_JOB_CPUS_PER_NODE").or_else(|| cores("SLURM_CPUS_ON_NODE")).unwrap_or(0)
}

/// The most cores of a host in a list of Slurm's, such as `16(x2),8`: the job's hosts in order, of which a process does
/// not know which is its own. `None` for any other text.
fn granted_by_slurm(list: &str) -> Option<u32> {
    let cores = |part: &str| part.split('(').next().and_then(|cores| cores.parse::<u32>().ok());
    list.trim().split(',').map(cores).collect::<Option<Vec<u32>>>()?.into_iter().max()
}

/// Formats core numbers in the notation of `taskset`: `0-3,8`.
pub(crate) fn core_list(cores: &[u32]) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = cores;
    while let Some(&first) = rest.first() {
        let length = rest.iter().zip(first..).take_while(|(core, expected)| *core == expected).count().max(1);
        let last = rest[length - 1];
        parts.push(if length > 1 { format!("{first}-{last}") } else { first.to_string() });
        rest = &rest[length..];
    }
    parts.join(",")
}

/// Number of slots of each rank: tasks that it computes at a time. The cores of an affinity mask are divided between
/// the ranks of a host that compute and have that mask; of a mask with more cores than the job has on the host, as many
/// as it has.
///
/// Rank 0 has as many slots as `head_slots` says; without `head_slots`, it computes only if it is the only rank.
pub(crate) fn slots(hellos: &[Hello], head_slots: Option<u32>) -> Vec<u32> {
    let alone = hellos.len() == 1;
    let computes = |rank: usize| rank > 0 || (alone && head_slots.is_none());
    (0..hellos.len())
        .map(|rank| {
            if !computes(rank) {
                return head_slots.unwrap_or(0);
            }
            let hello = &hellos[rank];
            let alike = |other: &usize| {
                computes(*other) && hellos[*other].host == hello.host && hellos[*other].cores == hello.cores
            };
            let all: Vec<usize> = (0..hellos.len()).filter(alike).collect();
            let place = all.iter().position(|&other| other == rank).unwrap_or(0);
            let (cores, ranks) = (usable(hello), all.len().max(1));
            (cores / ranks + usize::from(place < cores % ranks)).max(1) as u32
        })
        .collect()
}

/// Number of cores that the ranks of a host with this affinity mask may use together.
fn usable(hello: &Hello) -> usize {
    let granted = if hello.granted == 0 { usize::MAX } else { hello.granted as usize };
    hello.cores.len().min(granted)
}

/// Whether rank 0's reactor has a core of its own: there are enough cores for the client's thread and for the reactors
/// and slots of all ranks on its host that share cores with it.
pub(crate) fn head_has_core(hellos: &[Hello], slots: &[u32]) -> bool {
    let Some(head) = hellos.first() else { return false };
    let shares =
        |hello: &Hello| hello.host == head.host && hello.cores.iter().any(|core| head.cores.contains(core));
    let beside = || hellos.iter().zip(slots).filter(|(hello, _)| shares(hello));
    let threads: usize = beside().map(|(_, &slots)| 1 + slots as usize).sum();
    let cores: std::collections::BTreeSet<u32> =
        beside().flat_map(|(hello, _)| hello.cores.iter().copied()).collect();
    threads < cores.len()
}

/// The memory limit for the results of each rank, in bytes, by rank: `chosen`, or 60 % of the rank's share of its
/// host's memory. Beyond it, results are moved to disk, and the rank gets no more tasks without inputs.
pub(crate) fn memory_limits(hellos: &[Hello], chosen: Option<u64>) -> Vec<u64> {
    let share = |hello: &Hello| {
        if let Some(limit) = chosen {
            return limit;
        }
        let ranks = hellos.iter().filter(|other| other.host == hello.host).count() as u64;
        hello.memory / ranks.max(1) / 10 * 6
    };
    hellos.iter().map(share).collect()
}

/// The table of ranks for the log.
pub(crate) fn table(hellos: &[Hello], slots: &[u32]) -> String {
    let width = hellos.iter().map(|hello| hello.host.len()).max().unwrap_or(0).max(4);
    let mut text = format!("rank  {:width$}  slots  cores", "host");
    for (rank, (hello, slots)) in hellos.iter().zip(slots).enumerate() {
        let role = match (rank, slots) {
            (0, 0) => "  (schedules)",
            (0, _) => "  (schedules and computes)",
            _ => "",
        };
        text += &format!("\n{rank:>4}  {:width$}  {slots:>5}  {}{role}", hello.host, core_list(&hello.cores));
    }
    text
}

/// Warnings about cores of the job that lie idle: where `mpirun` has bound ranks to one core each while a host of
/// `online` cores has others for the job, and where rank 0 is alone on its host, and only schedules.
pub(crate) fn idle_cores(hellos: &[Hello], slots: &[u32], online: usize) -> Vec<String> {
    let bound = |(rank, hello): (usize, &Hello)| {
        let masks = hellos.iter().filter(|other| other.host == hello.host).map(|other| &other.cores);
        let used: std::collections::BTreeSet<u32> = masks.flatten().copied().collect();
        let there = if hello.granted == 0 { online } else { online.min(hello.granted as usize) };
        (hello.cores.len() == 1 && used.len() < there).then_some(Rank(rank as u32))
    };
    let bound: Vec<Rank> = hellos.iter().enumerate().filter_map(bound).collect();
    let mut warnings: Vec<String> = bound.first().into_iter().map(|rank| {
        let (count, total) = (bound.len(), hellos.len());
        format!(
            "{count} of {total} ranks (rank {rank} first) are bound to one core each, and other cores of their hosts lie \
             idle: start with `mpirun --bind-to none`, or give each rank its cores with `--map-by slot:PE=<n>` (Slurm: \
             `--cpus-per-task=<n>`)"
        )
    }).collect();
    let Some(head) = hellos.first() else { return warnings };
    let alone = hellos.iter().filter(|other| other.host == head.host).count() == 1;
    let cores = usable(head);
    if hellos.len() > 1 && alone && slots[0] == 0 && cores > 1 {
        warnings.push(format!(
            "rank 0 is alone on {} and only schedules, so that {} of its {cores} cores lie idle: start two ranks on that \
             host, or let rank 0 compute with `--head-slots {}`",
            head.host,
            cores - 1,
            cores - 1
        ));
    }
    warnings
}

/// A number for the file systems that this process sees: equal in processes that see the same files. Those of one host
/// do, unless they are in containers or run as other users. 0 where the system does not say.
pub(crate) fn files() -> u64 {
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id");
    let mounts = std::fs::read_link("/proc/self/ns/mnt");
    let root = std::fs::metadata("/");
    let (Ok(boot), Ok(mounts), Ok(root)) = (boot, mounts, root) else { return 0 };
    let user = rustix::process::geteuid().as_raw();
    xxh3_64(format!("{boot:?} {} {}:{} {user}", mounts.display(), root.dev(), root.ino()).as_bytes()).max(1)
}

/// For each rank, the list of other ranks that see the same files.
pub(crate) fn same_files(hellos: &[Hello]) -> Vec<Vec<Rank>> {
    let mut groups: HashMap<u64, Vec<Rank>> = HashMap::new();
    for (rank, hello) in hellos.iter().enumerate().filter(|(_, hello)| hello.files != 0) {
        groups.entry(hello.files).or_default().push(Rank(rank as u32));
    }
    let others = |(rank, hello): (usize, &Hello)| {
        let group = groups.get(&hello.files).into_iter().flatten();
        group.copied().filter(|other| other.index() != rank).collect()
    };
    hellos.iter().enumerate().map(others).collect()
}

/// Size of the stack of the main thread, in bytes, which compute threads have too: the soft limit (`ulimit -s`), at
/// least 8 and at most 64 MiB.
pub(crate) fn main_stack() -> usize {
    const LEAST: u64 = 8 << 20;
    const MOST: u64 = 64 << 20;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
    usize::try_from(limit.unwrap_or(MOST).clamp(LEAST, MOST)).unwrap_or(LEAST as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(host: &str, cores: &[u32]) -> Hello {
        Hello {
            version: 1,
            code_hash: 0,
            host: host.into(),
            cores: cores.to_vec(),
            granted: 0,
            memory: 1000,
            files: 0,
            program: String::new(),
            gpus: Vec::new(),
        }
    }

    #[test]
    fn ranks_that_see_the_same_files_know_each_other() {
        let hellos = [5, 0, 5, 7, 0, 5].map(|files| Hello { files, ..hello("n", &[0]) });
        let found: Vec<Vec<u32>> =
            same_files(&hellos).iter().map(|others| others.iter().map(|rank| rank.0).collect()).collect();
        assert_eq!(found, [vec![2, 5], vec![], vec![0, 5], vec![], vec![], vec![0, 2]]);
        assert!(files() != 0 && files() == files());
    }

    #[test]
    fn cores_are_shared_between_ranks_with_the_same_mask_that_compute() {
        let all = [0, 1, 2, 3, 4];
        let hellos =
            [hello("a", &all), hello("a", &all), hello("a", &all), hello("b", &all), hello("a", &[7])];
        assert_eq!(slots(&hellos, None), [0, 3, 2, 5, 1]);
        assert_eq!(slots(&hellos, Some(2)), [2, 3, 2, 5, 1]);
        assert_eq!(slots(&hellos[..1], None), [5]);
        assert_eq!(slots(&hellos[..1], Some(2)), [2]);
        let crowd: Vec<Hello> = (0..4).map(|_| hello("a", &[0, 1])).collect();
        assert_eq!(slots(&crowd, None), [0, 1, 1, 1]);
    }

    #[test]
    fn rank_0_has_a_core_only_where_no_thread_is_left_without_one() {
        let many = [0, 1, 2, 3, 4, 5];
        // rank 0 needs two cores, for its reactor and for the client's thread
        assert!(head_has_core(&[hello("a", &[0, 1]), hello("b", &[0, 1])], &[0, 2]));
        assert!(!head_has_core(&[hello("a", &[0]), hello("b", &[0, 1])], &[0, 2]));
        // and further ones for the reactor and the slots of a second rank with the same cores
        assert!(!head_has_core(&[hello("a", &[0, 1]), hello("a", &[0, 1])], &[0, 2]));
        assert!(head_has_core(&[hello("a", &many), hello("a", &many)], &[0, 3]));
        assert!(!head_has_core(&[hello("a", &many), hello("a", &many)], &[0, 4]));
        // but not for a rank that has cores of its own
        assert!(head_has_core(&[hello("a", &[0, 1]), hello("a", &[2, 3])], &[0, 2]));
    }

    #[test]
    fn ranks_bound_to_one_core_each_are_warned_of_only_where_cores_lie_idle() {
        let bound = [hello("a", &[0]), hello("a", &[1])];
        let warned = |hellos: &[Hello], slots: &[u32], online| idle_cores(hellos, slots, online);
        assert!(warned(&bound, &[0, 1], 8)[0].contains("2 of 2 ranks"));
        assert!(warned(&bound, &[0, 1], 2).is_empty());
        let free = [hello("a", &[0, 1]), hello("a", &[0, 1])];
        assert!(warned(&free, &[0, 2], 8).is_empty());
        // a job with one core for each of its ranks
        let granted = bound.map(|hello| Hello { granted: 2, ..hello });
        assert!(warned(&granted, &[0, 1], 8).is_empty());
        let text = table(&free, &[0, 2]);
        assert_eq!(text.lines().nth(2), Some("   1  a         2  0-1"), "{text}");
    }

    #[test]
    fn a_host_on_which_rank_0_only_schedules_is_warned_of() {
        let apart = [hello("a", &[0, 1, 2, 3]), hello("b", &[0, 1, 2, 3])];
        let warnings = idle_cores(&apart, &[0, 4], 4);
        assert!(warnings.len() == 1 && warnings[0].contains("`--head-slots 3`"), "{warnings:?}");
        assert!(idle_cores(&apart, &[3, 4], 4).is_empty(), "it computes");
        assert!(idle_cores(&apart[..1], &[4], 4).is_empty(), "it is the only one");
        let beside = [hello("a", &[0, 1]), hello("a", &[0, 1]), hello("b", &[0, 1])];
        assert!(idle_cores(&beside, &[0, 2, 2], 2).is_empty());
        let small = apart.map(|hello| Hello { granted: 1, ..hello });
        assert!(idle_cores(&small, &[0, 1], 4).is_empty(), "the job has one core of its host");
    }

    #[test]
    fn a_job_takes_no_more_cores_than_it_was_granted() {
        let all = [0, 1, 2, 3, 4, 5, 6, 7];
        let hellos = [hello("a", &all), hello("b", &all), hello("b", &all), hello("c", &[5])];
        let hellos = hellos.map(|hello| Hello { granted: 3, ..hello });
        assert_eq!(slots(&hellos, None), [0, 2, 1, 1]);
        assert_eq!(granted_by_slurm("16(x2),8"), Some(16));
        assert_eq!(granted_by_slurm("4"), Some(4));
        assert_eq!(granted_by_slurm("8,36(x3)"), Some(36));
        assert_eq!(granted_by_slurm("many"), None);
    }

    #[test]
    fn core_lists_are_short() {
        assert_eq!(core_list(&[0, 1, 2, 3, 8]), "0-3,8");
        assert_eq!(core_list(&[]), "");
        assert_eq!(core_list(&[5, 7]), "5,7");
    }
}
