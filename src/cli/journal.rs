//! The command `dtask journal`.

use super::check::read;
use super::{DONE, FAILED, JournalArgs, STARTUP, USAGE};
use crate::batch::RunFolder;
use crate::console::{self, counted};
use crate::journal::lock::{LockTimes, RunLock};
use crate::journal::record::{
    AbsentRecord, CheckpointRecord, DeathRecord, DoneRecord, FailedRecord, FileStamp, GrownPart,
    JournalRecord, LearntRecord, QuarantineRecord,
};
use crate::journal::state::{JournalState, records};
use crate::journal::{frame, path_in};
use crate::script::options::LoadOptions;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// Prints, checks or compacts the journal of a script; returns the exit code.
pub(super) fn journal(args: &JournalArgs) -> u8 {
    let Ok(plan) = read(&args.script, &args.set, LoadOptions::default()) else { return USAGE };
    let folder = RunFolder::path_of(&plan);
    let path = path_in(&folder);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            console::error(format_args!(
                "error: `{}` cannot be read: {error}; it is there once the script has run",
                path.display()
            ));
            return STARTUP;
        }
    };
    let state = match JournalState::of(&bytes) {
        Ok(state) => state,
        Err(error) => {
            console::error(format_args!("error: `{}` cannot be read: {error}", path.display()));
            return STARTUP;
        }
    };
    if args.json {
        // a reader that closes the pipe early is no error
        let _ = lines(&bytes);
        return DONE;
    }
    if args.compact {
        return match compact(&folder, &path) {
            Ok((before, after)) => {
                console::output(format_args!("{}: {before} bytes are {after} now", path.display()));
                DONE
            }
            Err(error) => {
                console::error(format_args!("error: `{}` is left as it is: {error}", path.display()));
                STARTUP
            }
        };
    }
    console::output(summary(&state, bytes.len()).trim_end());
    match (args.check, state.damaged) {
        (true, (1.., _)) => FAILED,
        _ => DONE,
    }
}

/// Formats the content of a journal as a summary for people.
fn summary(state: &JournalState, length: usize) -> String {
    let mut text = format!("{}, {length} bytes", counted(state.records, "record"));
    let _ = match state.damaged {
        (0, _) => writeln!(text, ", no damage"),
        (bytes, places) => {
            writeln!(text, ", {bytes} bytes at {} cannot be read", counted(places, "place"))
        }
    };
    // by digest, the name and number of instances of a task, from the last run that had it
    let mut names: BTreeMap<u128, (&str, u64)> = BTreeMap::new();
    for run in &state.runs {
        let job = run.job.as_ref().map(|job| format!(", job {job}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "run     {} on {}, {}{job}, dtask {}",
            date(run.at),
            run.host,
            counted(run.ranks.into(), "rank"),
            run.version
        );
        names.extend(run.families.iter().map(|(digest, name, count)| (*digest, (name.as_str(), *count))));
    }
    let mut families: Vec<_> = state.families.iter().collect();
    families.sort_by_key(|(_, history)| history.last);
    let present = state.runs.last().map(|run| run.families.as_slice()).unwrap_or_default();
    for (digest, history) in families {
        let (name, count) = names.get(digest).copied().unwrap_or(("of a run that is not in the journal", 0));
        let of = if count > 0 { format!(" of {count}") } else { String::new() };
        let failed = match history.failed.len() {
            0 => String::new(),
            failed => format!(", {failed} failed"),
        };
        let kept = match history.checkpoints.len() {
            0 => String::new(),
            kept => format!(", {} written", counted(kept as u64, "checkpoint")),
        };
        let old = if present.iter().any(|(known, ..)| known == digest) { "" } else { ", of an older script" };
        let _ = writeln!(text, "task    {name}: {}{of} done{failed}{kept}{old}", history.done.count());
    }
    for stamp in state.shared.values() {
        let _ = writeln!(text, "file    {}", stamp.path);
    }
    for grown in state.grown.values() {
        let _ = writeln!(text, "file    {} is not complete: {} bytes", grown.path, grown.length);
    }
    match state.ended {
        Some((done, left)) => _ = writeln!(text, "end     {done} done, {left} left"),
        None if state.runs.is_empty() => {}
        None => _ = writeln!(text, "end     the last run has not ended, or was killed"),
    }
    text
}

/// The time `at`, in seconds since 1970, as a date in UTC.
fn date(at: u64) -> String {
    let (days, rest) = (at / 86_400, at % 86_400);
    // the algorithm is Howard Hinnant's civil_from_days, for years from 1970 on
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Prints each record as a line of JSON.
fn lines(bytes: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut failure = None;
    records(bytes, |_, record| {
        if failure.is_none() {
            failure = writeln!(out, "{}", json(&record)).err();
        }
    });
    failure.map_or_else(|| out.flush(), Err)
}

fn json(record: &JournalRecord) -> String {
    match record {
        JournalRecord::Begin(run) => {
            let families: Vec<String> = run
                .families
                .iter()
                .map(|(digest, name, count)| {
                    format!(r#"{{"family":"{digest:032x}","task":{},"instances":{count}}}"#, quoted(name))
                })
                .collect();
            format!(
                r#"{{"record":"begin","at":{},"version":{},"host":{},"pid":{},"job":{},"ranks":{},"families":[{}]}}"#,
                run.at,
                quoted(&run.version),
                quoted(&run.host),
                run.pid,
                run.job.as_deref().map_or("null".to_owned(), quoted),
                run.ranks,
                families.join(",")
            )
        }
        JournalRecord::Keys(keys) => {
            format!(r#"{{"record":"keys","families":{},"bytes":{}}}"#, keys.families.len(), keys.plan.len())
        }
        JournalRecord::Done(DoneRecord { family, ranges, saved }) => {
            let ranges: Vec<String> =
                ranges.iter().map(|(first, count)| format!("[{first},{count}]")).collect();
            let saved = saved.iter().map(|(index, stamps)| {
                let stamps: Vec<String> = stamps.iter().map(file).collect();
                format!(r#"{{"index":{index},"files":[{}]}}"#, stamps.join(","))
            });
            format!(
                r#"{{"record":"done","family":"{family:032x}","ranges":[{}],"saved":[{}]}}"#,
                ranges.join(","),
                saved.collect::<Vec<_>>().join(",")
            )
        }
        JournalRecord::Failed(FailedRecord { family, index, attempts, message }) => format!(
            r#"{{"record":"failed","family":"{family:032x}","index":{index},"attempts":{attempts},"message":{}}}"#,
            quoted(message)
        ),
        JournalRecord::Quarantined(QuarantineRecord { family, index, message }) => format!(
            r#"{{"record":"quarantined","family":"{family:032x}","index":{index},"message":{}}}"#,
            quoted(message)
        ),
        JournalRecord::Died(DeathRecord { family, index, rank }) => {
            format!(r#"{{"record":"died","family":"{family:032x}","index":{index},"rank":{}}}"#, quoted(rank))
        }
        JournalRecord::Shared(stamp) => format!(r#"{{"record":"file","file":{}}}"#, file(stamp)),
        JournalRecord::Grown(grown) => {
            let part = |part: &GrownPart| {
                let gaps = part.gaps.iter().map(|gap| format!("[{},{},{}]", gap.first, gap.last, gap.offset));
                let gaps: Vec<String> = gaps.collect();
                format!(
                    r#"{{"family":"{:032x}","next":{},"gaps":[{}]}}"#,
                    part.family,
                    part.next,
                    gaps.join(",")
                )
            };
            let parts: Vec<String> = grown.parts.iter().map(part).collect();
            let (path, length, parts) = (quoted(&grown.path), grown.length, parts.join(","));
            format!(r#"{{"record":"grown","path":{path},"length":{length},"parts":[{parts}]}}"#)
        }
        JournalRecord::Checkpoint(CheckpointRecord {
            family,
            index,
            length,
            modified,
            checksum,
            outputs,
        }) => format!(
            r#"{{"record":"checkpoint","family":"{family:032x}","index":{index},"bytes":{length},"modified_ns":{modified},"checksum":"{checksum:016x}","outputs":{outputs:?}}}"#
        ),
        JournalRecord::Learnt(LearntRecord { family, instances, micros, memory }) => format!(
            r#"{{"record":"learnt","family":"{family:032x}","instances":{instances},"micros":{micros},"memory":{memory}}}"#
        ),
        JournalRecord::Absent(AbsentRecord { family, skipped, not_needed, met }) => {
            let pairs = |all: &[(u64, u64)]| {
                let all: Vec<String> =
                    all.iter().map(|(first, count)| format!("[{first},{count}]")).collect();
                all.join(",")
            };
            format!(
                r#"{{"record":"absent","family":"{family:032x}","skipped":[{}],"not_needed":[{}],"met":[{}]}}"#,
                pairs(skipped),
                pairs(not_needed),
                pairs(met)
            )
        }
        JournalRecord::End { at, done, left } => {
            format!(r#"{{"record":"end","at":{at},"done":{done},"left":{left}}}"#)
        }
    }
}

fn file(stamp: &FileStamp) -> String {
    let path = quoted(&stamp.path);
    match stamp.stamp {
        Some((length, modified)) => format!(r#"{{"path":{path},"bytes":{length},"modified_ns":{modified}}}"#),
        None => format!(r#"{{"path":{path}}}"#),
    }
}

/// Quotes a text as a string of JSON.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if u32::from(c) < 0x20 => _ = write!(quoted, "\\u{:04x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Compacts the journal: writes it anew without records that later ones replace. Returns its length in bytes before and
/// after.
fn compact(folder: &Path, path: &Path) -> Result<(u64, u64), String> {
    let lock =
        RunLock::take(folder, LockTimes::default(), console::error).map_err(|error| error.to_string())?;
    let state = JournalState::read(path).map_err(|error| error.to_string())?;
    let mut bytes = frame::FIRST_LINE.to_vec();
    for record in state.compacted() {
        frame::append(&record.encode().map_err(|error| error.to_string())?, &mut bytes);
    }
    let before = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    let replace = || -> std::io::Result<()> {
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        new.write_all(&bytes)?;
        new.as_file().sync_all()?;
        new.persist(path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    replace().map_err(|error| error.to_string())?;
    drop(lock);
    Ok((before, bytes.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_texts_are_written_for_others() {
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_827_696), "2000-02-29 12:34:56 UTC");
        assert_eq!(date(1_796_083_199), "2026-11-30 23:59:59 UTC");
        assert_eq!(quoted("a \"b\"\\\n"), r#""a \"b\"\\\u000a""#);
    }
}
