#!/bin/sh
# Sees to it that what the build needs is there: a C compiler, make, MPI, libclang, HDF5 and Rust; and what is named
# as an argument besides: `.ci/install.sh valgrind`.
#
# One line when all is there. What is missing is installed with apt-get when this is root on Debian or Ubuntu;
# anywhere else the lines that bring it (modules, conda, spack, rustup) are printed, and the exit code is 1.
# DTASK_INSTALL_DRY=1 prints what would be done and changes nothing.
#
# Each check looks where the crate that needs the thing looks (mpi-sys, clang-sys, hdf5-metno-sys), so "all there"
# means that the build will find it.
set -u
cd "$(dirname "$0")/.." || exit 1

MPICC=${MPICC:-mpicc}
MPIRUN=${MPIRUN:-mpirun}
for thing in "$@"; do
    case $thing in
    valgrind) ;;
    *)
        printf 'install.sh: there is no %s to be installed\n' "$thing" >&2
        exit 2
        ;;
    esac
done
besides=$*
rust_needed=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' Cargo.toml)

say() { printf '%s\n' "$@"; }
has() { command -v "$1" >/dev/null 2>&1; }
exists() { [ -e "$1" ]; } # given a pattern: did it match?

# --- What is there ---------------------------------------------------------------------------------------------

find_cc() { # rustc links with `cc`; a program that links proves libc's headers and start files as well
    has cc || return 1
    scratch=$(mktemp -d) || return 1
    printf '#include <stdio.h>\nint main(void) { return puts("") < 0; }\n' >"$scratch/a.c"
    cc -o "$scratch/a" "$scratch/a.c" >/dev/null 2>&1
    linked=$?
    rm -rf "$scratch"
    return $linked
}

find_make() { has make; }

find_valgrind() { has valgrind; } # for .ci/instructions.sh and tests/valgrind.rs; the build does without

find_mpicc() { # the two variables are mpi-sys's other ways to an MPI
    [ -n "${MPI_PKG_CONFIG:-}${CRAY_MPICH_DIR:-}" ] || "$MPICC" -show >/dev/null 2>&1
}

find_mpirun() { has "$MPIRUN"; }

mpicc_family() {
    case $(printf '#include <mpi.h>\n' | "$MPICC" -x c -E -dM - 2>/dev/null) in
    *" OPEN_MPI "*) say "Open MPI" ;;
    *" MPICH_VERSION "* | *" I_MPI_VERSION "*) say MPICH ;;
    esac
}

mpirun_family() {
    case $("$MPIRUN" --version 2>/dev/null) in
    *"Open MPI"*) say "Open MPI" ;;
    *HYDRA* | *MPICH* | *"Intel(R) MPI"*) say MPICH ;;
    esac
}

libclang_in() { # libclang_in FOLDER: sets `libclang` to the library, if one is there
    for file in "$1"/libclang.so "$1"/libclang-*.so "$1"/libclang.so.* "$1"/libclang-*.so.*; do
        case $file in *-cpp.*) continue ;; esac
        if [ -e "$file" ]; then
            libclang=$file
            return 0
        fi
    done
    return 1
}

find_libclang_file() {
    libclang=
    if [ -n "${LIBCLANG_PATH:-}" ]; then # a file or a folder; when it is set, nothing else counts
        if [ -f "$LIBCLANG_PATH" ]; then libclang=$LIBCLANG_PATH; else libclang_in "$LIBCLANG_PATH"; fi
        return
    fi
    prefix=$("${LLVM_CONFIG_PATH:-llvm-config}" --prefix 2>/dev/null)
    old_ifs=$IFS
    IFS=:
    # shellcheck disable=SC2086 # to be split at the colons
    set -- ${prefix:+"$prefix/bin" "$prefix/lib" "$prefix/lib64"} ${LD_LIBRARY_PATH:-} ${LIBRARY_PATH:-}
    IFS=$old_ifs
    for folder in "$@" /usr/local/llvm*/lib* /usr/local/lib*/*/* /usr/local/lib*/* /usr/local/lib* \
        /usr/lib*/*/* /usr/lib*/* /usr/lib*; do
        if [ -d "$folder" ] && libclang_in "$folder"; then return 0; fi
    done
    return 1
}

find_libclang() { # and clang's own headers: without them bindgen stops at "stddef.h not found"
    find_libclang_file || return 1
    if [ -n "${BINDGEN_EXTRA_CLANG_ARGS:-}" ] || has "${CLANG_PATH:-clang}"; then return 0; fi
    for folder in "$(dirname "$libclang")" "$(dirname "$(readlink -f "$libclang")")" \
        /usr/lib /usr/lib64 /usr/lib/llvm*/lib; do
        if exists "$folder"/clang/*/include/stddef.h; then return 0; fi
    done
    return 1
}

hdf5_headers_in() { [ -f "$1/H5pubconf.h" ] || [ -f "$1/H5pubconf-64.h" ]; }
hdf5_under() { hdf5_headers_in "$1/include" && exists "$1"/lib*/libhdf5.so; }

find_hdf5() {
    if [ -n "${HDF5_DIR:-}" ]; then
        hdf5_under "$HDF5_DIR"
        return
    fi
    if has pkg-config && pkg-config --exists hdf5; then
        for flag in $(PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 pkg-config --cflags-only-I hdf5); do
            if hdf5_headers_in "${flag#-I}"; then return 0; fi
        done
    fi
    debian=/usr/lib/x86_64-linux-gnu
    if hdf5_headers_in /usr/include/hdf5/serial && exists $debian/hdf5/serial/libhdf5.so; then return 0; fi
    hdf5_headers_in /usr/include && { exists $debian/libhdf5.so || exists /usr/lib64/libhdf5.so; }
}

hdf5_elsewhere() { # the root of an HDF5 that is loaded, but where the build would not look
    for root in "${HDF5_ROOT:-}" "${HDF5_HOME:-}" "${EBROOTHDF5:-}" "${CONDA_PREFIX:-}" \
        "$(h5cc -showconfig 2>/dev/null | sed -n 's/^ *Installation point: *//p')"; do
        if [ -n "$root" ] && hdf5_under "$root"; then
            say "$root"
            return
        fi
    done
}

version_of() { "$1" --version 2>/dev/null | awk '{ print $2; exit }'; }
at_least() { # at_least 1.88 1.95.0
    awk -v need="$1" -v have="$2" 'BEGIN {
        split(need, n, "."); split(have, h, ".")
        exit !(h[1] + 0 > n[1] + 0 || (h[1] + 0 == n[1] + 0 && h[2] + 0 >= n[2] + 0))
    }'
}
find_rust() { at_least "$rust_needed" "$(version_of cargo)" && at_least "$rust_needed" "$(version_of rustc)"; }

look() { # sets `missing`
    missing=
    for thing in cc make mpicc mpirun libclang hdf5 rust $besides; do
        "find_$thing" || missing="$missing $thing"
    done
}
is_missing() { case "$missing " in *" $1 "*) true ;; *) false ;; esac }

# --- What to do about the rest ---------------------------------------------------------------------------------

debian_packages() { # exactly for what is missing; where half of an MPI is there, the other half of the same one
    set --
    if is_missing cc || is_missing make; then set -- "$@" build-essential; fi
    if is_missing mpicc; then
        if [ "$(mpirun_family)" = MPICH ]; then set -- "$@" libmpich-dev; else set -- "$@" libopenmpi-dev; fi
    fi
    if is_missing mpirun; then
        if [ "$(mpicc_family)" = MPICH ]; then set -- "$@" mpich; else set -- "$@" openmpi-bin; fi
    fi
    if is_missing libclang; then set -- "$@" libclang-dev; fi
    if is_missing hdf5; then
        set -- "$@" libhdf5-dev
        has pkg-config || set -- "$@" pkg-config
    fi
    if is_missing valgrind; then set -- "$@" valgrind; fi
    echo "$*"
}

apt() { apt-get -q -o DPkg::Lock::Timeout=300 "$@"; }

install_packages() {
    say "install.sh: missing:$missing; installing with apt-get: $packages"
    log=$(mktemp) || exit 1
    # shellcheck disable=SC2086 # a list of words
    if ! { apt update && DEBIAN_FRONTEND=noninteractive apt install -y --no-install-recommends $packages; } \
        >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log"
        say "install.sh: apt-get failed, its whole output is in $log"
        exit 1
    fi
    rm -f "$log"
}

hint_compiler() {
    cat <<'EOF'
  C compiler and make
    module load gcc
    conda install -c conda-forge c-compiler make
    spack install gcc && spack load gcc
EOF
}

hint_mpi() {
    say "  MPI ($MPICC and $MPIRUN; MPICC= and MPIRUN= choose others)"
    cat <<'EOF'
    module load openmpi                               # or mpich; `module avail mpi` shows the names
    conda install -c conda-forge openmpi
    spack install openmpi && spack load openmpi
EOF
}

hint_libclang() {
    say "  libclang (with clang's headers)"
    if [ -n "${LIBCLANG_PATH:-}" ]; then
        say "    LIBCLANG_PATH is $LIBCLANG_PATH: it has to be the folder of a libclang.so"
    elif [ -n "$libclang" ]; then
        say "    $libclang is there, but clang's own headers (clang/VERSION/include/stddef.h) are not"
    fi
    cat <<'EOF'
    module load llvm                                  # or clang; then, if that is not enough,
                                                      #   export LIBCLANG_PATH=<the folder of libclang.so>
    conda install -c conda-forge clangdev && export LIBCLANG_PATH=$CONDA_PREFIX/lib
    spack install llvm && spack load llvm && export LIBCLANG_PATH=$(spack location -i llvm)/lib
EOF
}

hint_hdf5() {
    say "  HDF5 (headers and library)"
    if [ -n "${HDF5_DIR:-}" ]; then
        say "    HDF5_DIR is $HDF5_DIR: it has to contain include/H5pubconf.h and lib/libhdf5.so"
    elif [ -n "$(hdf5_elsewhere)" ]; then
        say "    there is one already, say so to the build: export HDF5_DIR=$(hdf5_elsewhere)"
        return
    fi
    cat <<'EOF'
    module load hdf5                                  # then, if that is not enough,
                                                      #   export HDF5_DIR=<the folder above its include/>
    conda install -c conda-forge hdf5 && export HDF5_DIR=$CONDA_PREFIX
    spack install hdf5 && spack load hdf5 && export HDF5_DIR=$(spack location -i hdf5)
EOF
}

hint_rust() {
    cargo=$(version_of cargo)
    rustc=$(version_of rustc)
    say "  Rust $rust_needed or newer (found: cargo ${cargo:-none}, rustc ${rustc:-none})"
    cargo_home=${CARGO_HOME:-$HOME/.cargo}
    if ! has cargo && [ -x "$cargo_home/bin/cargo" ]; then
        say "    it is installed, but not on PATH: export PATH=$cargo_home/bin:\$PATH"
    elif has rustup; then
        say "    rustup update stable && rustup default stable"
    else
        say "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    fi
}

hint_valgrind() {
    cat <<'EOF'
  valgrind
    module load valgrind
    conda install -c conda-forge valgrind
    spack install valgrind && spack load valgrind
EOF
}

print_hints() {
    say "install.sh: missing:$missing. For each, one of its lines brings it; then run this again."
    if [ -n "$packages" ] && has apt-get; then say "  Debian, Ubuntu: sudo apt-get install $packages"; fi
    if is_missing cc || is_missing make; then hint_compiler; fi
    if is_missing mpicc || is_missing mpirun; then hint_mpi; fi
    if is_missing libclang; then hint_libclang; fi
    if is_missing hdf5; then hint_hdf5; fi
    if is_missing rust; then hint_rust; fi
    if is_missing valgrind; then hint_valgrind; fi
    if is_missing mpicc || is_missing hdf5; then
        cat <<'EOF'
  conda and spack: should the program not find libmpi.so or libhdf5.so later,
    export LD_LIBRARY_PATH=<prefix>/lib               # prefix: $CONDA_PREFIX, or `spack location -i NAME`
EOF
    fi
}

look
packages=$(debian_packages)
if [ -n "$packages" ] && [ "$(id -u)" -eq 0 ] && has apt-get; then
    if [ -n "${DTASK_INSTALL_DRY:-}" ]; then
        say "install.sh: missing:$missing; would run: apt-get update && apt-get install -y $packages"
        is_missing rust || exit 0
        missing=" rust"
    else
        install_packages
        look
    fi
    packages=
fi
if [ -n "$missing" ]; then
    print_hints >&2
    exit 1
fi

compiler=$(mpicc_family)
launcher=$(mpirun_family)
if [ -n "$compiler" ] && [ -n "$launcher" ] && [ "$compiler" != "$launcher" ]; then
    say "install.sh: $MPICC is $compiler's but $MPIRUN is $launcher's: every rank would believe it is alone." \
        "  Load one MPI only, or choose a pair with MPICC= and MPIRUN=" >&2
    exit 1
fi
say "install.sh: all there: ${compiler:-MPI}, $libclang, HDF5, cc, make, cargo $(version_of cargo)"
