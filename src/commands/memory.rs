//! Memory use of a command's process tree, and whether the system's out-of-memory killer has acted.
//!
//! Without privileges the system can enforce no memory limit for a group of processes, so the rank samples their use.
//! Pages of mapped files do not count: the system takes them back when it needs memory. Files in memory (tmpfs) do.

use std::collections::BTreeSet;
use std::fs;

/// Bytes of resident memory of a process and all its descendants, without pages of mapped files. A page that several of
/// them share counts once, in proportional parts (PSS).
pub(crate) fn of_tree(root: u32) -> u64 {
    let tree = tree(root);
    tree.iter().map(|pid| resident(*pid)).sum()
}

/// An upper bound of [`of_tree`] in bytes, cheaper to read: the resident memory (RSS) of a process and all its
/// descendants, in which shared pages count for each process.
pub(crate) fn of_tree_at_most(root: u32) -> u64 {
    tree(root).iter().map(|pid| in_memory(*pid)).sum()
}

/// The numbers of a process and all its descendants.
pub(crate) fn tree(root: u32) -> BTreeSet<u32> {
    let (mut tree, mut todo) = (BTreeSet::new(), vec![root]);
    while let Some(pid) = todo.pop() {
        if tree.insert(pid) {
            let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            for thread in threads {
                let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
                todo.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
        }
    }
    tree
}

/// The sum in bytes of two lines of a file in `/proc`, which has them in kilobytes. `None` if one is missing.
fn sum(path: &str, names: [&str; 2]) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some((line(names[0])? + line(names[1])?) * 1024)
}

/// Bytes of resident memory of one process without mapped files (RSS).
fn in_memory(pid: u32) -> u64 {
    sum(&format!("/proc/{pid}/status"), ["RssAnon:", "RssShmem:"]).unwrap_or(0)
}

/// Bytes of resident memory of one process without mapped files, in which a page shared by several counts in
/// proportional parts (PSS). If the kernel does not tell these, RSS, in which it counts fully.
fn resident(pid: u32) -> u64 {
    let parts = sum(&format!("/proc/{pid}/smaps_rollup"), ["Pss_Anon:", "Pss_Shmem:"]);
    parts.unwrap_or_else(|| in_memory(pid))
}

/// The number of processes that the kernel's out-of-memory killer has killed on this host since it started.
pub(crate) fn kills() -> u64 {
    let text = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_some_and_nobody_none() {
        let own = std::process::id();
        let (shared, all) = (of_tree(own), of_tree_at_most(own));
        assert!(shared > 1 << 20 && all > 1 << 20, "{shared} {all}");
        assert_eq!(of_tree(u32::MAX), 0);
    }
}
