//! The places of scratch on a host: what the user has chosen, else memory for what is small and a disk for what is
//! large.

use crate::runtime::threads::task_context::local;
use parking_lot::Mutex;
use rustix::fs::{StatFs, StatVfsMountFlags, statfs, statvfs};
use std::io;
use std::path::{Path, PathBuf};

/// Free bytes from which a disk is preferred to memory.
const ROOMY: u64 = 1 << 30;

/// Types of file systems (`f_type` of `statfs`) in memory.
const IN_MEMORY: [u64; 3] = [
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
    0x9584_58f6, // hugetlbfs
];

/// Types of file systems that are on other hosts.
const REMOTE: [u64; 10] = [
    0x6969,      // NFS
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB 2
    0x0bd0_0bd0, // Lustre
    0x4750_4653, // GPFS
    0x1983_0326, // BeeGFS
    0x00c3_6400, // Ceph
    0xaad7_aaea, // PanFS
    0x6573_5546, // FUSE
    0x5346_414f, // AFS
];

/// The variables of the environment that name a place for temporary files, the first of them first.
const VARIABLES: [&str; 2] = ["SLURM_TMPDIR", "TMPDIR"];
/// The places for temporary files of a host that are often on a disk.
const DISKS: [&str; 2] = ["/tmp", "/var/tmp"];
/// The place for temporary files in memory.
pub(crate) const MEMORY: &str = "/dev/shm";

/// The places where scratch may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ScratchPlaces {
    /// Places for the rank's directory, in the order in which they are tried.
    pub first: Vec<PathBuf>,
    /// Disks for what is large, if the rank's directory is in memory.
    pub disks: Vec<PathBuf>,
}

impl ScratchPlaces {
    /// The places where scratch may be: `chosen` alone, if the user has chosen.
    pub(crate) fn new(chosen: Option<&Path>) -> ScratchPlaces {
        if let Some(chosen) = chosen {
            return ScratchPlaces { first: vec![chosen.to_owned()], disks: vec![] };
        }
        let set = |name: &&str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let mut first: Vec<PathBuf> = VARIABLES.iter().filter_map(set).collect();
        // what a task has built may be run by the next one
        let runs = |place: &PathBuf| place != Path::new(MEMORY) || runs_programs(place);
        first.extend([MEMORY, DISKS[0]].map(PathBuf::from).into_iter().filter(runs));
        ScratchPlaces { first, disks: DISKS.map(PathBuf::from).to_vec() }
    }

    /// All places, each once.
    pub(crate) fn all(&self) -> Vec<PathBuf> {
        let mut all = [&self.first[..], &self.disks].concat();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// The directory that the user has chosen for the temporary files of this rank; `None` if dtask chooses.
#[derive(Default)]
struct ChosenPlace(Mutex<Option<PathBuf>>);

/// Chooses the place for the temporary files of this rank; `None` leaves the choice to dtask again.
pub(crate) fn choose(place: Option<PathBuf>) {
    *local(ChosenPlace::default).0.lock() = place;
}

/// The place that the user has chosen for the temporary files of this rank, if any.
pub(crate) fn chosen() -> Option<PathBuf> {
    local(ChosenPlace::default).0.lock().clone()
}

/// The directory for results that are moved from memory to disk: the one that the user has chosen, else `default`, else
/// the first directory on a disk of the host that has free space.
///
/// # Errors
/// When there is no such directory, or the chosen one is on a file system in memory.
pub(crate) fn for_spill(default: Option<&Path>) -> io::Result<PathBuf> {
    if let Some(chosen) = chosen().or(default.map(Path::to_owned)) {
        return match is_memory(&chosen) {
            true => Err(io::Error::other(format!("{} is in memory", chosen.display()))),
            false => Ok(chosen),
        };
    }
    let places = ScratchPlaces::new(None);
    let disk = places.first.iter().chain(&places.disks).find(|place| is_roomy_disk(place));
    disk.cloned().ok_or_else(|| {
        io::Error::other("no directory for temporary files is on a disk of this host with 1 GiB free")
    })
}

/// Whether programs in a directory may be run: whether its file system is mounted without `noexec`.
fn runs_programs(place: &Path) -> bool {
    statvfs(place).is_ok_and(|found| !found.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

/// Whether a directory is in memory, not on a disk of this host or another.
pub(crate) fn is_memory(place: &Path) -> bool {
    kind(place).is_some_and(|kind| IN_MEMORY.contains(&kind))
}

fn kind(place: &Path) -> Option<u64> {
    statfs(place).ok().map(|found: StatFs| found.f_type as u64 & u64::from(u32::MAX))
}

/// Whether a directory is on a disk of this host that has room for what is large.
pub(crate) fn is_roomy_disk(place: &Path) -> bool {
    let is_disk = kind(place).is_some_and(|kind| !IN_MEMORY.contains(&kind) && !REMOTE.contains(&kind));
    is_disk && statvfs(place).is_ok_and(|found| found.f_bavail.saturating_mul(found.f_frsize) >= ROOMY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_is_the_only_place_and_memory_is_no_disk() {
        let chosen = ScratchPlaces::new(Some(Path::new("/x")));
        assert_eq!((&chosen.first[..], chosen.disks.len()), (&[PathBuf::from("/x")][..], 0));
        assert!(!is_roomy_disk(Path::new("/does/not/exist")) && !is_memory(Path::new("/does/not/exist")));
        let places = ScratchPlaces::new(None);
        assert!(places.all().contains(&MEMORY.into()) && places.all().contains(&"/tmp".into()));
        for place in places.all() {
            assert!(!(is_memory(&place) && is_roomy_disk(&place)), "{}", place.display());
        }
    }
}
