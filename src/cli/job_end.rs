//! The end of the batch job (walltime): what `--time-limit` says, else what Slurm, SGE or PBS says when it is asked.
//!
//! Slurm has the time at which the job ends in `SLURM_JOB_END_TIME`, but only in newer versions; `squeue` knows it in
//! all. Under SGE and PBS `qstat` tells what the job may take and what it has taken. Rank 0 asks once, at its start.

use crate::script::values::units::{duration, words};
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wait_timeout::ChildExt;

/// The longest wait for an answer of the batch system. Its server may be down, and the run begins without it then.
const PATIENCE: Duration = Duration::from_secs(10);

/// The time that is left until the end of the job, and from where that is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JobEnd {
    /// The time from now to the end of the job; `None` if it has no limit.
    pub left: Option<Duration>,
    /// The source, as the user reads it: an option, a variable, or a program such as `squeue`. `None` outside of a job.
    source: Option<&'static str>,
}

impl JobEnd {
    /// Whether there is a limit, or a job that could have one.
    pub(super) fn is_of_a_job(&self) -> bool {
        self.source.is_some()
    }
}

impl std::fmt::Display for JobEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.left, self.source) {
            (Some(left), source) => {
                write!(f, "time limit: the job has {} left ({})", words(left), source.unwrap_or_default())
            }
            (None, Some(source)) => write!(f, "time limit: none ({source})"),
            (None, None) => write!(f, "time limit: none (no --time-limit, and no job of Slurm, SGE or PBS)"),
        }
    }
}

/// Finds the end of the job that this process runs in.
///
/// # Errors
/// When the batch system gives no answer, with the reason as text.
pub(super) fn find(given: Option<Duration>) -> Result<JobEnd, String> {
    if given.is_some() {
        return Ok(JobEnd { left: given, source: Some("--time-limit") });
    }
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    if let Some(left) = env("SLURM_JOB_END_TIME").and_then(|end| until(&end, SystemTime::now())) {
        return Ok(JobEnd { left: Some(left), source: Some("SLURM_JOB_END_TIME") });
    }
    let (source, answer) = if let Some(job) = env("SLURM_JOB_ID") {
        ("squeue", left_by_squeue(&ask("squeue", &["-h", "-j", &job, "-o", "%L"])?))
    } else if let Some(job) = env("JOB_ID").filter(|_| env("SGE_ROOT").is_some()) {
        let task = env("SGE_TASK_ID").and_then(|task| number(&task)).unwrap_or(1);
        ("qstat of SGE", left_by_sge(&ask(&qstat_of_sge(env), &["-j", &job])?, task))
    } else if let Some(job) = env("PBS_JOBID") {
        ("qstat of PBS", left_by_pbs(&ask("qstat", &["-f", &job])?))
    } else {
        return Ok(JobEnd { left: None, source: None });
    };
    Ok(JobEnd { left: answer?, source: Some(source) })
}

/// The program `qstat` of SGE, in whose folder the shell of a job need not look for programs.
fn qstat_of_sge(env: impl Fn(&str) -> Option<String>) -> String {
    let folder = env("SGE_BINARY_PATH").or_else(|| Some(format!("{}/bin/{}", env("SGE_ROOT")?, env("ARC")?)));
    let program = folder.map(|folder| format!("{folder}/qstat"));
    program.filter(|path| Path::new(path).exists()).unwrap_or_else(|| "qstat".to_owned())
}

/// Parses a time limit: a number with units as in scripts (`"1 h 30 min"`), or one of Slurm's forms.
///
/// # Errors
/// When it is neither, with the forms that are accepted.
pub(super) fn time_limit(text: &str) -> Result<Duration, String> {
    duration(text).or_else(|| clock(text)).filter(|limit| !limit.is_zero()).ok_or_else(|| {
        "a number and a unit, as in 90min, 2h or \"1 h 30 min\", or as Slurm has it: 90 (minutes), 90:00, 1:30:00, \
         1-12 or 1-12:00:00 (days-hours)"
            .to_owned()
    })
}

/// Reads a time in one of Slurm's forms: minutes, `M:S`, `H:M:S`, `D-H`, `D-H:M`, `D-H:M:S`. `None` for any other text.
fn clock(text: &str) -> Option<Duration> {
    let (days, rest) = match text.trim().split_once('-') {
        Some((days, rest)) => (Some(number(days)?), rest),
        None => (None, text.trim()),
    };
    let parts: Vec<u64> = rest.split(':').map(number).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match (days.is_some(), &parts[..]) {
        (true, [hours]) => (*hours, 0, 0),
        (true, [hours, minutes]) => (*hours, *minutes, 0),
        (false, [minutes]) => (0, *minutes, 0),
        (false, [minutes, seconds]) => (0, *minutes, *seconds),
        (_, [hours, minutes, seconds]) => (*hours, *minutes, *seconds),
        _ => return None,
    };
    Some(Duration::from_secs(((days.unwrap_or(0) * 24 + hours) * 60 + minutes) * 60 + seconds))
}

/// Reads a whole number of at most six digits, `None` for anything else: more is no time, and could overflow sums.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || text.len() > 6 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The time from `now` until `end`, a text with seconds since 1970. `None` if it is no number, or is past.
fn until(end: &str, now: SystemTime) -> Option<Duration> {
    UNIX_EPOCH.checked_add(Duration::from_secs(end.trim().parse().ok()?))?.duration_since(now).ok()
}

fn left_by_squeue(answer: &str) -> Result<Option<Duration>, String> {
    match answer.trim() {
        "UNLIMITED" | "NOT_SET" => Ok(None),
        left => {
            clock(left).map(Some).ok_or_else(|| format!("squeue says `{left}` for the time that is left"))
        }
    }
}

/// The time that is left of `h_rt` (or of `s_rt`, after which SGE sends a signal) in the `answer` of `qstat -j`;
/// `Ok(None)` if the job has neither. `task` is the number of the task of an array job; 1 in any other job.
fn left_by_sge(answer: &str, task: u64) -> Result<Option<Duration>, String> {
    let asked = answer.lines().find_map(|line| line.strip_prefix("hard resource_list:")).unwrap_or_default();
    let limits = asked.trim().split(',').filter_map(|pair| match pair.split_once('=')? {
        ("h_rt" | "s_rt", limit) => sge_seconds(limit),
        _ => None,
    });
    let Some(limit) = limits.min() else { return Ok(None) };
    // `usage    1:   wallclock=00:01:05, cpu=..`, a line for each task; absent until SGE has looked once
    let used = answer.lines().find_map(|line| {
        let (of, usage) = line.strip_prefix("usage")?.split_once(':')?;
        (number(of.trim()) == Some(task)).then_some(usage)?.split_once("wallclock=")?.1.split(',').next()
    });
    Ok(Some(limit.saturating_sub(used.and_then(sge_seconds).unwrap_or_default())))
}

/// Reads a time of SGE or PBS: seconds, or `H:M:S` with empty parts for 0, with days before it (`D:H:M:S`) in an answer
/// of `qstat`. `None` for any other text.
fn sge_seconds(text: &str) -> Option<Duration> {
    let parts = text.trim().split(':').map(|part| if part.is_empty() { Some(0) } else { number(part) });
    let parts: Vec<u64> = parts.collect::<Option<_>>()?;
    let seconds = match &parts[..] {
        [seconds] => *seconds,
        [hours, minutes, seconds] => (hours * 60 + minutes) * 60 + seconds,
        [days, hours, minutes, seconds] => ((days * 24 + hours) * 60 + minutes) * 60 + seconds,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

/// The time that is left of the walltime in the `answer` of `qstat -f`; `Ok(None)` if the job has no limit.
fn left_by_pbs(answer: &str) -> Result<Option<Duration>, String> {
    let value = |name: &str| {
        let line = answer.lines().find_map(|line| line.trim().strip_prefix(name)?.trim().strip_prefix('='));
        line.and_then(sge_seconds)
    };
    let used = value("resources_used.walltime").unwrap_or_default();
    Ok(value("Resource_List.walltime").map(|limit| limit.saturating_sub(used)))
}

/// Runs a program of the batch system, and returns what it prints.
///
/// # Errors
/// When it is not there, fails, or takes too long.
fn ask(program: &str, arguments: &[&str]) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("`{program}` cannot be run: {error}");
    // into a file, since a full pipe would stop the program until someone reads
    let mut answer = tempfile::tempfile().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
    command.stdout(answer.try_clone().map_err(failed)?);
    let mut child = command.spawn().map_err(failed)?;
    let status = child.wait_timeout(PATIENCE).map_err(failed)?;
    let Some(status) = status else {
        let _ = child.kill().and_then(|()| child.wait().map(drop));
        return Err(format!("`{program}` gave no answer within {}", words(PATIENCE)));
    };
    if !status.success() {
        return Err(format!("`{program} {}` failed ({status})", arguments.join(" ")));
    }
    let mut text = Vec::new();
    answer.rewind().and_then(|()| answer.read_to_end(&mut text)).map_err(failed)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(duration: Option<Duration>) -> Option<u64> {
        duration.map(|duration| duration.as_secs())
    }

    #[test]
    fn a_time_limit_has_units_or_a_form_of_slurm() {
        let of = |text: &str| seconds(time_limit(text).ok());
        assert_eq!(of("1 h 30 min"), Some(5400));
        assert_eq!(of("300"), Some(18_000));
        assert_eq!(of("4:55"), Some(295));
        assert_eq!(of("01:00:00"), Some(3600));
        assert_eq!(of("1-00:00:00"), Some(86_400));
        assert_eq!(of("2-12"), Some(216_000));
        assert_eq!(of("2-12:30"), Some(217_800));
        for wrong in ["", "0", "-1", "1:2:3:4", "1-", "1:", "a:b", "99999999999999999999", "1-2-3", "+5"] {
            assert!(time_limit(wrong).is_err_and(|text| text.contains("1-12:00:00")), "{wrong}");
        }
    }

    #[test]
    fn what_is_left_by_slurm() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        assert_eq!(seconds(until("1060", now)), Some(60));
        assert_eq!(until("900", now), None);
        assert_eq!(until(&u64::MAX.to_string(), now), None);
        assert_eq!(left_by_squeue("1-02:00:30\n").map(seconds), Ok(Some(93_630)));
        assert_eq!(left_by_squeue("0:09\n").map(seconds), Ok(Some(9)));
        assert_eq!(left_by_squeue("UNLIMITED\n"), Ok(None));
        assert!(left_by_squeue("INVALID").is_err());
    }

    #[test]
    fn what_is_left_by_sge() {
        let answer = "job_number:                 3\nhard resource_list:         h_rt=120,mem_free=1G\n\
                      usage    1:                 wallclock=00:00:20, cpu=00:00:01, mem=0.1 GBs\n\
                      usage    2:                 wallclock=00:00:05, cpu=00:00:01, mem=0.1 GBs\n";
        let left = |answer: &str, task| left_by_sge(answer, task).map(seconds);
        assert_eq!(left(answer, 1), Ok(Some(100)));
        assert_eq!(left(answer, 2), Ok(Some(115)));
        assert_eq!(left(answer, 3), Ok(Some(120)));
        assert_eq!(left("hard resource_list:   s_rt=0:1:0,h_rt=90\n", 1), Ok(Some(60)));
        assert_eq!(left("hard resource_list:   mem_free=1G\n", 1), Ok(None));
        assert_eq!(left("", 1), Ok(None));
    }

    #[test]
    fn qstat_of_sge_is_looked_for_where_sge_is() {
        let root = tempfile::tempdir().expect("a folder");
        let bin = root.path().join("bin/lx-amd64");
        std::fs::create_dir_all(&bin).expect("made");
        let env = |name: &str| match name {
            "SGE_ROOT" => Some(root.path().display().to_string()),
            "ARC" => Some("lx-amd64".to_owned()),
            _ => None,
        };
        assert_eq!(qstat_of_sge(env), "qstat");
        std::fs::write(bin.join("qstat"), "").expect("written");
        assert_eq!(qstat_of_sge(env), bin.join("qstat").display().to_string());
        assert_eq!(qstat_of_sge(|_| None), "qstat");
    }

    #[test]
    fn what_is_left_by_pbs() {
        let answer = "Job Id: 7.head\n    Resource_List.select = 2:ncpus=4\n    Resource_List.walltime = 01:00:00\n    \
                      resources_used.walltime = 00:10:00\n";
        assert_eq!(left_by_pbs(answer).map(seconds), Ok(Some(3000)));
        assert_eq!(left_by_pbs("Job Id: 7.head\n"), Ok(None));
    }

    #[test]
    fn the_limit_is_told_with_its_source_or_that_there_is_none() {
        let told =
            |left: Option<u64>, source| JobEnd { left: left.map(Duration::from_secs), source }.to_string();
        assert_eq!(told(Some(90), Some("squeue")), "time limit: the job has 1 min 30 s left (squeue)");
        assert_eq!(told(None, Some("squeue")), "time limit: none (squeue)");
        assert!(told(None, None).starts_with("time limit: none (no --time-limit"));
    }

    #[test]
    fn a_program_that_is_not_there_or_fails_is_an_error() {
        assert!(ask("/nonexistent/squeue", &[]).is_err_and(|text| text.contains("/nonexistent/squeue")));
        assert!(ask("false", &["-j", "1"]).is_err_and(|text| text.contains("`false -j 1` failed")));
        assert_eq!(ask("echo", &["1:00"]), Ok("1:00\n".to_owned()));
    }
}
