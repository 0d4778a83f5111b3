//! Shares of a host: the cores and devices that each of its ranks has for itself.

use crate::protocol::Hello;
use crate::runtime::threads::task_context;
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

/// The cores and devices that a rank has for itself alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HostShare {
    /// Numbers of the cores, as many as the rank has slots. Empty where the ranks with the same affinity mask have more
    /// slots together than the mask has cores.
    pub cores: Vec<u32>,
    /// The devices (GPUs) of the rank, by their names in `CUDA_VISIBLE_DEVICES`.
    pub gpus: Vec<String>,
}

/// The cores and devices of this process's rank, set once at the beginning of a run.
#[derive(Debug, Default)]
struct OwnShare(Mutex<HostShare>);

/// Stores the share of this rank (its own cores and devices), for [`own`].
pub(crate) fn set_own(part: HostShare) {
    *task_context::local(OwnShare::default).0.lock() = part;
}

/// The share of this rank: the cores and devices that it has for itself alone.
pub(crate) fn own() -> HostShare {
    task_context::local(OwnShare::default).0.lock().clone()
}

/// The name of this process's host, set once at the beginning of a run.
#[derive(Debug, Default)]
struct OwnHost(Mutex<Option<Arc<str>>>);

/// Stores the name of this rank's host, for [`own_host`].
pub(crate) fn set_own_host(host: &str) {
    *task_context::local(OwnHost::default).0.lock() = Some(host.into());
}

/// The name of this rank's host; `simulated` in a simulated cluster.
pub(crate) fn own_host() -> Arc<str> {
    task_context::local(OwnHost::default).0.lock().clone().unwrap_or_else(|| "simulated".into())
}

/// The share of each rank: its part of its host's cores and devices. Ranks of a host that compute and have the same
/// affinity mask divide the cores of that mask; ranks with the same list of devices divide that list.
pub(crate) fn parts(hellos: &[Hello], slots: &[u32]) -> Vec<HostShare> {
    let part = |rank: usize| {
        if slots[rank] == 0 {
            return HostShare::default();
        }
        let hello = &hellos[rank];
        let alike = |same: &dyn Fn(&Hello) -> bool| -> Vec<usize> {
            let here = |other: &usize| slots[*other] > 0 && hellos[*other].host == hello.host;
            (0..hellos.len()).filter(here).filter(|other| same(&hellos[*other])).collect()
        };
        let ranks = alike(&|other| other.cores == hello.cores);
        let wanted = |ranks: &[usize]| ranks.iter().map(|&rank| slots[rank] as usize).sum::<usize>();
        let before: Vec<usize> = ranks.iter().copied().filter(|&other| other < rank).collect();
        let first = wanted(&before);
        let cores = if wanted(&ranks) <= hello.cores.len() {
            hello.cores[first..first + slots[rank] as usize].to_vec()
        } else {
            Vec::new()
        };
        let ranks = alike(&|other| other.gpus == hello.gpus);
        let place = ranks.iter().position(|&other| other == rank).unwrap_or(0);
        let bound = |place: usize| place * hello.gpus.len() / ranks.len().max(1);
        HostShare { cores, gpus: hello.gpus[bound(place)..bound(place + 1)].to_vec() }
    };
    (0..hellos.len()).map(part).collect()
}

/// For each rank the number of its host, in the order in which hosts first appear.
pub(crate) fn hosts(hellos: &[Hello]) -> Vec<u32> {
    let mut names: Vec<&str> = Vec::new();
    let mut numbers = Vec::with_capacity(hellos.len());
    for hello in hellos {
        let number = names.iter().position(|name| *name == hello.host).unwrap_or_else(|| {
            names.push(&hello.host);
            names.len() - 1
        });
        numbers.push(number as u32);
    }
    numbers
}

/// Environment variables in which a batch system or the user lists the devices of a process; the first that is set
/// counts.
const LISTS: [&str; 8] = [
    "DTASK_GPUS",
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "SLURM_STEP_GPUS",
    "SLURM_JOB_GPUS",
    "SGE_HGR_gpu",
];

/// The devices that this process is allowed to use: those in the variable that the batch system or the user has set, or
/// else all that the system shows.
pub(crate) fn gpus() -> Vec<String> {
    let set = |name: &&str| std::env::var(name).ok();
    match LISTS.iter().find_map(set) {
        Some(list) => devices(&list),
        None => shown(Path::new("/dev")),
    }
}

/// Parses a list in the notation of `CUDA_VISIBLE_DEVICES`: names or numbers, and ranges as Slurm writes them. A
/// negative number ends the list.
pub(crate) fn devices(list: &str) -> Vec<String> {
    let mut all = Vec::new();
    for word in list.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()) {
        if word.starts_with('-') || word.eq_ignore_ascii_case("nodevfiles") {
            break;
        }
        let range = word.split_once('-').and_then(|(first, last)| {
            let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
            (first <= last).then_some(first..=last)
        });
        match range {
            Some(range) => all.extend(range.map(|number| number.to_string())),
            None => all.push(word.to_owned()),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    all.retain(|device| seen.insert(device.clone()));
    all
}

/// The numbers of the devices that the NVIDIA driver shows in `dev` (`/dev`).
fn shown(dev: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dev).into_iter().flatten().flatten();
    let number =
        |entry: std::fs::DirEntry| entry.file_name().to_str()?.strip_prefix("nvidia")?.parse::<u16>().ok();
    let mut numbers: Vec<u16> = names.filter_map(number).collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|number| number.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(host: &str, cores: &[u32], gpus: &str) -> Hello {
        Hello {
            version: 1,
            code_hash: 0,
            host: host.into(),
            cores: cores.to_vec(),
            granted: 0,
            memory: 0,
            files: 0,
            program: String::new(),
            gpus: devices(gpus),
        }
    }

    fn part(cores: &[u32], gpus: &str) -> HostShare {
        HostShare { cores: cores.to_vec(), gpus: devices(gpus) }
    }

    #[test]
    fn what_ranks_of_a_host_have_in_common_is_shared_out() {
        let all = [0, 1, 2, 3, 8];
        let hellos = [
            hello("a", &all, "0-2"),
            hello("a", &all, "0-2"),
            hello("a", &all, "0-2"),
            hello("b", &all, "GPU-7f,GPU-11"),
            hello("a", &[7], "5"),
        ];
        let expected = [
            part(&[], ""),
            part(&[0, 1, 2], "0"),
            part(&[3, 8], "1,2"),
            part(&all, "GPU-7f,GPU-11"),
            part(&[7], "5"),
        ];
        assert_eq!(parts(&hellos, &[0, 3, 2, 5, 1]), expected);
        assert_eq!(hosts(&hellos), [0, 0, 0, 1, 0]);
    }

    #[test]
    fn with_more_slots_than_cores_no_rank_has_cores_of_its_own() {
        let hellos = [hello("a", &[0, 1], ""), hello("a", &[0, 1], "")];
        assert_eq!(parts(&hellos, &[1, 2]), [part(&[], ""), part(&[], "")]);
        assert_eq!(parts(&hellos, &[1, 1]), [part(&[0], ""), part(&[1], "")]);
    }

    #[test]
    fn lists_of_devices() {
        assert_eq!(devices("0,2-4, 2,MIG-GPU-8,-1,5"), ["0", "2", "3", "4", "MIG-GPU-8"]);
        assert!(devices("NoDevFiles").is_empty() && devices("").is_empty());
    }

    #[test]
    fn devices_that_the_system_shows() -> std::io::Result<()> {
        let dev = tempfile::tempdir()?;
        for name in ["nvidia10", "nvidia2", "nvidiactl", "null"] {
            std::fs::write(dev.path().join(name), "")?;
        }
        assert_eq!(shown(dev.path()), ["2", "10"]);
        assert!(shown(&dev.path().join("none")).is_empty());
        Ok(())
    }
}
