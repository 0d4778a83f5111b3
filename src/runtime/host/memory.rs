//! The memory that a job may use on its host: all of it, or the part that the control group or Slurm grants.

use std::fs;
use std::path::{Path, PathBuf};

/// The number of bytes of memory that this process may use, together with the other ranks on its host.
pub(crate) fn granted() -> u64 {
    let slurm = |name: &str| std::env::var(name).ok();
    let limits = [cgroup_limit(Path::new("/sys/fs/cgroup"), "/proc/self/cgroup"), slurm_limit(slurm)];
    limits.into_iter().flatten().fold(of_host(), u64::min)
}

/// The memory of the host, in bytes.
fn of_host() -> u64 {
    let info = rustix::system::sysinfo();
    // the fields of `sysinfo` have another width on 32-bit machines
    #[allow(clippy::useless_conversion)]
    u64::from(info.totalram).saturating_mul(u64::from(info.mem_unit))
}

/// The memory of the job on each node, in bytes, from Slurm's variables, which are in MiB. `None` if they are not set,
/// or if they grant all memory of the node.
fn slurm_limit(variable: impl Fn(&str) -> Option<String>) -> Option<u64> {
    let number = |name: &str| variable(name)?.trim().parse::<u64>().ok().filter(|&number| number > 0);
    let mib = number("SLURM_MEM_PER_NODE").or_else(|| {
        let cores = number("SLURM_CPUS_ON_NODE").or_else(|| number("SLURM_JOB_CPUS_PER_NODE"))?;
        number("SLURM_MEM_PER_CPU")?.checked_mul(cores)
    })?;
    mib.checked_mul(1 << 20)
}

/// The smallest memory limit, in bytes, of the control groups (version 1 or 2) of the process. `mount` is the folder
/// where they are mounted, and `list` the file that names them, such as `/proc/self/cgroup`.
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

/// The smallest limit in the files named `file` of a control group and of all groups that contain it. Groups outside of
/// the container that the process runs in cannot be read, and do not count.
fn limits_above(mount: &Path, path: &str, file: &str) -> Option<u64> {
    let path = PathBuf::from(path.trim_start_matches('/'));
    let read = |group: &Path| fs::read_to_string(mount.join(group).join(file)).ok()?.trim().parse().ok();
    // no limit is a number near 2^63 in version 1, and the text `max` in version 2
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
