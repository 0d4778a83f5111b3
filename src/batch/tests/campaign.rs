//! A script that is run again and again, on another number of ranks each time, until everything is done.

use super::dice::Dice;
use super::disk::{Death, SimulatedDisk};
use super::random_script::{Keeping, SimScript};
use super::world::{Executed, Faults, Killed, World, set_cluster, with_cluster};
use crate::batch::head::deadline::Walltime;
use crate::batch::head::interrupt;
use crate::batch::head::run_folder::RunFolder;
use crate::batch::head::summary::Summary;
use crate::batch::resume::run_journal::{JournalUse, PlanStatus, RunJournal};
use crate::batch::{self, JobInfo};
use crate::clock::{self, SimulatedTime};
use crate::commands;
use crate::ids::Rank;
use crate::journal::writer;
use crate::protocol::Hello;
use crate::runtime::handshake::Team;
use crate::script::diagnostics::source::ScriptSource;
use crate::script::load::parse;
use crate::script::options::LoadOptions;
use crate::script::plan::Plan;
use crate::simulated::Cluster;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The most runs until everything is done.
const RUNS: u32 = 40;
/// The number of runs after which nothing but a lost rank befalls a run.
const BAD_RUNS: u32 = 6;

/// How a run has ended.
enum Ended {
    Killed,
    Itself(Box<Summary>),
}

/// What a seed has met; the sum over seeds tells whether they test anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) runs: u64,
    pub(super) killed: u64,
    pub(super) stopped: u64,
    pub(super) lost: u64,
    pub(super) spilled: u64,
    pub(super) steps: u64,
    /// A number that any difference in what has happened would change.
    pub(super) fingerprint: u64,
}

pub(super) struct Campaign {
    script: Arc<SimScript>,
    dice: Dice,
    aloud: bool,
    /// The folder of the script, that of scratch, and that of results on disk.
    folders: [PathBuf; 3],
    plan: Plan,
    met: Met,
    _dir: tempfile::TempDir,
}

impl Campaign {
    pub(super) fn new(seed: u64, aloud: bool) -> Campaign {
        let mut dice = Dice::new(seed);
        let script = Arc::new(SimScript::random(&mut dice));
        let place = Path::new("/dev/shm");
        let dir = if place.is_dir() { tempfile::tempdir_in(place) } else { tempfile::tempdir() };
        let dir = dir.expect("a temporary folder");
        let folders = ["script", "scratch", "spill"].map(|name| dir.path().join(name));
        folders.iter().for_each(|folder| fs::create_dir(folder).expect("a folder"));
        let source = ScriptSource::new("s.toml", folders[0].clone(), script.text());
        let plan = parse(source, &[], LoadOptions::default());
        let mut plan = plan.unwrap_or_else(|errors| panic!("{errors}\n{}", script.text()));
        plan.settings.scratch = Some(folders[1].display().to_string());
        if aloud {
            println!("{}", script.text());
        }
        batch::register_bulk_kinds();
        Campaign { script, dice, aloud, folders, plan, met: Met::default(), _dir: dir }
    }

    /// Runs the script until everything is done, and looks at every promise.
    pub(super) fn run(mut self) -> Met {
        let mended = self.script.tasks.iter().map(|task| task.mended).max().unwrap_or(0);
        // whether the last run could not record everything
        let mut lacks_records = false;
        let mut succeeded: BTreeSet<Executed> = BTreeSet::new();
        for run in 0..RUNS {
            let known = self.status();
            if lacks_records {
                succeeded.retain(|(task, index)| is_done(&known, *task, *index));
            }
            self.look_at_done(&known, &succeeded, run);
            let faults = self.faults(run);
            let kills = faults.death.is_some();
            let losses = !faults.lost.is_empty();
            let (ended, executed) = self.one_run(run, faults, run < BAD_RUNS);
            self.look_at_executed(&known, &executed, losses);
            succeeded.extend(&executed);
            for executed in &executed {
                self.mix(executed.0 as u64 ^ executed.1 << 8);
            }
            match ended {
                Ended::Killed => {
                    assert!(kills);
                    lacks_records = true;
                    self.met.killed += 1;
                }
                Ended::Itself(summary) => {
                    // the ends of commands may not have reached rank 0 in time
                    lacks_records = summary.late || summary.text.contains("the journal could not be written");
                    // the job was too short for anything
                    let told =
                        ["nothing could be done in the job's time", "no task has ended before a signal"];
                    let is_fruitless = told.iter().any(|told| summary.errors.contains(told));
                    let is_stopped = summary.resumable || is_fruitless;
                    let names_cancelled = summary.errors.contains("cancelled");
                    assert!(!names_cancelled, "what was not started has not failed: {}", summary.errors);
                    self.met.stopped += u64::from(is_stopped);
                    let is_over = !is_stopped && summary.tally.left == 0 && summary.tally.failed == 0;
                    assert!(run < mended || is_over || is_stopped, "{}{}", summary.text, summary.errors);
                    if run >= mended && is_over && !lacks_records {
                        assert!(summary.errors.is_empty(), "{}", summary.errors);
                        self.look_at_files();
                        self.look_at_idle_run(run + 1);
                        return self.met;
                    }
                }
            }
        }
        panic!("not done after {RUNS} runs");
    }

    fn mix(&mut self, number: u64) {
        let mixed = (self.met.fingerprint ^ number).wrapping_mul(0x0100_0000_01B3);
        self.met.fingerprint = mixed.rotate_left(9);
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.aloud {
            println!("{}", what());
        }
    }

    fn status(&self) -> PlanStatus {
        PlanStatus::read(&self.plan, &RunFolder::path_of(&self.plan), &[]).expect("the journal can be read")
    }

    fn faults(&mut self, run: u32) -> Faults {
        let mut faults = Faults::default();
        let dice = &mut self.dice;
        let soon = |dice: &mut Dice| {
            let most = 1 << (3 + dice.below(7));
            1 + dice.below(most)
        };
        if run < BAD_RUNS {
            if dice.one_in(2) {
                let death = dice.pick(&[Death::Process, Death::Machine]);
                faults.death = Some((soon(dice), death));
            }
            if dice.one_in(5) {
                faults.notice = Some(soon(dice));
            }
        }
        if dice.one_in(3) {
            // a task that three ranks have died with would be quarantined
            for rank in 1..=dice.below(3) as u32 {
                faults.lost.push((soon(dice), Rank(rank)));
            }
        }
        faults
    }

    /// One run, whose job's time may end. Returns how it has ended, and the commands that have succeeded in it.
    fn one_run(&mut self, run: u32, mut faults: Faults, may_end: bool) -> (Ended, Vec<Executed>) {
        let dice = &mut self.dice;
        let (ranks, slots) = (1 + dice.below(5) as u32, 1 + dice.below(3) as u32);
        // rank 0 and one other stay
        faults.lost.retain(|(_, rank)| rank.0 + 1 < ranks);
        let (mut cluster, client) = Cluster::new(ranks, slots, dice.next());
        let limit = dice.one_in(2).then(|| 200 << dice.below(8));
        if let Some(limit) = limit {
            cluster.limit_memory(limit, &self.folders[2]);
        }
        let fails = if dice.one_in(4) { dice.pick(&[5, 40]) } else { 0 };
        let disk = SimulatedDisk::new(dice.next(), fails);
        let time = (may_end && dice.one_in(3)).then(|| Duration::from_millis(20 << dice.below(12)));
        let world = World::new(dice, faults.clone(), disk.clone(), self.script.clone(), run);
        self.say(|| format!("run {run} on {ranks} ranks: {faults:?}, memory {limit:?}, time {time:?}"));
        set_cluster(Some(cluster));
        interrupt::ASKED_HERE.set(false);
        let team = team(ranks, slots);
        let own = world.clone();
        let command = Arc::new(move |spec: &_| own.command(spec));
        let whole = || {
            let folder = RunFolder::prepare(&self.plan).expect("nobody else uses it");
            let using = JournalUse::default();
            let open = |path: &Path| Ok(disk.of(writer::open(path)?));
            let journal = RunJournal::begin_on(&self.plan, folder.path(), ranks as usize, &using, open);
            let journal = journal.expect("the journal can be read and written");
            folder.begin(&self.plan).expect("the folder can be written");
            let walltime = time.map(|time| Walltime::new(world.now(), time));
            let job = JobInfo { quiet: true, walltime, progress: None, ..JobInfo::default() };
            let summary = batch::run(&self.plan, &folder, &client, &team, job, journal);
            let summary = summary.unwrap_or_else(|error| panic!("{error}"));
            if !summary.late {
                let settled = with_cluster(|cluster| {
                    cluster.settle(100_000, Cluster::is_empty)?;
                    Ok::<u64, String>(cluster.spilled().1)
                });
                assert_eq!(settled, Some(Ok(0)), "bytes of results in memory at the end");
            }
            summary
        };
        let ended = clock::simulate(Some(world.clone()), || {
            commands::simulated::replaced(command, || catch_unwind(AssertUnwindSafe(whole)))
        });
        self.met.runs += 1;
        let (steps, executed) = world.take();
        self.met.steps += steps;
        self.met.lost += faults.lost.len() as u64;
        self.met.spilled += with_cluster(|cluster| cluster.spilled().0).unwrap_or(0);
        self.mix(steps);
        let ended = match ended {
            Ok(summary) => Ended::Itself(Box::new(summary)),
            Err(payload) if payload.is::<Killed>() => Ended::Killed,
            Err(payload) => resume_unwind(payload),
        };
        let is_late = matches!(&ended, Ended::Itself(summary) if summary.late);
        set_cluster(None);
        drop((client, world));
        if let Ended::Itself(summary) = &ended {
            self.say(|| format!("{}{}", summary.text, summary.errors));
        }
        self.say(|| format!("executed: {executed:?}"));
        for folder in &self.folders[1..] {
            let left: Vec<_> = fs::read_dir(folder).expect("the folder").collect();
            assert!(left.is_empty() || is_late, "left behind: {left:?}");
        }
        (ended, executed)
    }

    /// Everything is done that has succeeded in runs that could record it.
    fn look_at_done(&self, known: &PlanStatus, succeeded: &BTreeSet<Executed>, run: u32) {
        for &(task, index) in succeeded {
            assert!(
                is_done(known, task, index),
                "{}[{index}] has succeeded, and is not done before run {run}",
                self.name(task)
            );
        }
    }

    fn name(&self, task: usize) -> &str {
        &self.script.tasks[task].name
    }

    /// Nothing that is done runs again, but for what others need that are not done; and nothing runs twice in a run
    /// without a lost rank.
    fn look_at_executed(&self, known: &PlanStatus, executed: &[Executed], losses: bool) {
        let is_done = |task: usize, index: u64| is_done(known, task, index);
        let (mut needed, mut may_run) = (BTreeSet::<Executed>::new(), BTreeSet::<Executed>::new());
        for (task, own) in self.script.tasks.iter().enumerate().rev() {
            for index in 0..own.instances() {
                // a shared file is completed in order, for which instances may have to run again
                let completes = matches!(own.keeping, Keeping::Shared(_)) && known.todo.runs(task, index);
                if is_done(task, index) && !needed.contains(&(task, index)) && !completes {
                    continue;
                }
                may_run.insert((task, index));
                for &read in &own.reads {
                    needed.extend(self.script.inputs(task, index, read).map(|input| (read, input)));
                }
            }
        }
        let mut times: BTreeMap<Executed, u32> = BTreeMap::new();
        for executed in executed {
            *times.entry(*executed).or_default() += 1;
        }
        for ((task, index), times) in times {
            let label = format!("{}[{index}]", self.name(task));
            assert!(times == 1 || losses, "{label} has run {times} times in one run");
            assert!(known.todo.runs(task, index), "{label} has run, and was not to run");
            let may = may_run.contains(&(task, index));
            assert!(may, "{label} has run again, and nobody needs it");
        }
    }

    /// The files are those that one instance after the other would have made.
    fn look_at_files(&self) {
        let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for entry in fs::read_dir(&self.folders[0]).expect("the folder") {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            if name != "s.dtask" {
                found.insert(name.clone(), fs::read(self.folders[0].join(name)).expect("a file"));
            }
        }
        let wanted = self.script.files();
        let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&found), names(&wanted), "the names of files");
        for (name, bytes) in wanted {
            let found = &found[&name];
            let is_equal = if name.ends_with(".npy") { found.ends_with(&bytes) } else { *found == bytes };
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert!(is_equal, "{name} has\n{}\nand not\n{}", text(found), text(&bytes));
        }
        let left = fs::read_dir(self.folders[0].join("s.dtask")).expect("the run folder");
        let left = left.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        let waiting: Vec<String> = left.filter(|name| name.contains("waiting")).collect();
        assert!(waiting.is_empty(), "{waiting:?}");
    }

    /// One more run has nothing to do.
    fn look_at_idle_run(&mut self, run: u32) {
        let (ended, executed) = self.one_run(run, Faults::default(), false);
        let Ended::Itself(summary) = ended else { panic!("nobody has killed it") };
        assert!(summary.errors.is_empty() && !summary.resumable, "{}{}", summary.text, summary.errors);
        assert_eq!(executed, [], "everything was done");
        self.look_at_files();
    }
}

fn is_done(known: &PlanStatus, task: usize, index: u64) -> bool {
    known.known.tasks.get(task).is_some_and(|known| known.done.contains(index))
}

fn team(ranks: u32, slots: u32) -> Team {
    let hello = |_| Hello {
        version: 0,
        code_hash: 0,
        host: "simulated".into(),
        cores: Vec::new(),
        granted: 0,
        memory: 1 << 40,
        gpus: Vec::new(),
        files: 1,
        program: String::new(),
    };
    Team {
        hellos: (0..ranks).map(hello).collect(),
        slots: (0..ranks).map(|rank| if rank > 0 || ranks == 1 { slots } else { 0 }).collect(),
        memory_limits: vec![u64::MAX; ranks as usize],
        parts: vec![Default::default(); ranks as usize],
    }
}
