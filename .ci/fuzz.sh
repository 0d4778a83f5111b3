#!/usr/bin/env bash
# Runs fuzz targets under libFuzzer and AddressSanitizer: `.ci/fuzz.sh outputs 600`, target and seconds; without
# arguments every target for a minute.
#
# Needs a C++ compiler and cargo-fuzz, which is built into the target folder where PATH has none. The stable compiler
# does: RUSTC_BOOTSTRAP lets it take the options for which cargo-fuzz wants a nightly one. New inputs go to
# `target/fuzz/corpus/TARGET`, one that fails to `fuzz/artifacts/TARGET`. When the bug is mended, copy that into
# `fuzz/corpus/TARGET`, so that tests/fuzz_replay.rs runs it from then on.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(realpath -m "${CARGO_TARGET_DIR:-target}/fuzz")
if ! command -v cargo-fuzz >/dev/null; then
    [ -x "$folder/tools/bin/cargo-fuzz" ] || CARGO_TARGET_DIR=$folder/tools/build \
        cargo install cargo-fuzz --version 0.13.2 --locked --debug --root "$folder/tools"
    PATH=$folder/tools/bin:$PATH
fi

export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$folder
targets=${1:-$(basename -s .rs -a fuzz/fuzz_targets/*.rs)}
for target in $targets; do
    mkdir -p "$folder/corpus/$target"
    # an input that takes ten seconds hangs; one that takes 2 GiB is memory without bound
    cargo fuzz run "$target" "$folder/corpus/$target" "fuzz/corpus/$target" -- \
        -max_total_time="${2:-60}" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
done
