#!/bin/bash
#   sbatch jobscripts/slurm.sh script.toml
# Change these lines:
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=2        # ranks on a node, one per socket (see below)
#SBATCH --cpus-per-task=16         # cores of a rank
#SBATCH --time=01:00:00
#SBATCH --job-name=dtask
#module load openmpi hdf5          # the modules that dtask was built with
PATH=$HOME/dtask/target/release:$PATH

# A rank runs as many tasks at once as it has cores, and they share what is in its memory: few ranks with many
# cores move less data than many ranks with one. Rank 0 schedules and does not compute, so take at least two.
#
# --bind-to none: mpirun would otherwise pin each rank, with all its threads, to one core or two. What Slurm has
# granted on the node still holds.
mpirun --bind-to none dtask "${1:?usage: sbatch jobscripts/slurm.sh script.toml}"
code=$?

# 75: the job's time was not enough, and something is left. Without the `#` the job queues itself again then.
#[ $code -ne 75 ] || scontrol requeue "$SLURM_JOB_ID"
exit $code
