//! The summary that is printed at the end of a run.

use crate::batch::failure::{self, FailedInstance, FailuresByKind};
use crate::batch::head::display::{bytes, shown};
use crate::batch::head::outcome::RunOutcome;
use crate::batch::head::outputs::shared_files::{LeftFile, Sinks};
use crate::batch::head::progress::Tally;
use crate::batch::head::run_folder::RunFolder;
use crate::batch::head::stopped::{StopReason, Stopped};
use crate::batch::rank::deadline;
use crate::batch::rank::rank_state::RankSummary;
use crate::batch::task_def::facts;
use crate::console::counted;
use crate::runtime::head::Totals;
use crate::script::plan::Plan;
use crate::script::plan::task::PlanTask;
use crate::script::plan::template::RenderScope;
use crate::script::values::units;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

/// The most files that the summary names as not written; the rest are counted.
const TOLD: usize = 20;
/// The number of failed instances that the summary names.
const LISTED: usize = 8;
/// The largest number of saved files of a task that the summary names one by one. If there are more, the first and the
/// last are named.
const NAMED: u64 = 4;

/// The number of runs in a row, each ended by a signal before any instance has ended, after which the exit code no
/// longer asks for another run.
const FRUITLESS: u32 = 3;

/// The texts that the run prints at its end, and the state of the run that decides the exit code.
pub(crate) struct Summary {
    /// The report for the user of what was done and which files have the results.
    pub text: String,
    /// The error messages for the user, in the style of compilers; empty if there are none.
    pub errors: String,
    /// The numbers of instances by outcome.
    pub tally: Tally,
    /// Whether some instances were deferred, so that another run of the script would go on with them.
    pub resumable: bool,
    /// Whether tasks were still running at some rank when the run ended.
    pub late: bool,
}

/// Formats a number of tasks: `1 task`, `2 tasks`.
fn tasks(count: u64) -> String {
    counted(count, "task")
}

impl Summary {
    /// Writes the summary of a run that has ended: what was done, and what failed.
    pub(crate) fn new(
        plan: &Plan,
        folder: &RunFolder,
        collected: RunOutcome,
        ranks: Vec<RankSummary>,
        totals: &Totals,
        slots: u64,
        elapsed: Duration,
    ) -> Summary {
        let FailuresByKind { failed, skipped, left } = failure::part(plan, collected.failed.in_order());
        let stopped = collected.stopped.unwrap_or_default();
        let undone = stopped.counts(plan.tasks.len()).iter().sum::<u64>();
        let without = (failed.len() + skipped.len() + left.len()) as u64;
        let absent: u64 = collected.skipped.values().chain(collected.not_needed.values()).sum();
        let done = plan.instances().saturating_sub(without + undone + absent);
        let later = left.len() as u64 + if stopped.is_resumable() { undone } else { 0 };
        let seconds = elapsed.as_secs_f64();
        let busy: Duration = ranks.iter().map(|rank| rank.busy).sum();
        // may exceed 100 %: while a short task runs, the next one prepares its command in the same slot, and both count
        let used = (100.0 * busy.as_secs_f64() / (slots as f64 * seconds).max(1e-9)).min(100.0);
        let earlier = match collected.earlier {
            0 => String::new(),
            earlier => format!(" ({earlier} by earlier runs)"),
        };
        let mut text = format!(
            "{}: {} done{earlier} in {seconds:.2} s, {} moved rank to rank, {used:.0} % of {slots} slots used\n",
            plan.name,
            tasks(done),
            bytes(totals.bytes_moved)
        );
        let count = |list: &[FailedInstance]| {
            let mut counts = vec![0u64; plan.tasks.len()];
            list.iter().filter_map(|failed| counts.get_mut(failed.task).map(|count| *count += 1)).count();
            counts
        };
        let [failed_of, mut skipped_of, mut left_of] = [&failed, &skipped, &left].map(|list| count(list));
        let undone_of = if stopped.is_resumable() { &mut left_of } else { &mut skipped_of };
        undone_of.iter_mut().zip(stopped.counts(plan.tasks.len())).for_each(|(count, more)| *count += more);
        let width = plan.tasks.iter().map(|task| task.name.len()).max().unwrap_or(0);
        for (at, task) in plan.tasks.iter().enumerate() {
            let (failed, skipped, left) = (failed_of[at], skipped_of[at], left_of[at]);
            let of = |counts: &BTreeMap<usize, u64>| counts.get(&at).copied().unwrap_or(0);
            let (out, unneeded) = (of(&collected.skipped), of(&collected.not_needed));
            let done = task.family.len().saturating_sub(failed + skipped + left + out + unneeded);
            let mut line = format!("  {:width$}  {done:>6} done", task.name);
            let counts = [
                (out, "skipped by `when`"),
                (unneeded, "not needed"),
                (failed, "failed"),
                (skipped, "not run"),
                (left, "left for the next run"),
            ];
            for (count, what) in counts {
                if count > 0 {
                    let _ = write!(line, ", {count} {what}");
                }
            }
            text += &line;
            text.push('\n');
        }
        for (label, others) in &collected.unmet {
            let more = if *others > 0 { format!(", and {others} more") } else { String::new() };
            let _ = writeln!(text, "warning: `until` has not held up to the end of the range: {label}{more}");
        }
        let without: Vec<&FailedInstance> = failed.iter().chain(&skipped).chain(&left).collect();
        text += &results(plan, &collected.sinks, &without, &stopped);
        // a notice to another rank alone is known from what that rank has not started
        let is_noticed = left.iter().any(|left| left.cause.message == deadline::NOTICED);
        let why = stopped.why.or(is_noticed.then_some(StopReason::Asked));
        let achieved = done > collected.earlier || failed.len() as u64 > collected.failed_before;
        let may_go_on = match why {
            // the signal may have come early by chance: the next run may have more time
            Some(StopReason::Asked) => achieved || collected.fruitless + 1 < FRUITLESS,
            _ => achieved,
        };
        text += &leave(later, &collected.sinks.left, why, may_go_on);
        if ranks.iter().any(|rank| rank.logged > 0) {
            let _ = writeln!(text, "log     {}", shown(&folder.path().join("rank-*.log")));
        }
        let unlogged = ranks.iter().map(|rank| rank.unlogged).sum::<u64>();
        if unlogged > 0 {
            let (outputs, is) = (counted(unlogged, "output"), if unlogged == 1 { "is" } else { "are" });
            let _ =
                writeln!(text, "log     {outputs} {is} not in it: it is full, see `log-total` in `[policy]`");
        }
        if let Some(failure) = &collected.unrecorded {
            let _ = writeln!(
                text,
                "warning the journal could not be written ({failure}): the next run does not know of all that is done"
            );
        }
        let mut errors =
            errors(plan, &failed, &skipped, &collected.sinks.failed, collected.failures_file.as_deref());
        if let Some(StopReason::Failures(failures)) = stopped.why {
            let (failures, undone) = (counted(failures, "failure"), tasks(undone));
            let _ = writeln!(
                errors,
                "error: the run was stopped after {failures}, as `[policy]` says; {undone} not started"
            );
        }
        // The exit code asks for another run if something is left, unless so many instances have failed that `[policy]`
        // would stop that run too, or this run has achieved nothing: job scripts would queue the script again for ever.
        let may_fail = plan.policy.limit().is_none_or(|limit| (failed.len() as u64) < limit);
        if later > 0 && !may_go_on {
            errors += &hopeless(plan, &left, &stopped, why);
        }
        let resumable = later > 0 && may_fail && may_go_on;
        let not_run = skipped.len() as u64 + if stopped.is_resumable() { 0 } else { undone };
        let tally = Tally { done, failed: failed.len() as u64, skipped: not_run, left: later };
        Summary { text, errors, tally, resumable, late: stopped.late }
    }
}

/// Makes the error message of a run in which no instance has ended, so that another run would achieve nothing either.
fn hopeless(plan: &Plan, left: &[FailedInstance], stopped: &Stopped, why: Option<StopReason>) -> String {
    if why == Some(StopReason::Asked) {
        return format!(
            "error: in {FRUITLESS} runs one after the other no task has ended before a signal asked to stop; give them \
             more time\n"
        );
    }
    let own = left.iter().filter(|left| left.is_own() == Some(true)).map(|left| (left.task, left.index));
    let not_run = stopped.not_run.iter().map(|(task, range)| (*task, range.start));
    let first = own.chain(not_run).find_map(|(task, index)| Some((plan.tasks.get(task)?, index)));
    let what = first.map(|(task, index)| {
        let time = task.time.map(|time| format!(" needs {} by its `time`", units::words(time)));
        format!(": {}{}", task.label(index), time.unwrap_or_else(|| " was not done".to_owned()))
    });
    format!(
        "error: nothing could be done in the job's time, and the next job like it could not do more{}; give the job \
         more time, or make its tasks shorter\n",
        what.unwrap_or_default()
    )
}

/// The paragraph that tells how many tasks and which files are left for the next run of the script, and why; empty if
/// there are none.
fn leave(count: u64, files: &[LeftFile], why: Option<StopReason>, may_go_on: bool) -> String {
    if count == 0 {
        return String::new();
    }
    let why = match why {
        Some(StopReason::Asked) => "a signal asked to stop",
        _ => "the job's time is over",
    };
    let next = if may_go_on { "; run it again to go on" } else { "" };
    let mut text = format!("left    {} for the next run: {why}{next}\n", tasks(count));
    match files {
        [first, .., last] if files.len() as u64 > NAMED => {
            let _ = writeln!(text, "left    {} .. {} ({} files)", first.name, last.name, files.len());
        }
        few => few.iter().for_each(|file| text += &format!("left    {}{}\n", file.name, file.lacks)),
    }
    text
}

/// The lines that name the files to which results were written.
fn results(plan: &Plan, sinks: &Sinks, failed: &[&FailedInstance], stopped: &Stopped) -> String {
    let mut lines: Vec<String> = Vec::new();
    let written = &sinks.written;
    match &written[..] {
        [first, .., last] if written.len() as u64 > NAMED => {
            lines.push(format!("{} .. {} ({} files)", shown(first), shown(last), written.len()));
        }
        few => lines.extend(few.iter().map(|path| shown(path))),
    }
    let of = |(path, has, all): &(PathBuf, u64, u64)| format!("{} ({has} of {all} outputs)", shown(path));
    match &sinks.partial[..] {
        [first, .., last] if sinks.partial.len() as u64 > NAMED => {
            lines.push(format!("{} .. {} ({} files)", of(first), of(last), sinks.partial.len()));
        }
        few => lines.extend(few.iter().map(of)),
    }
    let mut without: HashMap<usize, HashSet<u64>> = HashMap::new();
    for failed in failed {
        without.entry(failed.task).or_default().insert(failed.index);
    }
    let (none, undone) = (HashSet::new(), stopped.counts(plan.tasks.len()));
    for (at, task) in plan.tasks.iter().enumerate().filter(|(_, task)| !task.saves.is_empty()) {
        let without = without.get(&at).unwrap_or(&none);
        let saved = |index: &u64| !without.contains(index) && !stopped.has(at, *index);
        let count = task.family.len() - without.len() as u64 - undone[at];
        for number in 0..task.saves.len() {
            if count <= NAMED {
                lines.extend(
                    (0..task.family.len()).filter(saved).filter_map(|i| saved_at(plan, task, number, i)),
                );
                continue;
            }
            let ends = [(0..task.family.len()).find(saved), (0..task.family.len()).rev().find(saved)];
            let ends: Vec<String> =
                ends.into_iter().flatten().filter_map(|i| saved_at(plan, task, number, i)).collect();
            match &ends[..] {
                [first, last] if first == last => lines.push(first.clone()),
                _ => lines.push(format!("{} ({count} files)", ends.join(" .. "))),
            }
        }
    }
    lines.dedup();
    lines.retain(|line| !sinks.unsaved.contains(line));
    lines.into_iter().map(|line| format!("result  {line}\n")).collect()
}

fn saved_at(plan: &Plan, task: &PlanTask, number: usize, index: u64) -> Option<String> {
    let facts = facts(task, index, &plan.dir.display().to_string());
    let values = task.family.bindings(index);
    let env = |name: &str| std::env::var(name).ok();
    let scope = RenderScope { values: &values, inputs: &[], outs: &[], facts: &facts, env: &env };
    let path = task.saves.get(number)?.path.render(&scope).ok()?;
    Some(shown(&plan.dir.join(path)))
}

/// Formats the errors at the end: the files that were not written, and the number of failures with the names of the
/// first. Each failure has been printed when it happened.
fn errors(
    plan: &Plan,
    failed: &[FailedInstance],
    skipped: &[FailedInstance],
    sinks: &[String],
    table: Option<&str>,
) -> String {
    let mut text = String::new();
    for (number, sink) in sinks.iter().enumerate() {
        if number < TOLD {
            let _ = writeln!(text, "error: {sink}");
        } else if number == TOLD {
            let _ = writeln!(text, "error: … and {} more files", sinks.len() - TOLD);
        }
    }
    if !failed.is_empty() {
        let mut line = format!("error: {} failed", tasks(failed.len() as u64));
        if !skipped.is_empty() {
            let is = if skipped.len() == 1 { "was" } else { "were" };
            let _ = write!(
                line,
                "; {} {is} not run, because a task before has failed",
                tasks(skipped.len() as u64)
            );
        }
        let _ = writeln!(text, "{line}");
        let label = |failed: &FailedInstance| Some(plan.tasks.get(failed.task)?.label(failed.index));
        let names: Vec<String> = failed.iter().take(LISTED).filter_map(label).collect();
        let more = if failed.len() > LISTED { ", .." } else { "" };
        let _ = writeln!(text, "  = failed: {}{more}", names.join(", "));
        if let Some(table) = table {
            let _ = writeln!(text, "  = all of them, with the reasons: {table}");
        }
    }
    text
}
