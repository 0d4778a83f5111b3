//! Commands that are MPI programs (`ranks = 4`): where their processes run, and the launcher that starts them.

use crate::batch::rank::rank_state;
use crate::batch::task_def::TaskDef;
use crate::commands::mpi_launcher::MpiLauncher;
use crate::commands::{CommandSpec, Launcher};
use crate::error::Failure;
use crate::ids::Rank;
use crate::runtime::handshake::Team;
use crate::runtime::threads::task_context;
use serde::{Deserialize, Serialize};

/// The hosts of the job and the cores of its ranks, for tasks that start MPI programs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct JobHosts {
    /// The name of each rank's host.
    hosts: Vec<String>,
    /// The cores on which tasks of each rank run.
    cores: Vec<Vec<u32>>,
}

impl JobHosts {
    /// The hosts of the ranks, as they have introduced themselves.
    pub(crate) fn of(team: &Team) -> JobHosts {
        let own = |rank: usize, all: &[u32]| {
            let part = team.parts.get(rank).map(|part| part.cores.clone()).unwrap_or_default();
            if part.is_empty() { all.to_vec() } else { part }
        };
        JobHosts {
            hosts: team.hellos.iter().map(|hello| hello.host.clone()).collect(),
            cores: team.hellos.iter().enumerate().map(|(rank, hello)| own(rank, &hello.cores)).collect(),
        }
    }
}

/// The processes of an instance's MPI program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MpiProcesses {
    /// The hosts with the number of processes on each, this host first.
    hosts: Vec<(String, u32)>,
    /// The cores of this host that the processes here may use.
    cores: Vec<u32>,
    /// The number of slots that each process takes.
    threads: u32,
}

impl MpiProcesses {
    /// The processes of the instance that the calling thread runs, by the slots that the scheduler has set aside.
    /// `None` for a command that is one process.
    ///
    /// # Errors
    /// When the scheduler has told nothing of them.
    pub(crate) fn current(def: &TaskDef) -> Result<Option<MpiProcesses>, Failure> {
        let Some(ranks) = def.task.needs.ranks else { return Ok(None) };
        let own = [(rank_state::here().0, def.task.needs.slots())];
        let team = task_context::team();
        match (&team, ranks) {
            (Some(team), _) => Ok(Some(MpiProcesses::on(def, team))),
            (None, 1) => Ok(Some(MpiProcesses::on(def, &own))),
            (None, _) => Err(Failure::new("internal error: no slots are set aside for an MPI program")),
        }
    }

    fn on(def: &TaskDef, members: &[(Rank, u32)]) -> MpiProcesses {
        let threads = def.task.needs.slots();
        let known = def.hosts.clone().unwrap_or_default();
        let name = |rank: Rank| known.hosts.get(rank.index()).cloned().unwrap_or_else(rank_state::host);
        let here = members.first().map(|(rank, _)| name(*rank)).unwrap_or_default();
        let (mut hosts, mut cores): (Vec<(String, u32)>, Vec<u32>) = (Vec::new(), Vec::new());
        for &(rank, slots) in members {
            let host = name(rank);
            if host == here {
                cores.extend(known.cores.get(rank.index()).into_iter().flatten());
            }
            match hosts.iter_mut().find(|(known, _)| *known == host) {
                Some((_, count)) => *count += slots,
                None => hosts.push((host, slots)),
            }
        }
        hosts.iter_mut().for_each(|(_, count)| *count /= threads.max(1));
        cores.sort_unstable();
        cores.dedup();
        MpiProcesses { hosts, cores, threads }
    }

    /// Whether processes run on other hosts, which do not see the files in scratch of this one.
    pub(crate) fn is_on_many_hosts(&self) -> bool {
        self.hosts.len() > 1
    }

    /// Puts the launcher before a command, so that it starts as this MPI program.
    ///
    /// # Errors
    /// When no launcher is found.
    pub(crate) fn launch(&self, is_job: bool, spec: &mut CommandSpec) -> Result<(), Failure> {
        let launcher = MpiLauncher::find(is_job)?;
        let mut exported: Vec<String> = spec.env.iter().map(|(name, _)| name.clone()).collect();
        exported.sort_unstable();
        exported.dedup();
        let call = launcher.call(&self.hosts, &exported, self.threads);
        let program = std::mem::replace(&mut spec.argv, call.words);
        spec.shown = program.first().map(|name| name.to_string_lossy().into_owned());
        spec.argv.extend(program);
        spec.env.extend(call.env);
        spec.launcher = Launcher::Again;
        spec.cores.clone_from(&self.cores);
        let here = self.hosts.first().map_or(1, |(_, processes)| u64::from(*processes));
        spec.memory = spec.memory.map(|memory| memory.saturating_mul(here));
        Ok(())
    }
}
