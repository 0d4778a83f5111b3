//! The memory that a job may use on its host: that of the host, or what the control group or Slurm grants of it.

use std::fs;
use std::path::{Path, PathBuf};

/// Memory that this process may use on its host, together with the other ranks there, in bytes.
pub(crate) fn granted() -> u64 {
    let slurm = |name: &str| std::env::var(name).ok();
    let limits = [cgroup_limit(Path::new("/sys/fs/cgroup"), "/proc/self/cgroup"), slurm_limit(slurm)];
    limits.into_iter().flatten().fold(of_host(), u64::min)
}

/// Memory of the host, in bytes.
fn of_host() -> u64 {
    let info = rustix::system::sysinfo();
    // the fields have another width on other machines
    #[allow(clippy::useless_conversion)]
    u64::from(info.totalram).saturating_mul(u64::from(info.mem_unit))
}

/// The memory of the job on each node, as Slurm's variables say it in MiB; `None` where they say nothing, or "all".
fn slurm_limit(variable: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let number = |name: &str| variable(name)?.trim().parse::<u64>().ok().filter(|&number| number > 0);
    let mib = number("SLURM_MEM_PER_NODE").or_else(|| {
        let cores = number("SLURM_CPUS_ON_NODE").or_else(|| number("SLURM_JOB_CPUS_PER_NODE"))?;
        number("SLURM_MEM_PER_CPU")?.checked_mul(cores)
    })?;
    mib.checked_mul(1 << 20)
}

/// The least memory limit of the process's control groups, version 2 or 1, mounted at `mount`; `list` is the file that
/// names them.
fn cgroup_limit(mount: &Path, list: &str) -> Option<u64> {
    let groups = fs::read_to_string(list).ok()?;
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let (mount, file) = match controllers {
            "" => (mount.to_owned(), "memory.max"),
            names if names.split(',').any(|name| name == "memory") => {
                (mount.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        least = least.into_iter().chain(limits_above(&mount, path, file)).min();
    }
    least
}

/// The limits in `file` of a group and of all groups that it is in, those of containers that see a part of the tree
/// only as far as they can be seen.
fn limits_above(mount: &Path, path: &str, file: &str) -> Option<u64> {
    let path = PathBuf::from(path.trim_start_matches('/'));
    let read = |group: &Path| fs::read_to_string(mount.join(group).join(file)).ok()?.trim().parse().ok();
    // version 1 says a number near 2^63 where there is no limit; `max` of version 2 is no number
    path.ancestors().filter_map(read).filter(|&limit| limit > 0 && limit < 1 << 60).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slurm_grants_is_read_in_all_its_forms() {
        let limit = |set: &[(&str, &str)]| {
            slurm_limit(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(limit(&[("SLURM_MEM_PER_NODE", "2048")]), Some(2 << 30));
        assert_eq!(limit(&[("SLURM_MEM_PER_CPU", "1024"), ("SLURM_CPUS_ON_NODE", "4")]), Some(4 << 30));
        assert_eq!(limit(&[("SLURM_MEM_PER_NODE", "0")]), None);
        assert_eq!(limit(&[("SLURM_MEM_PER_CPU", "1024"), ("SLURM_JOB_CPUS_PER_NODE", "4(x2)")]), None);
        assert_eq!(limit(&[]), None);
    }

    #[test]
    fn the_least_limit_of_a_group_and_those_around_it_counts() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("job/step");
        fs::create_dir_all(&inner).unwrap();
        fs::write(root.path().join("job/memory.max"), "1000000\n").unwrap();
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        let list = root.path().join("groups");
        fs::write(&list, "0::/job/step\n").unwrap();
        assert_eq!(cgroup_limit(root.path(), list.to_str().unwrap()), Some(1_000_000));
        fs::create_dir_all(root.path().join("memory/old")).unwrap();
        fs::write(root.path().join("memory/old/memory.limit_in_bytes"), "5000\n").unwrap();
        fs::write(&list, "4:cpu,memory:/old\n0::/job/step\n").unwrap();
        assert_eq!(cgroup_limit(root.path(), list.to_str().unwrap()), Some(5000));
        fs::write(&list, "4:cpu:/old\n").unwrap();
        assert_eq!(cgroup_limit(root.path(), list.to_str().unwrap()), None);
    }
}
