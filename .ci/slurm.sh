#!/usr/bin/env bash
# A real Slurm of two nodes on this machine, for tests: `.ci/slurm.sh start DIR`, `.ci/slurm.sh stop DIR`.
#
# All that it makes is below DIR: configuration, keys, sockets, logs, process numbers. Each node is a slurmd in
# namespaces of its own, with its own host name, its own /etc/hosts and its own process numbers: those of the machine
# stay as they are, and everything that a job has left ends with its node. Needs root, and Debian's packages
# `slurm-wlm` and `munge`, which it installs; exit code 77 says in a line what is missing. `start` prints the variable
# that makes sbatch, squeue and scontrol talk to it.
#
# DTASK_PROCTRACK=proctrack/linuxproc chooses how Slurm finds the processes of a job, when it signals them.
set -u
PATH=$PATH:/usr/sbin:/sbin
action=${1:?usage: slurm.sh start|stop DIR} dir=${2:?usage: slurm.sh start|stop DIR}

skip() { echo "slurm.sh: skipped: $*"; exit 77; }

# Ends what `begin` has started, by its number, if that is still of a process that knows this folder.
stop() {
    local name pid
    for name in n1 n2 slurmctld munged; do
        pid=$(cat "$dir/$name.pid" 2>/dev/null) || continue
        tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$dir" && kill -KILL "$pid"
        rm -f "$dir/$name.pid"
    done
}

begin() { # begin NAME COMMAND...: in the background, and not ended with the caller
    local name=$1
    shift
    setsid "$@" >>"$dir/$name.out" 2>&1 </dev/null &
    echo $! >"$dir/$name.pid"
}

if [ "$action" = stop ]; then
    stop
    exit 0
fi

[ "$(id -u)" = 0 ] || skip "it takes root to start slurmd"
mkdir -p "$dir/state" "$dir/spool-n1" "$dir/spool-n2"
for program in slurmctld slurmd munged sbatch; do
    command -v $program >/dev/null && continue
    command -v apt-get >/dev/null || skip "no $program here, and no apt-get to bring it"
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends slurm-wlm munge >"$dir/apt.log" 2>&1 ||
        skip "apt-get brings no slurm-wlm and munge: $(tail -n 1 "$dir/apt.log")"
done
unshare --uts --mount --pid --fork --mount-proc true 2>/dev/null || skip "no namespaces for two nodes"

port=$((10000 + $$ % 5000 * 3)) # beside those of sge.sh, below those that the kernel gives to connections
cores=${DTASK_SLURM_CPUS:-4}
host=$(hostname -s)
cat >"$dir/slurm.conf" <<CONF
ClusterName=dtask
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmctldPidFile=$dir/slurmctld-own.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmdLogFile=$dir/slurmd-%n.log
SlurmdSpoolDir=$dir/spool-%n
StateSaveLocation=$dir/state
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CryptoType=crypto/munge
ProctrackType=${DTASK_PROCTRACK:-proctrack/linuxproc}
TaskPlugin=task/none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
MinJobAge=300
SchedulerParameters=sched_interval=2,sched_min_interval=100000
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=$cores State=UNKNOWN
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=$cores State=UNKNOWN
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
CONF
{ cat /etc/hosts; echo 127.0.0.1 n1 n2; } >"$dir/hosts"
chmod 755 "$dir"
head -c 1024 /dev/urandom >"$dir/munge.key"
chmod 400 "$dir/munge.key"
export SLURM_CONF=$dir/slurm.conf

fail() { echo "slurm.sh: $*" >&2; tail -n 5 "$dir"/*.log "$dir"/*.out >&2; stop; exit 1; }

await() { # await SECONDS COMMAND...
    local tries=$(($1 * 20))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $((tries -= 1)) -gt 0 ] || return 1
        sleep 0.05
    done
}
idle() { [ "$(sinfo -h -o %T -N | sort -u)" = idle ]; }

begin munged munged --foreground --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" \
    --pid-file="$dir/munged-own.pid" --log-file="$dir/munged.log" --seed-file="$dir/munge.seed"
await 10 test -S "$dir/munge.socket" || fail "munged does not start"
begin slurmctld slurmctld -D -f "$SLURM_CONF" -c
for node in n1 n2; do
    # the shell stays as the first process of the namespace: it waits for what jobs leave without a parent
    begin $node unshare --uts --mount --pid --fork --kill-child --mount-proc bash -c \
        "hostname $node && mount --bind '$dir/hosts' /etc/hosts && { slurmd -D -f '$SLURM_CONF' -N $node & wait; }"
done
await 30 idle || fail "the nodes are not idle after 30 s: $(sinfo -h -N 2>&1)"
echo "SLURM_CONF=$SLURM_CONF"
