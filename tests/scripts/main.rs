//! The `dtask` command itself, under the real `mpirun`: scripts from their text to their results.

#[path = "../common/mod.rs"]
mod common;

mod bad;
mod bombs;
mod campaign;
mod chains;
mod checkpoints;
mod commands;
mod conditions;
mod data;
mod disk_full;
mod examples;
mod execution;
mod files;
mod folders;
#[cfg(feature = "hdf5")]
mod guide;
#[cfg(feature = "hdf5")]
mod hdf5;
#[cfg(feature = "hdf5")]
mod hdf5_killed;
mod kept;
mod left;
mod limits;
mod logs;
mod lost;
mod mapreduce;
mod messages;
mod mpi_programs;
mod outline;
mod policy;
mod programs;
mod random_graphs;
mod reductions;
mod references;
mod resources;
mod resume;
mod resume_changes;
mod resume_outputs;
mod robust;
mod saving;
mod scratch;
mod signals;
mod six;
mod spawner;
mod spill;
mod storm;
mod survival;
mod sweeps;
mod until;
mod usage;
mod values;
mod walltime;
mod workflows;

use common::mpirun::{Mpirun, Outcome};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// A folder with a script in it.
struct Folder {
    dir: TempDir,
}

impl Folder {
    fn empty() -> Folder {
        Folder { dir: tempfile::tempdir().expect("a temporary folder") }
    }

    /// With `text` as its `s.toml`, below the line that every script begins with.
    fn script(text: &str) -> Folder {
        let folder = Folder::empty();
        std::fs::write(folder.path("s.toml"), format!("dtask = 1\n{text}")).expect("the script is written");
        folder
    }

    /// With one of the example scripts.
    fn example(name: &str) -> Folder {
        let folder = Folder::empty();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/scripts").join(name);
        std::fs::copy(from, folder.path(name)).expect("the example is there");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    #[track_caller]
    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// All names in it, without scripts and run folders, sorted.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).expect("the folder is there");
        let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> =
            names.filter(|name| !name.ends_with(".toml") && !name.ends_with(".dtask")).collect();
        names.sort();
        names
    }

    /// `mpirun -n ranks dtask`, in this folder; without ranks, `dtask` alone.
    fn dtask(&self, ranks: usize) -> Mpirun {
        let run = if ranks == 0 { Mpirun::singleton() } else { Mpirun::new(ranks) };
        run.program(env!("CARGO_BIN_EXE_dtask")).dir(self.dir.path()).limit(Duration::from_secs(60))
    }

    #[track_caller]
    fn run(&self, ranks: usize, args: &[&str]) -> Outcome {
        self.dtask(ranks).args(args).run()
    }
}
