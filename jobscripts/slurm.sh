#!/bin/bash
#   sbatch jobscripts/slurm.sh script.toml
# Change these lines:
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=2        # ranks on a node, one per socket
#SBATCH --cpus-per-task=16         # cores of a rank
#SBATCH --time=01:00:00
#SBATCH --job-name=dtask
#module load openmpi hdf5          # the modules that dtask was built with
PATH=$HOME/dtask/target/release:$PATH

# The end of the job: dtask asks `squeue`, starts nothing that would not end before, and exits with 75 if something is
# left. Submit the script again to go on; slurm-requeue.sh does so by itself. No --signal is needed.
#
# Ranks: a rank runs as many tasks at once as it has cores, and they share what is in its memory, so that few ranks with
# many cores move less data than many ranks with one. Rank 0 schedules and does not compute: take two ranks on a node
# at least, or else its node lies idle. Other layouts:
#   a rank per node   --ntasks-per-node=1 --cpus-per-task=32, and below: dtask --head-slots 31
#   a rank per core   --ntasks-per-node=32 --cpus-per-task=1
#
# --bind-to none: mpirun would otherwise pin each rank, with all its threads, to one core or two. What Slurm has
# granted on the node still holds.
#
# A node that dies: with Open MPI 5 the run goes on without it after `mpirun --with-ft ulfm ..` below and
# `#SBATCH --no-kill` above (docs/lost-ranks.md). With others the job ends; slurm-requeue.sh goes on by itself.
#
# exec: mpirun takes the place of this shell, so that `scancel` and the end of the time reach it in any case. Where the
# site kills all at once (proctrack/cgroup), scratch folders stay behind: the next run on the node removes them.
#
# `srun --mpi=pmix -c $SLURM_CPUS_PER_TASK dtask ..` does as well where `srun --mpi=list` has pmix (of the MPI's major
# version); with another --mpi, Open MPI refuses to start (exit code 1).
exec mpirun --bind-to none dtask "${1:?usage: sbatch jobscripts/slurm.sh script.toml}"
