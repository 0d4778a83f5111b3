# `make demo` runs the main job under mpirun, `make test` runs every test. The rest: `make help`.
#
#   RANKS=8          ranks of the demo                   MPICC=, MPIRUN=   another MPI's compiler and launcher
#   ARGS="..."       arguments of cargo test             CARGO_TARGET_DIR= another place for what is built

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.NOTPARALLEL:
.DEFAULT_GOAL := help

MPIRUN ?= mpirun
RANKS ?= 4
export MPIRUN RANKS

# Environment for more ranks than cores and for root; only the recipes that start ranks source it.
mpi_env := . ./.ci/mpi-env.sh
# Nothing may hang for ever. `timeout` ends the whole process group, or, at a terminal, leaves the child in the
# foreground so that Ctrl-C reaches it.
limit := timeout --kill-after=15 $$(test -t 0 && echo --foreground)
demo_seconds := 300
test_seconds := 2400
bench_seconds := 1800

scripts := examples/scripts/tree.toml examples/scripts/licences.toml
results := examples/scripts/total.txt examples/scripts/licences.tsv
benches := $(basename $(notdir $(wildcard benches/*.rs)))

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1@/p' $(firstword $(MAKEFILE_LIST)) | awk -F@ '{ printf "%-14s %s\n", $$1, $$2 }'

.PHONY: install
install: ## finds what the build needs; installs it by apt when root on Debian or Ubuntu
	@.ci/install.sh

.PHONY: demo
demo: install ## builds, then runs tree.toml and licences.toml on 4 ranks and shows the results
	@cargo build --release
	$(mpi_env)
	dtask="$${CARGO_TARGET_DIR:-target}/release/dtask"
	rm -f $(results)
	for script in $(scripts); do
	    printf '\n$$ %s -n %s dtask %s\n' "$$MPIRUN" "$$RANKS" "$$script"
	    code=0
	    # `timeout` gives mpirun one SIGTERM, at which it ends its ranks; at a second one it would abandon them.
	    timeout --foreground --kill-after=15 $(demo_seconds) "$$MPIRUN" -n "$$RANKS" "$$dtask" "$$script" </dev/null || code=$$?
	    [ $$code -ne 124 ] || echo "make demo: stopped after $(demo_seconds) s"
	    [ $$code -eq 0 ] || exit $$code
	done
	printf '\n'
	for result in $(results); do
	    printf 'Result: %s\n' "$$PWD/$$result"
	    head -n 10 "$$result" | cut -c 1-100 | sed 's/^/  /'
	done

.PHONY: test
test: install ## runs every test, the ones on real MPI ranks included
	@cargo test --no-run
	$(mpi_env)
	# most tests wait for processes: two for each core
	export RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$(($$(nproc) * 2))}
	code=0
	$(limit) $(test_seconds) cargo test $(ARGS) || code=$$?
	[ $$code -ne 124 ] || echo "make test: stopped after $(test_seconds) s"
	exit $$code

.PHONY: check
check: install ## formatting, spelling, dependencies, clippy and docs, without warnings
	@cargo fmt --check
	.ci/tool typos
	.ci/tool cargo-deny check bans licenses sources
	cargo clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --lib

.PHONY: bench
bench: install ## runs the benchmarks; writes benches/results/<date>-<host>.md
	@cargo bench --no-run
	$(mpi_env)
	host=$$(uname -n)
	host=$${host%%.*}
	mkdir -p benches/results
	file="benches/results/$$(date +%F)-$$host.md"
	{
	    printf '# %s, %s\n\n' "$$(date +%F)" "$$host"
	    printf '| | |\n|---|---|\n'
	    printf '| CPU | %s |\n' "$$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | sed -n 1p), $$(nproc) cores"
	    printf '| memory | %s |\n' "$$(awk '/^MemTotal/ { printf "%.0f GiB", $$2 / 1048576 }' /proc/meminfo)"
	    printf '| system | %s |\n' "$$(uname -sr)"
	    printf '| MPI | %s |\n' "$$("$$MPIRUN" --version 2>&1 | awk '/Version:|\(Open MPI\)|Intel/ { $$1 = $$1; print; exit }')"
	    printf '| ranks | as each part says; more ranks than cores yield while they wait in MPI, others spin |\n'
	    printf '| Rust | %s |\n' "$$(rustc --version)"
	    printf '| commit | %s |\n' "$$(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)"
	} > "$$file"
	failed=
	for bench in $(benches); do
	    printf '\n## %s\n\n```\n' "$$bench" >> "$$file"
	    $(limit) $(bench_seconds) cargo bench --quiet --bench "$$bench" 2>&1 | tee -a "$$file" || failed="$$failed $$bench"
	    printf '```\n' >> "$$file"
	done
	echo "Result: $$PWD/$$file"
	[ -z "$$failed" ] || { echo "make bench: failed:$$failed"; exit 1; }
