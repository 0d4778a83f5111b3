#!/bin/bash
#   qsub jobscripts/sge.sh script.toml
# Change these lines:
#$ -pe mpi 64                      # whole hosts: a multiple of a host's cores; `qconf -spl` lists the names
#$ -l h_rt=01:00:00                # where hosts are shared, add the site's word for whole ones (exclusive=true)
#$ -N dtask
#$ -cwd
#$ -S /bin/bash
#$ -j y                            # one file for what comes from all runs
#$ -r y                            # also queued again after the loss of the first host
most=20                            # runs in all
#module load openmpi hdf5          # the modules that dtask was built with
PATH=$HOME/dtask/target/release:$PATH

# The end of the job: dtask asks `qstat` for h_rt, starts nothing that would not end before, and exits with 75 if
# something is left; `--time-limit 1h` tells it where execution hosts may not ask. No s_rt and no -notify: their signals
# end this shell at once. `qdel` kills everything, so that no second run follows.
#
# Ranks: mpirun learns the hosts from SGE. Two ranks on each (with MPICH: `-ppn 2` for `--map-by ppr:2:node`). A rank
# runs as many tasks at once as it has cores, and they share what is in its memory, so that few ranks with many cores
# move less data than many ranks with one. Rank 0 schedules and does not compute: take two ranks on a host at least, or
# else the first host lies idle. Other layouts:
#   a rank per host   --map-by ppr:1:node dtask --head-slots 31
#   a rank per core   mpirun dtask, without both options
#
# A host that dies: with Open MPI 5 `mpirun --with-ft ulfm ..` goes on without it (docs/lost-ranks.md).
#
# --bind-to none: mpirun would otherwise pin each rank, with all its threads, to one core or two. The ranks then
# use, and share, every core that they are let on the host, whatever the number of slots; hence whole hosts.
script=${1:?usage: qsub jobscripts/sge.sh script.toml}
mpirun --bind-to none --map-by ppr:2:node dtask "$script"
code=$?

# Exit code 99 queues the job again. 75 says that something is left, and that this run has achieved something. A code
# above 3 is mpirun's: a rank or a host was lost. Then the journal knows whether something is left.
left() { [ "$(dtask status --left "$script")" -gt 0 ]; } 2>/dev/null
again() { [ $code -eq 75 ] || { [ $code -gt 3 ] && left; }; }
count=$JOB_NAME.runs$JOB_ID
runs=$(($(cat "$count" 2>/dev/null || echo 0) + 1))
if [ $runs -lt $most ] && again; then
    echo $runs >"$count"
    exit 99
fi
rm -f "$count"
exit $code
