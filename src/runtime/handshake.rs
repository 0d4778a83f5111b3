//! The handshake of the ranks at the start of a run.
//!
//! ```text
//!   rank n ── Hello: version, hash of the executable, host, cores, files, devices ──► rank 0
//!   rank n ◄── Welcome::Start: slots, cores, devices │ Welcome::Refused ───────────── rank 0
//! ```
//!
//! Rank 0 waits for every `Hello` up to `Config::patience`, checks that all ranks run the same executable, and divides
//! the cores and devices of each host among its ranks. No other message is sent to a rank before its `Welcome`. Start
//! with [`meet`].

use crate::config::{Config, SLOTS_MAX};
use crate::error::{Error, Result};
use crate::ids::{HEAD, Rank};
use crate::protocol::{self, Frame, Hello, VERSION, Welcome};
use crate::runtime::host::shares::{self, HostShare};
use crate::runtime::host::{memory, topology};
use crate::task::function;
use crate::transport::{Arrival, Transport};
use std::time::{Duration, Instant};

/// All that a rank has learnt in the handshake with rank 0 at the start of the run.
pub(crate) struct Meeting {
    /// Number of tasks that this rank computes at a time.
    pub slots: u32,
    /// Whether to measure how the rank's time divides into phases (`--profile`).
    pub profile: bool,
    /// The cores and devices of the host that are reserved for this rank alone.
    pub part: HostShare,
    /// Milliseconds without a sign of life from a rank after which the user is warned; 0 for never.
    pub silence: u32,
    /// The memory limit for results of this rank, in bytes; beyond it, some are moved to disk.
    pub memory_limit: u64,
    /// Whether the rank waits at the end of the run for the tasks that it computes.
    pub awaits: bool,
    /// Whether ranks compare checksums of the results that they send each other.
    pub checksums: bool,
    /// Other ranks that see the same files as this one.
    pub same_files: Vec<Rank>,
    /// The list of all ranks with their slots; `None` on ranks other than 0.
    pub team: Option<Team>,
    /// Messages that arrived during the handshake behind rank 0's welcome. The reactor handles them first.
    pub early: Vec<Arrival>,
}

/// The list of all ranks, as rank 0 knows it after the handshake.
#[derive(Debug, Clone)]
pub(crate) struct Team {
    /// The introduction that each rank has sent (host, cores, memory, devices), by rank.
    pub hellos: Vec<Hello>,
    /// Number of tasks that each rank computes at a time.
    pub slots: Vec<u32>,
    /// By rank, the memory limit for its results, in bytes; beyond it, some are moved to disk.
    pub memory_limits: Vec<u64>,
    /// The cores and devices of its host that each rank has for itself alone, by rank.
    pub parts: Vec<HostShare>,
}

/// Makes the introduction that this rank, which runs on `host`, sends to rank 0.
///
/// # Errors
/// When the running executable cannot be examined.
pub(crate) fn hello(host: &str) -> Result<Hello> {
    let program = std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
    let image = function::image().map_err(|error| Error::Startup(error.to_string()))?;
    Ok(Hello {
        version: VERSION,
        code_hash: image.hash,
        host: host.to_owned(),
        cores: topology::cores(),
        granted: topology::granted(),
        memory: memory::granted(),
        files: topology::files(),
        gpus: shares::gpus(),
        program,
    })
}

/// Makes the handshake with the other ranks; returns when all agree. `awaits` says whether the ranks wait at the end
/// of the run for the tasks that they compute; rank 0's value counts for all.
///
/// # Errors
/// At rank 0, when a rank does not come in time or runs another executable; at the others, when rank 0 refuses, in
/// which case rank 0 says why.
pub(crate) fn meet<T: Transport>(
    transport: &mut T,
    hello: Hello,
    config: &Config,
    awaits: bool,
) -> Result<Meeting> {
    if transport.rank() == HEAD {
        let team = gather(transport, hello, config, awaits)?;
        let (slots, part, profile) = (team.slots[0], team.parts[0].clone(), config.profile);
        let same_files = topology::same_files(&team.hellos).swap_remove(0);
        let (silence, memory_limit, early) = (silence(config), team.memory_limits[0], Vec::new());
        let checksums = config.checksums;
        return Ok(Meeting {
            slots,
            profile,
            part,
            silence,
            memory_limit,
            awaits,
            checksums,
            same_files,
            team: Some(team),
            early,
        });
    }
    let program = hello.program.clone();
    send(transport, HEAD, &hello)?;
    let mut early = Vec::new();
    let mut looks = 0;
    loop {
        poll(transport, &mut early, &mut looks)?;
        // a rank that has its welcome already may have called an object here: that waits for the reactor
        let welcome = early.iter().position(|came| matches!(came, Arrival::Control { from: HEAD, .. }));
        let gone = early.iter().any(|came| matches!(came, Arrival::Lost { rank: HEAD }));
        let frame = match welcome.map(|at| early.remove(at)) {
            Some(Arrival::Control { frame, .. }) => frame,
            _ if gone => {
                return Err(Error::Startup(format!("{program}: rank 0 died before the run began")));
            }
            _ => continue,
        };
        return match protocol::decode(&frame) {
            Ok(Frame::Welcome(Welcome::Start {
                slots,
                profile,
                cores,
                gpus,
                same_files,
                silence,
                memory_limit,
                awaits,
                checksums,
            })) => {
                let part = HostShare { cores, gpus };
                Ok(Meeting {
                    slots,
                    profile,
                    part,
                    silence,
                    memory_limit,
                    awaits,
                    checksums,
                    same_files,
                    team: None,
                    early,
                })
            }
            Ok(Frame::Welcome(Welcome::Refused)) => Err(Error::Refused),
            _ => Err(Error::Startup(format!(
                "{program}: rank 0 does not speak this version of dtask's protocol"
            ))),
        };
    }
}

/// The configured time without a sign of life after which the user is warned, in milliseconds; 0 for never.
fn silence(config: &Config) -> u32 {
    u32::try_from(config.silence.as_millis()).unwrap_or(u32::MAX)
}

fn gather<T: Transport>(transport: &mut T, own: Hello, config: &Config, awaits: bool) -> Result<Team> {
    let ranks = transport.ranks();
    let mut hellos: Vec<Option<Hello>> = vec![None; ranks];
    let mut foreign = None;
    hellos[0] = Some(own);
    let begin = Instant::now();
    let (mut arrivals, mut looks, mut missing) = (Vec::new(), 0, ranks - 1);
    let mut heard = vec![false; ranks];
    while missing > 0 {
        poll(transport, &mut arrivals, &mut looks)?;
        for arrival in arrivals.drain(..) {
            match arrival {
                Arrival::Control { from, frame } => {
                    match protocol::decode(&frame) {
                        Ok(Frame::Hello(hello)) => hellos[from.index()] = Some(hello),
                        _ => foreign = foreign.or(Some(from)),
                    }
                    // a rank that sends twice must not count for another one
                    missing -= usize::from(!std::mem::replace(&mut heard[from.index()], true));
                }
                Arrival::Lost { rank } => {
                    return Err(absent(&hellos, format!("rank {rank} died before the run began")));
                }
                Arrival::Bulk { .. } => {}
            }
        }
        if missing > 0 && begin.elapsed() > config.patience {
            let missing: Vec<String> =
                (0..ranks).filter(|&rank| hellos[rank].is_none()).map(|rank| rank.to_string()).collect();
            let message = format!(
                "rank {} did not come within {:?}: look for its messages, and whether its host is up",
                missing.join(", "),
                config.patience
            );
            return Err(absent(&hellos, message));
        }
    }
    let present: Vec<Hello> = hellos.iter().flatten().cloned().collect();
    let wrong = foreign
        .map(|rank| format!("rank {rank} does not speak this version of dtask's protocol: start the same program on all ranks"))
        .or_else(|| mismatch(&present));
    if let Some(why) = wrong {
        refuse(transport)?;
        return Err(Error::Startup(why));
    }
    let most = config.slots.max(config.head_slots);
    if most.is_some_and(|most| most > SLOTS_MAX) {
        refuse(transport)?;
        return Err(Error::Startup(format!(
            "`--slots` and `--head-slots` (`Config`) go up to {SLOTS_MAX}: each slot is a thread"
        )));
    }
    let mut slots = topology::slots(&present, config.head_slots);
    if let Some(count) = config.slots {
        slots[1..].fill(count.max(1));
    }
    if slots == [0] {
        return Err(Error::Startup(
            "no rank computes: leave out `--head-slots 0` (`Config::head_slots`), or start more ranks".into(),
        ));
    }
    let parts = shares::parts(&present, &slots);
    let same_files = topology::same_files(&present);
    let memory_limits = topology::memory_limits(&present, config.memory_limit);
    let settings = slots.iter().zip(&memory_limits).zip(&parts).zip(same_files);
    for (rank, (((&slots, &memory_limit), part), same_files)) in settings.enumerate().skip(1) {
        let HostShare { cores, gpus } = part.clone();
        let (profile, checksums, silence) = (config.profile, config.checksums, silence(config));
        let start = Welcome::Start {
            slots,
            profile,
            cores,
            gpus,
            same_files,
            silence,
            memory_limit,
            awaits,
            checksums,
        };
        send(transport, Rank(rank as u32), &start)?;
    }
    Ok(Team { hellos: present, slots, memory_limits, parts })
}

fn refuse<T: Transport>(transport: &mut T) -> Result<()> {
    (1..transport.ranks()).try_for_each(|rank| send(transport, Rank(rank as u32), &Welcome::Refused))
}

/// The error for ranks that have not introduced themselves in time. It is a transport error: an orderly end needs all
/// ranks, so the job has to be aborted.
fn absent(hellos: &[Option<Hello>], message: String) -> Error {
    let host = hellos[0].as_ref().map(|hello| hello.host.clone()).unwrap_or_default();
    Error::Transport { rank: HEAD, host, message }
}

/// The reason why these ranks cannot work together: different executables or protocol versions. `None` if they can.
fn mismatch(hellos: &[Hello]) -> Option<String> {
    let first = hellos.first()?;
    let other = |hello: &&Hello| (hello.version, hello.code_hash) != (first.version, first.code_hash);
    let rank = hellos.iter().position(|hello| other(&hello))?;
    let hello = &hellos[rank];
    Some(format!(
        "rank {rank} ({}) runs another executable than rank 0 ({}): {} there, {} here. Start the same build on all ranks",
        hello.host, first.host, hello.program, first.program
    ))
}

fn send<T: Transport, M: protocol::Message>(transport: &mut T, to: Rank, message: &M) -> Result<()> {
    let mut frame = Vec::new();
    protocol::append(&mut frame, message)?;
    transport.send_control(to, frame).map_err(|error| Error::Startup(error.0))
}

/// Receives the messages that have arrived. `looks` counts polls without any message: after 100 the function sleeps 1
/// ms each time.
fn poll<T: Transport>(transport: &mut T, arrivals: &mut Vec<Arrival>, looks: &mut u32) -> Result<()> {
    if transport.poll(arrivals).map_err(|error| Error::Startup(error.0))? {
        *looks = 0;
        return Ok(());
    }
    *looks += 1;
    if *looks < 100 {
        std::thread::yield_now();
    } else {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::sim::SimNetwork;

    fn meet_two(change: impl Fn(&mut Hello)) -> Result<Team> {
        let network = SimNetwork::new(2, 1);
        let mut second = hello("there").unwrap();
        change(&mut second);
        let mut frame = Vec::new();
        protocol::append(&mut frame, &second).unwrap();
        network.endpoint(Rank(1)).send_control(HEAD, frame).unwrap();
        gather(&mut network.endpoint(HEAD), hello("here").unwrap(), &Config::default(), true)
    }

    #[test]
    fn ranks_of_one_build_meet_and_others_are_refused_in_one_line() {
        assert_eq!(meet_two(|_| ()).unwrap().hellos.len(), 2);
        let error = meet_two(|hello| {
            hello.code_hash ^= 1;
            hello.program = "/old/app".into();
        });
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("rank 1 (there) runs another executable") && text.contains("/old/app"),
            "{text}"
        );
        assert!(!text.contains('\n'));
        assert!(meet_two(|hello| hello.version += 1).is_err());
    }

    #[test]
    fn what_another_rank_sends_before_the_welcome_waits_for_the_reactor() {
        for seed in 0..20 {
            let network = SimNetwork::new(3, seed);
            let send =
                |from: Rank, frame: Vec<u8>| network.endpoint(from).send_control(Rank(1), frame).unwrap();
            let mut call = Vec::new();
            protocol::append(&mut call, &crate::protocol::Peer::Part { bytes: Default::default() }).unwrap();
            send(Rank(2), call);
            let (cores, gpus, same_files) = (Vec::new(), Vec::new(), Vec::new());
            let (memory_limit, silence, awaits, profile, checksums) = (5, 0, true, false, true);
            let start = Welcome::Start {
                slots: 3,
                profile,
                cores,
                gpus,
                same_files,
                silence,
                memory_limit,
                awaits,
                checksums,
            };
            let mut welcome = Vec::new();
            protocol::append(&mut welcome, &start).unwrap();
            send(HEAD, welcome);
            let own = hello("here").unwrap();
            let mut transport = network.endpoint(Rank(1));
            let meeting = meet(&mut transport, own, &Config::default(), true).unwrap();
            let mut early = meeting.early;
            for _ in 0..1000 {
                transport.poll(&mut early).unwrap();
            }
            assert_eq!((meeting.slots, early.len()), (3, 1), "seed {seed}");
            assert!(matches!(early[0], Arrival::Control { from: Rank(2), .. }), "seed {seed}");
        }
    }

    #[test]
    fn a_rank_that_does_not_come_is_named() {
        let network = SimNetwork::new(3, 1);
        let config = Config { patience: Duration::ZERO, ..Config::default() };
        let text = gather(&mut network.endpoint(HEAD), hello("here").unwrap(), &config, true)
            .unwrap_err()
            .to_string();
        assert!(text.contains("rank 1, 2 did not come"), "{text}");
    }

    #[test]
    fn a_rank_that_speaks_twice_stands_for_no_other() {
        let network = SimNetwork::new(3, 1);
        for (rank, times) in [(1, 2), (2, 1)] {
            let mut hello = hello("there").unwrap();
            hello.code_hash ^= u64::from(rank == 2);
            for _ in 0..times {
                let mut frame = Vec::new();
                protocol::append(&mut frame, &hello).unwrap();
                network.endpoint(Rank(rank)).send_control(HEAD, frame).unwrap();
            }
        }
        let text = gather(&mut network.endpoint(HEAD), hello("here").unwrap(), &Config::default(), true)
            .unwrap_err();
        assert!(text.to_string().contains("rank 2 (there) runs another executable"), "{text}");
    }

    #[test]
    fn slots_beyond_reason_are_refused() {
        for config in [
            Config { slots: Some(u32::MAX), ..Config::default() },
            Config { head_slots: Some(99_999_999), ..Config::default() },
        ] {
            let network = SimNetwork::new(1, 1);
            let text = gather(&mut network.endpoint(HEAD), hello("here").unwrap(), &config, true)
                .unwrap_err()
                .to_string();
            assert!(text.contains("each slot is a thread"), "{text}");
        }
    }
}
