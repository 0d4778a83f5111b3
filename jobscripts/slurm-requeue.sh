#!/bin/bash
#   sbatch jobscripts/slurm-requeue.sh script.toml
# As slurm.sh; and as often as the job's time was not enough, the job queues itself again and goes on where it was.
# Change these lines:
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=2        # ranks on a node, one per socket: see slurm.sh
#SBATCH --cpus-per-task=16         # cores of a rank
#SBATCH --time=01:00:00
#SBATCH --job-name=dtask
#SBATCH --requeue                  # also after the loss of a node
#SBATCH --open-mode=append         # one file for the output of all runs: each would begin it anew
most=20                            # runs in all
#module load openmpi hdf5          # the modules that dtask was built with
PATH=$HOME/dtask/target/release:$PATH

script=${1:?usage: sbatch jobscripts/slurm-requeue.sh script.toml}
mpirun --bind-to none dtask "$script" &
run=$!

# Signals. `scancel` and Slurm at the end of the time send SIGTERM: to mpirun too on most sites, and then twice would
# make it give up at once, but to this shell alone on others. So it is passed on after three seconds, if mpirun is still
# there. SIGUSR1 comes only with `--signal=B:USR1@300`, which is not needed: dtask knows the end of the job from squeue.
told=
trap 'told=yes; sleep 3; kill -TERM $run 2>/dev/null' TERM
trap 'kill -USR1 $run 2>/dev/null' USR1

# A signal ends `wait`, not the run.
while wait $run; kill -0 $run 2>/dev/null; do :; done
wait $run
code=$?

# 75 says that something is left, and that this run has achieved something. A code above 3 is mpirun's: a rank or a node
# was lost, or the job was preempted. Then the journal knows whether something is left. But whoever tells this shell to
# stop does not want another run.
left() { [ "$(dtask status --left "$script")" -gt 0 ]; } 2>/dev/null
again() { [ $code -eq 75 ] || { [ $code -gt 3 ] && left; }; }
if [ -z "$told" ] && [ $((${SLURM_RESTART_COUNT:-0} + 1)) -lt $most ] && again; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit $code
