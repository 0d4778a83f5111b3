//! Resource requests of tasks for the scheduler, and the check whether any rank can ever satisfy them.

use crate::batch::head::display::bytes;
use crate::client::Client;
use crate::client::options::Options;
use crate::ids::Rank;
use crate::runtime::handshake::Team;
use crate::scheduler::{COUNTERS_MAX, ResourceRequest};
use crate::script::plan::Plan;
use crate::script::plan::task::PlanTask;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// The resources that each instance of a task requests from the scheduler: slots, memory, GPUs and counted resources.
pub(crate) fn of(task: &PlanTask) -> ResourceRequest {
    let mut counters = [0; COUNTERS_MAX];
    for &(at, count) in &task.needs.counters {
        if let Some(counter) = counters.get_mut(at) {
            *counter = count;
        }
    }
    let memory = task.execution.memory.unwrap_or(0);
    let processes = task.needs.ranks.unwrap_or(1);
    ResourceRequest { slots: task.needs.slots(), gpus: task.needs.gpus, memory, counters, processes }
}

/// Adds the task's retry settings to options of the engine: the number of retries and the pause before each.
pub(crate) fn again<'c>(options: Options<'c>, task: &PlanTask) -> Options<'c> {
    let (retries, backoff) = (task.execution.retries, task.execution.backoff);
    options.retries(u16::try_from(retries).unwrap_or(u16::MAX)).retry_delay(backoff)
}

/// The scheduling options for the instances of a task: priority, resources, and the rank or host to run on. The task's
/// `on` (a rank) is ignored where that rank does not exist or runs no tasks.
pub(crate) fn options<'c>(client: &'c Client, task: &PlanTask, slots: &[u32]) -> Options<'c> {
    let number = |name: &str| (xxh3_64(name.as_bytes()) as u32).max(1);
    let host_group = if task.needs.is_host_group { number(&task.name) } else { 0 };
    let same_host_as = task.needs.same_host_as.as_deref().map_or(0, number);
    let options = again(client.options(), task)
        .priority(task.priority)
        .needs(of(task))
        .host_affinity(host_group, same_host_as);
    match task.needs.on {
        Some(rank) if slots.get(rank as usize).is_some_and(|slots| *slots > 0) => options.on(Rank(rank)),
        _ => options,
    }
}

/// Whether a rank has enough of each resource for a request when no task runs on it.
pub(crate) fn is_able(team: &Team, rank: usize, needs: &ResourceRequest) -> bool {
    team.slots.get(rank).is_some_and(|slots| *slots > 0 && *slots >= needs.slots)
        && team.parts.get(rank).map_or(0, |part| part.gpus.len() as u64) >= needs.gpus.into()
        && team.hellos.get(rank).map_or(0, |hello| hello.memory) >= needs.memory
}

/// Checks that for each task of the plan some rank has enough resources. Returns a line with the reason for each task
/// that can never run.
pub(crate) fn check(plan: &Plan, team: &Team) -> Vec<String> {
    let computing: Vec<usize> = (0..team.slots.len()).filter(|rank| team.slots[*rank] > 0).collect();
    let most = |of: &dyn Fn(usize) -> u64| computing.iter().map(|rank| of(*rank)).max().unwrap_or(0);
    let slots = |rank: usize| u64::from(team.slots[rank]);
    let gpus = |rank: usize| team.parts.get(rank).map_or(0, |part| part.gpus.len() as u64);
    let memory = |rank: usize| team.hellos.get(rank).map_or(0, |hello| hello.memory);
    let mut wrong = Vec::new();
    for task in &plan.tasks {
        let needs = of(task);
        if needs.processes > 1 {
            wrong.extend(lack_of_processes(task, team, &computing, &needs));
            continue;
        }
        if computing.iter().any(|rank| is_able(team, *rank, &needs)) {
            continue;
        }
        let name = &task.name;
        let why = if most(&slots) < needs.slots.into() {
            format!(
                "`threads = {}`, and no rank has so many slots: at most {}. Start fewer ranks on each host, with more \
                 cores each (`--map-by slot:PE={}`), or give more by `--slots`",
                needs.slots,
                most(&slots),
                needs.slots
            )
        } else if most(&gpus) < needs.gpus.into() {
            format!(
                "`gpus = {}`, and no rank has so many: at most {}. DTASK_GPUS or CUDA_VISIBLE_DEVICES names those of a \
                 host, which its ranks share out",
                needs.gpus,
                most(&gpus)
            )
        } else if most(&memory) < needs.memory {
            format!(
                "`memory` of {}, and no host has so much: at most {}",
                bytes(needs.memory),
                bytes(most(&memory))
            )
        } else {
            "what it needs is there, but no rank has all of it".to_owned()
        };
        wrong.push(format!("error[E71]: task `{name}` could never run: {why}\n --> {}", task.origin));
    }
    wrong
}

/// The reason why the MPI program of a task can never run: all hosts together have no room for its processes. `None` if
/// they have.
fn lack_of_processes(
    task: &PlanTask,
    team: &Team,
    computing: &[usize],
    needs: &ResourceRequest,
) -> Option<String> {
    let mut hosts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let bound = task.needs.on.map(|rank| rank as usize).filter(|rank| computing.contains(rank));
    for &rank in computing.iter().filter(|rank| bound.is_none_or(|bound| bound == **rank)) {
        let Some(hello) = team.hellos.get(rank) else { continue };
        let host = hosts.entry(&hello.host).or_default();
        host.0 += u64::from(team.slots[rank]);
        host.1 = host.1.max(hello.memory);
    }
    let most: u64 = hosts
        .values()
        .map(|(slots, memory)| {
            (slots / u64::from(needs.slots.max(1))).min(memory.checked_div(needs.memory).unwrap_or(u64::MAX))
        })
        .sum();
    if most >= needs.processes.into() {
        return None;
    }
    let of = match (needs.slots, needs.memory) {
        (1, 0) => String::new(),
        (slots, 0) => format!(" of {slots} slots each"),
        (slots, memory) => format!(" of {slots} slots and {} each", bytes(memory)),
    };
    Some(format!(
        "error[E71]: task `{}` could never run: `ranks = {}`, and the job has room for {most} processes{of}. Start it with \
         more ranks or hosts, or give ranks more by `--slots`\n --> {}",
        task.name, needs.processes, task.origin
    ))
}
