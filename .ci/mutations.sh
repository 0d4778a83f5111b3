#!/usr/bin/env bash
# Does the simulation of the whole (src/batch/tests/) find bugs? Puts deliberate ones into a copy of the sources, one at
# a time, and tells after how many seeds each is found: `.ci/mutations.sh [SEEDS [FIRST LAST]]`, 2,000 seeds by default.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./.ci/mpi-env.sh

seeds=${1:-2000} first=${2:-1} last=${3:-99}
cargo=${CARGO:-cargo}
copy=$(mktemp -d "${TMPDIR:-/tmp}/dtask-mutations.XXXXXX")
trap 'rm -rf "$copy"' EXIT
git ls-files -z -co --exclude-standard -- . ':!benches/results' | xargs -0 cp --parents -t "$copy"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target} DTASK_SEEDS="0..$seeds" RUST_BACKTRACE=0

number=0
# mutation WHAT FILE PERL: PERL changes the text of FILE, in $_
mutation() {
    number=$((number + 1))
    [ "$number" -ge "$first" ] && [ "$number" -le "$last" ] || return 0
    local what=$1 file=$2 change=$3 log="$copy/log" begin=$SECONDS
    perl -0pe "$change" "$file" > "$copy/$file"
    if cmp -s "$file" "$copy/$file"; then
        printf '%2d. %-66s CANNOT BE PUT IN\n' "$number" "$what"
        return 0
    fi
    local found=
    if ! (cd "$copy" && timeout 900 $cargo test --quiet --lib --no-run) > "$log" 2>&1; then
        found='does not compile'
    elif (cd "$copy" && timeout 900 $cargo test --quiet --lib -- scripts_on_a_whole) > "$log" 2>&1; then
        found="NOT FOUND in $seeds seeds"
    else
        found="seed $(sed -n 's/^seed \([0-9]*\): .*/\1/p' "$log" | head -n 1): $(grep -A1 'panicked at' "$log" | sed -n 2p | cut -c 1-90)"
    fi
    printf '%2d. %-66s %s (%s s)\n' "$number" "$what" "$found" $((SECONDS - begin))
    cp "$file" "$copy/$file"
}

mutation 'scheduler: a result that only a dead rank had is not made again' src/scheduler/loss.rs \
    's/if copies\.holders\.is_empty\(\) \{\s*record\.state = TaskState::Released;\s*\}//'
mutation 'scheduler: reports of attempts that no longer count are believed' src/scheduler/transitions.rs \
    's/if at != rank \|\| record\.attempt != attempt \{/if at != rank {/'
mutation 'worker: a result that rank 0 has released stays' src/worker/transitions.rs \
    's/held\.released = true;\s*self\.drop_if_free\(task, out\);/held.released = held.users == 0;\n            self.drop_if_free(task, out);/'
mutation 'worker: fetches from a dead rank are waited for' src/worker/transitions.rs \
    's/\.filter\(\|\(_, held\)\| held\.coming == Some\(rank\)\)/.filter(|(_, held)| held.coming == Some(rank) \&\& held.brought)/'
mutation 'store: what comes back from disk is the result before it' src/task/spilled.rs \
    's/read_exact_at\(into, self\.offset\)/read_exact_at(into, self.offset.saturating_sub(8))/'
mutation 'journal: what was not synced counts as written' src/journal/writer.rs \
    's/\.and_then\(\|\(\)\| self\.disk\.sync\(\)\)//'
mutation 'journal: after a failed write the records are forgotten' src/journal/writer.rs \
    's/(Err\(error\) => \{\n)/$1                self.buffer.clear();\n/'
mutation 'journal: the checksum of a record is not looked at' src/journal/frame.rs \
    's/\(xxh3_64\(bytes\.get\(content\.clone\(\)\)\?\) == number\(8\.\.16\)\?\)/(bytes.get(content.clone())?.len() == length)/'
mutation 'recorder: an array is done before it is saved' src/batch/head/recorder.rs \
    's/if \*open <= task\.saves \{/if *open < task.saves {/'
mutation 'resume: an instance too many counts as done' src/journal/state.rs \
    's/family\.done\.insert_range\(first\.\.end\);/family.done.insert_range(first..end + u64::from(count > 2));/'
mutation 'resume: what is done is run again if something reads it' src/batch/resume/known.rs \
    's/done: history\.done\.clone\(\),/done: history.done.iter().filter(|run| run.end - run.start > 1).flatten().collect(),/'
mutation 'shared file: the next run appends without cutting back' src/batch/head/outputs/growing_file.rs \
    's/file\.set_len\(length\)\?;//'
mutation 'the end: instances that start while the run stops are given up' src/batch/head/stopped.rs \
    's/Status::Pending \| Status::Cancelled \| Status::Released => \{/_ if true => {/'
mutation 'the beginning: a rank that is lost at once ends the run' src/batch/head/settings.rs \
    's/error\.kind == TaskErrorKind::NotStarted/error.kind == TaskErrorKind::TimedOut/'
