//! The launcher of MPI programs (`mpirun`, `mpiexec`, `srun`), found and called by the MPI that dtask runs under.
//!
//! A program of the user that is an MPI program is a job of its own: it is started by the same launcher as dtask, with
//! a list of hosts and of how many processes each gets. The launcher must neither look for an allocation of the batch
//! system by itself, as it would take cores that dtask has given to other tasks, nor bind processes to cores: two
//! launchers on a host would both begin with the first core.

use crate::error::Failure;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The variable by which users name the launcher, with options: `mpirun --mca pml ob1`.
const VARIABLE: &str = "DTASK_MPIRUN";
/// Parts of Open MPI and PRRTE that read allocations of batch systems, and so would change the list of hosts.
const ALLOCATIONS: &str = "^slurm,gridengine,tm,lsf,alps";

/// The kinds of launchers, which differ in their options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LauncherKind {
    /// `mpirun` of Open MPI up to version 4.
    Orte,
    /// `mpirun` of Open MPI from version 5 on.
    Prrte,
    /// `mpiexec` of MPICH, Intel MPI and others.
    Hydra,
    /// `srun` of Slurm.
    Slurm,
}

/// A launcher of MPI programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MpiLauncher {
    kind: LauncherKind,
    /// The program and the options that the user has given.
    words: Vec<OsString>,
}

/// A call of a launcher, to which the words of the program are added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LauncherCall {
    /// The launcher and its options.
    pub words: Vec<OsString>,
    /// Variables that the launcher itself needs.
    pub env: Vec<(String, OsString)>,
}

impl MpiLauncher {
    /// Finds the launcher: the one that the user names by `DTASK_MPIRUN`; else the one that has started dtask; else
    /// `mpirun` in PATH. `is_job` tells that dtask itself has several ranks.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn find(is_job: bool) -> Result<MpiLauncher, Failure> {
        let named = std::env::var(VARIABLE).ok().filter(|text| !text.trim().is_empty());
        if let Some(text) = named {
            return MpiLauncher::named(&text);
        }
        let started = ancestors().into_iter().find_map(|program| MpiLauncher::of_process(&program, is_job));
        let known = || ["mpirun", "mpiexec"].iter().find_map(|name| MpiLauncher::of_path(&in_path(name)?));
        started.or_else(known).ok_or_else(|| {
            Failure::new(format!(
                "`ranks` needs the launcher of an MPI: there is no `mpirun` and no `mpiexec` in PATH; name one by the \
                 environment variable {VARIABLE}"
            ))
        })
    }

    fn named(text: &str) -> Result<MpiLauncher, Failure> {
        let mut words: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
        let first = words.first().cloned().unwrap_or_default();
        let path = if first.as_encoded_bytes().contains(&b'/') {
            Some(PathBuf::from(&first))
        } else {
            in_path(&first.to_string_lossy())
        };
        let found = path.and_then(|path| MpiLauncher::of_path(&path));
        let Some(MpiLauncher { kind, words: own }) = found else {
            return Err(Failure::new(format!(
                "{VARIABLE} names `{}`, which is no launcher that can be found: give the path of `mpirun`, `mpiexec` or \
                 `srun`",
                first.display()
            )));
        };
        words.splice(..1, own);
        Ok(MpiLauncher { kind, words })
    }

    /// The launcher whose program a file is, by the name of the file that a link in the end leads to.
    fn of_path(path: &Path) -> Option<MpiLauncher> {
        let real = path.canonicalize().ok()?;
        let name = real.file_name()?.to_string_lossy().into_owned();
        let intel = std::env::var_os("I_MPI_ROOT").is_some();
        let kind = match name.as_str() {
            "orterun" | "mpirun.openmpi" | "mpiexec.openmpi" => LauncherKind::Orte,
            "srun" => LauncherKind::Slurm,
            _ if name.contains("hydra") || name.ends_with(".mpich") => LauncherKind::Hydra,
            "mpirun" | "mpiexec" if intel => LauncherKind::Hydra,
            "prterun" | "mpirun" => LauncherKind::Prrte,
            "mpiexec" => LauncherKind::Hydra,
            _ => return None,
        };
        Some(MpiLauncher { kind, words: vec![path.into()] })
    }

    /// The launcher of which a program is a part: `mpirun` itself, or the daemon that it has started on another host.
    fn of_process(program: &Path, is_job: bool) -> Option<MpiLauncher> {
        let name = program.file_name()?.to_string_lossy().into_owned();
        let beside = |names: &[&str]| {
            let dir = program.parent()?;
            names.iter().map(|name| dir.join(name)).find(|path| path.is_file())
        };
        let (kind, found) = match name.as_str() {
            "orterun" | "orted" => (LauncherKind::Orte, beside(&["orterun", "mpirun"])),
            "prterun" | "prted" | "prte" => (LauncherKind::Prrte, beside(&["mpirun", "prterun"])),
            "slurmstepd" if is_job => (LauncherKind::Slurm, in_path("srun")),
            _ if name.contains("hydra") => (LauncherKind::Hydra, beside(&["mpiexec.hydra", "mpiexec"])),
            _ => return None,
        };
        let path = found.or_else(|| in_path("mpirun"))?;
        Some(MpiLauncher { kind, words: vec![path.into()] })
    }

    /// The call that starts a program with so many processes on each of these hosts. `exported` are names of variables
    /// that the processes are to have, also on other hosts; `threads` is the number of cores of each process.
    pub(crate) fn call(&self, hosts: &[(String, u32)], exported: &[String], threads: u32) -> LauncherCall {
        let all: u32 = hosts.iter().map(|(_, processes)| processes).sum();
        let list =
            |one: &dyn Fn(&(String, u32)) -> String| hosts.iter().map(one).collect::<Vec<_>>().join(",");
        let counted = || list(&|(host, processes)| format!("{host}:{processes}"));
        let mut words = self.words.clone();
        let mut env = Vec::new();
        let mut add = |more: &[&str]| words.extend(more.iter().map(OsString::from));
        let count = all.to_string();
        match self.kind {
            LauncherKind::Orte => {
                add(&["--mca", "ras", ALLOCATIONS, "-n", &count, "--host", &counted()]);
                add(&["--map-by", "slot:OVERSUBSCRIBE", "--bind-to", "none"]);
            }
            LauncherKind::Prrte => {
                add(&["--prtemca", "ras", ALLOCATIONS, "-n", &count, "--host", &counted()]);
                add(&["--map-by", "slot:OVERSUBSCRIBE", "--bind-to", "none"]);
            }
            LauncherKind::Hydra => add(&["-n", &count, "-hosts", &counted(), "-bind-to", "none"]),
            LauncherKind::Slurm => {
                let names = list(&|(host, _)| host.clone());
                let each = hosts.first().map_or(0, |(_, processes)| *processes);
                add(&["--overlap", "--cpu-bind=none", "--kill-on-bad-exit=1"]);
                let nodes = hosts.len().to_string();
                add(&[
                    "-n",
                    &count,
                    "-N",
                    &nodes,
                    "--nodelist",
                    &names,
                    "--cpus-per-task",
                    &threads.to_string(),
                ]);
                if hosts.iter().all(|(_, processes)| *processes == each) {
                    add(&["--ntasks-per-node", &each.to_string()]);
                }
            }
        }
        if matches!(self.kind, LauncherKind::Orte | LauncherKind::Prrte) {
            exported.iter().for_each(|name| add(&["-x", name]));
            if std::env::var_os("SLURM_JOB_ID").is_some() {
                // the daemons on other nodes are a step beside that of dtask, and of the same cores
                env.push(("SLURM_OVERLAP".to_owned(), "1".into()));
            }
        }
        LauncherCall { words, env }
    }
}

/// The path of a program in PATH.
fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// The programs of the processes above this one, the nearest first.
fn ancestors() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pid = std::os::unix::process::parent_id();
    while pid > 1 {
        let Some((name, parent)) = process(pid) else { break };
        // the file of another user's process cannot be read, its name can
        found.push(std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_else(|_| PathBuf::from(name)));
        pid = parent;
    }
    found
}

/// The name of a process and the number of its parent.
fn process(pid: u32) -> Option<(OsString, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    Some((OsStr::new(name).to_owned(), rest.split_whitespace().nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: LauncherKind, hosts: &[(&str, u32)], exported: &[&str]) -> String {
        let launcher = MpiLauncher { kind, words: vec!["mpirun".into()] };
        let hosts: Vec<(String, u32)> = hosts.iter().map(|(host, n)| ((*host).to_owned(), *n)).collect();
        let exported: Vec<String> = exported.iter().map(|name| (*name).to_owned()).collect();
        let words = launcher.call(&hosts, &exported, 2).words;
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_launcher_gets_its_own_options() {
        let hosts = [("a", 3), ("b", 1)];
        assert_eq!(
            text(LauncherKind::Orte, &hosts, &["X"]),
            "mpirun --mca ras ^slurm,gridengine,tm,lsf,alps -n 4 --host a:3,b:1 --map-by slot:OVERSUBSCRIBE --bind-to \
             none -x X"
        );
        assert!(text(LauncherKind::Prrte, &hosts, &[]).starts_with("mpirun --prtemca ras ^slurm"));
        assert_eq!(text(LauncherKind::Hydra, &hosts, &["X"]), "mpirun -n 4 -hosts a:3,b:1 -bind-to none");
        let slurm = text(LauncherKind::Slurm, &[("a", 2), ("b", 2)], &["X"]);
        let end = "-n 4 -N 2 --nodelist a,b --cpus-per-task 2 --ntasks-per-node 2";
        assert!(slurm.contains("--overlap") && slurm.ends_with(end), "{slurm}");
        assert!(!text(LauncherKind::Slurm, &hosts, &[]).contains("--ntasks-per-node"));
    }

    #[test]
    fn launchers_are_known_by_their_programs_and_daemons() {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["orterun", "mpirun", "mpiexec.hydra", "srun", "other"] {
            std::fs::write(dir.path().join(name), "").expect("a file");
        }
        std::os::unix::fs::symlink("orterun", dir.path().join("link")).expect("a link");
        let kind = |name: &str| MpiLauncher::of_path(&dir.path().join(name)).map(|found| found.kind);
        assert_eq!(kind("orterun"), Some(LauncherKind::Orte));
        assert_eq!(kind("link"), Some(LauncherKind::Orte));
        assert_eq!(kind("mpiexec.hydra"), Some(LauncherKind::Hydra));
        assert_eq!((kind("srun"), kind("other"), kind("none")), (Some(LauncherKind::Slurm), None, None));
        let daemon = MpiLauncher::of_process(&dir.path().join("orted"), true).expect("a launcher");
        assert_eq!(daemon.words, [dir.path().join("orterun").into_os_string()]);
        assert_eq!(MpiLauncher::of_process(Path::new("/bin/bash"), true), None);
        let named = MpiLauncher::named(&format!("{}/orterun --mca pml ob1", dir.path().display()));
        assert_eq!(named.map(|found| found.words.len()).ok(), Some(4));
        assert!(MpiLauncher::named("/nowhere/mpirun").is_err());
    }
}
