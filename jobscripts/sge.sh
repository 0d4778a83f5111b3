#!/bin/bash
#   qsub jobscripts/sge.sh script.toml
# Change these lines:
#$ -pe mpi 64                      # whole hosts: a multiple of a host's cores; `qconf -spl` lists the names
#$ -l h_rt=01:00:00                # where hosts are shared, add the site's word for whole ones (exclusive=true)
#$ -N dtask
#$ -cwd
#$ -S /bin/bash
#module load openmpi hdf5          # the modules that dtask was built with
PATH=$HOME/dtask/target/release:$PATH

# mpirun learns the hosts from SGE. Two ranks on each (with MPICH: `-ppn 2` for `--map-by ppr:2:node`). A rank runs
# as many tasks at once as it has cores, and they share what is in its memory: few ranks with many cores move less
# data than many ranks with one. Rank 0 schedules and does not compute, so take at least two.
#
# --bind-to none: mpirun would otherwise pin each rank, with all its threads, to one core or two. The ranks then
# use, and share, every core that they are let on the host, whatever the number of slots; hence whole hosts.
#
# dtask asks qstat for h_rt, and begins nothing that would not end before; `--time-limit 1h` tells it without.
mpirun --bind-to none --map-by ppr:2:node dtask "${1:?usage: qsub jobscripts/sge.sh script.toml}"
code=$?

# 75: the job's time was not enough, and something is left. Without the `#` SGE queues the job again then (`-r y`).
#[ $code -ne 75 ] || exit 99
exit $code
