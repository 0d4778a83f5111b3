#!/usr/bin/env bash
# Does the simulation of the whole (src/batch/tests/) find bugs? Puts deliberate ones into a copy of the sources, each behind
# a switch, builds that once, and tells for each bug after how many seeds it is found: `.ci/mutations.sh [SEEDS]`.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./.ci/mpi-env.sh

seeds=${1:-1000}
cargo=${CARGO:-cargo}
copy=$(mktemp -d "${TMPDIR:-/tmp}/dtask-mutations.XXXXXX")
trap 'rm -rf "$copy"' EXIT
git ls-files -z -co --exclude-standard -- . ':!benches/results' | xargs -0 cp --parents -t "$copy"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target} DTASK_SEEDS="0..$seeds" RUST_BACKTRACE=0

cat >> "$copy/src/lib.rs" <<'END'
/// Whether the deliberate bug with this number is on.
pub(crate) fn mutated(number: u32) -> bool {
    static ON: std::sync::LazyLock<Option<u32>> =
        std::sync::LazyLock::new(|| std::env::var("DTASK_MUTATION").ok()?.parse().ok());
    *ON == Some(number)
}
END

whats=('no bug at all')
# mutation WHAT FILE PERL: PERL changes the text of FILE, in $_; ON stands there for the switch
mutation() {
    local number=${#whats[@]} what=$1 file=$2 change=$3
    whats+=("$what")
    perl -0pe "${change//ON/crate::mutated($number)}" "$copy/$file" > "$copy/mutated"
    cmp -s "$copy/mutated" "$copy/$file" && { echo "bug $number cannot be put into $file"; exit 1; }
    mv "$copy/mutated" "$copy/$file"
}

mutation 'scheduler: a result that only a dead rank had is not made again' src/scheduler/loss.rs \
    's/if copies\.holders\.is_empty\(\) \{/if copies.holders.is_empty() && !ON {/'
mutation 'scheduler: reports of attempts that no longer count are believed' src/scheduler/transitions.rs \
    's/record\.attempt != attempt \{/(record.attempt != attempt && !ON) {/'
mutation 'worker: a result that rank 0 has released stays' src/worker/transitions.rs \
    's/held\.released = true;/held.released = !ON || held.users == 0;/'
mutation 'worker: what was to come from a dead rank is waited for' src/worker/transitions.rs \
    's/held\.coming == Some\(rank\)\)/held.coming == Some(rank) && !ON)/'
mutation 'store: results on disk are read from another place' src/task/spilled.rs \
    's/read_exact_at\(into, self\.offset\)/read_exact_at(into, if ON { self.offset.saturating_sub(8) } else { self.offset })/'
mutation 'journal: what was not synced counts as written' src/journal/writer.rs \
    's/self\.disk\.sync\(\)/if ON { Ok(()) } else { self.disk.sync() }/'
mutation 'journal: after a failed write the records are forgotten' src/journal/writer.rs \
    's/(self\.failed = Some\(clock::now\(\)\);)/if ON { self.buffer.clear(); self.since = None; }\n$1/'
mutation 'journal: the checksum of a record is not looked at' src/journal/frame.rs \
    's/== number\(8\.\.16\)\?\)/== number(8..16)? || ON)/'
mutation 'recorder: an array is done before it is saved' src/batch/head/recorder.rs \
    's/if \*open <= task\.saves \{/if *open <= task.saves && !ON {/'
mutation 'resume: an instance too many counts as done' src/journal/state.rs \
    's/insert_range\(first\.\.end\)/insert_range(first..end + u64::from(ON && count > 2))/'
mutation 'resume: single instances that are done run again' src/batch/resume/known.rs \
    's/done: history\.done\.clone\(\)/done: history.done.iter().filter(|run| run.end - run.start > u64::from(ON)).flatten().collect()/'
mutation 'shared file: the next run appends without cutting back' src/batch/head/outputs/growing_file.rs \
    's/file\.set_len\(length\)\?;/if !ON { file.set_len(length)?; }/'
mutation 'the end: instances that start while the run stops are given up' src/batch/head/stopped.rs \
    's/match status \{/match if ON { Status::Cancelled } else { status } {/'
mutation 'the beginning: a rank that is lost at once ends the run' src/batch/head/settings.rs \
    's/== TaskErrorKind::RankLost/== TaskErrorKind::RankLost && !ON/'

cd "$copy"
$cargo test --lib -- --list > list 2> log || { tail -n 40 log; exit 1; }
binary=$(sed -n 's/.*Running unittests src\/lib.rs (\(.*\))/\1/p' log)
for number in "${!whats[@]}"; do
    begin=$SECONDS
    if DTASK_MUTATION=$number timeout 600 "$binary" scripts_on_a_whole > log 2>&1; then
        found="not found in $seeds seeds"
    else
        found="seed $(sed -n 's/^seed \([0-9]*\): .*/\1/p' log | head -n 1): $(grep -A1 'panicked at' log | sed -n 2p | cut -c 1-80)"
    fi
    printf '%2d  %-66s %s (%s s)\n' "$number" "${whats[$number]}" "$found" $((SECONDS - begin))
done
