#!/usr/bin/env bash
# Counts instructions per task under callgrind and compares them with benches/instructions.tsv: a guard that a busy
# machine cannot blur. More than 3 % above or below is a failure; `.ci/instructions.sh --renew` writes the file anew.
#
# Each workload of tests/programs/instructions.rs runs with n and with 2 n things to do: the difference, divided by n,
# is the cost of one. A number holds for one compiler, which stands in the file's first line; with another one the
# numbers are shown and nothing fails.
set -euo pipefail
cd "$(dirname "$0")/.."

file=benches/instructions.tsv
tolerance=3 # per cent
profile=${PROFILE:-dev} # the build of the tests, which CI has by then; PROFILE=release takes minutes more
seconds=120 # for one run
workloads='scheduler-independent 10000
scheduler-chain 10000
scheduler-tree 10000
worker 10000
protocol-encode 10000
protocol-encode-decode 10000
check 2000'

.ci/install.sh valgrind
cargo build --quiet --profile "$profile" --example test_instructions
folder=$profile
if [ "$profile" = dev ]; then folder=debug; fi
program=${CARGO_TARGET_DIR:-target}/$folder/examples/test_instructions

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

count() { # count WORKLOAD N: the instructions of the whole run
    if ! timeout --kill-after=5 "$seconds" valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        "$program" "$1" "$2" >"$scratch/log" 2>&1; then
        tail -n 20 "$scratch/log" >&2
        echo "instructions.sh: $1 $2 failed, or took more than $seconds s" >&2
        return 1
    fi
    awk '/Collected *:/ { print $NF }' "$scratch/log"
}

host="$(rustc --version | cut -d ' ' -f 1,2), $profile, $(uname -m)"
printf '# %s: instructions of one task, message or table. `.ci/instructions.sh --renew` writes this.\n' "$host" >"$scratch/new"
while read -r workload n; do
    one=$(count "$workload" "$n")
    two=$(count "$workload" $((2 * n)))
    printf '%s\t%s\t%s\n' "$workload" "$n" $(((two - one) / n)) >>"$scratch/new"
done <<<"$workloads"

if [ "${1:-}" = --renew ]; then
    cp "$scratch/new" "$file"
    cat "$file"
    exit
fi
touch "$scratch/old"
if [ -e "$file" ]; then cp "$file" "$scratch/old"; fi
same=1
if [ "$(sed -n '1s/:.*//p' "$scratch/old")" != "# $host" ]; then
    same=0
    echo "instructions.sh: here is $host; $file is of another compiler or build, so nothing is judged"
fi
awk -F '\t' -v tolerance=$tolerance -v same=$same '
    /^#/ { next }
    FILENAME == ARGV[1] { old[$1] = $3; next }
    !($1 in old) { printf "%-24s %10s %10d  is not in the file\n", $1, "", $3; wrong++; next }
    {
        change = ($3 / old[$1] - 1) * 100
        far = change > tolerance || change < -tolerance
        printf "%-24s %10d %10d %+7.2f %%%s\n", $1, old[$1], $3, change, far ? "  is too far off" : ""
        wrong += far
    }
    END { exit same && wrong > 0 }
' "$scratch/old" "$scratch/new" || {
    echo "instructions.sh: if the change is meant, run \`.ci/instructions.sh --renew\` and commit $file"
    exit 1
}
