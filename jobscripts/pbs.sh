#!/bin/bash
#   qsub -v script=script.toml jobscripts/pbs.sh
# Change these lines:
#PBS -l select=4:ncpus=32:mpiprocs=2
#PBS -l walltime=01:00:00
#PBS -N dtask
#PBS -j oe
#PBS -r y
most=20                            # jobs in all: each submits the next one, under a number of its own
this=jobscripts/pbs.sh             # this file, from the folder of qsub
#module load openmpi hdf5          # the modules that dtask was built with
PATH=$HOME/dtask/target/release:$PATH

# The end of the job: dtask asks `qstat` for the walltime, starts nothing that would not end before, and exits with 75
# if something is left; `--time-limit 1h` tells it where execution hosts may not ask.
#
# Ranks: mpirun learns the hosts from PBS, where it was built with `tm` (`ompi_info | grep tm`; Debian's is not:
# `--hostfile $PBS_NODEFILE` then). Two ranks on each (mpiprocs=2). A rank runs as many tasks at once as it has cores,
# and they share what is in its memory, so that few ranks with many cores move less data than many ranks with one. Rank
# 0 schedules and does not compute: take two ranks on a host at least, or else the first host lies idle. Other layouts:
#   a rank per host   mpiprocs=1, and below: dtask --head-slots 31
#   a rank per core   mpiprocs=32, and --bind-to none away
#
# A host that dies: with Open MPI 5 `mpirun --with-ft ulfm ..` goes on without it (docs/lost-ranks.md).
#
# --bind-to none: mpirun would otherwise pin each rank, with all its threads, to one core or two.
cd "$PBS_O_WORKDIR" || exit

# `qdel` and PBS at the end of the time send SIGTERM to every process of the job. This shell outlives it until mpirun
# has ended, so that nothing is left behind, and submits nothing then.
told=
trap 'told=yes' TERM
mpirun --bind-to none dtask "${script:?usage: qsub -v script=script.toml jobscripts/pbs.sh}"
code=$?

# 75 says that something is left, and that this run has achieved something. A code above 3 is mpirun's: a rank or a host
# was lost. Then the journal knows whether something is left. (`qrerun` would do the same, but few users may call it.)
left() { [ "$(dtask status --left "$script")" -gt 0 ]; } 2>/dev/null
again() { [ $code -eq 75 ] || { [ $code -gt 3 ] && left; }; }
if [ -z "$told" ] && [ "${run:=1}" -lt $most ] && again; then
    qsub -v script="$script",run=$((run + 1)) "$this"
fi
exit $code
