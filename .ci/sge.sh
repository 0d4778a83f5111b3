#!/usr/bin/env bash
# A real SGE (Son of Grid Engine 8.1.9, Debian's `gridengine`) of one host on this machine, for tests:
# `.ci/sge.sh start DIR`, `.ci/sge.sh stop DIR`.
#
# All that it makes is below DIR: the packages are unpacked there and not installed (but for libraries that their
# programs need, and an empty folder /usr/lib/gridengine), beside configuration, spool and logs. The daemons run in
# namespaces with process numbers of their own, so that everything that a job has left ends with them. Needs root; exit
# code 77 says in a line what is missing. `start` prints the variables that make qsub, qstat and qdel talk to it. Jobs
# must be of a user with a number from 1000 on; those of `nobody` find their home folder in DIR/home.
set -u
action=${1:?usage: sge.sh start|stop DIR} dir=${2:?usage: sge.sh start|stop DIR}

skip() { echo "sge.sh: skipped: $*"; exit 77; }

# Ends what `begin` has started, by its number, if that is still of a process that knows this folder.
stop() {
    local name pid
    for name in execd qmaster; do
        pid=$(cat "$dir/$name.pid" 2>/dev/null) || continue
        tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$dir" && kill -KILL "$pid"
        rm -f "$dir/$name.pid"
    done
}

# the path at which its programs look for their library
place=/usr/lib/gridengine

begin() { # begin NAME PROGRAM: in the background and in a namespace, and not ended with the caller
    setsid unshare --pid --fork --kill-child --mount --mount-proc bash -c \
        "mount --bind '$programs' $place && mount --bind '$dir/passwd' /etc/passwd &&
         { '$2' & while :; do wait; sleep 0.2; done; }" \
        >>"$dir/$1.out" 2>&1 </dev/null &
    echo $! >"$dir/$1.pid"
}

if [ "$action" = stop ]; then
    stop
    exit 0
fi

[ "$(id -u)" = 0 ] || skip "it takes root to start execd"
unshare --mount --pid --fork --mount-proc true 2>/dev/null || skip "no namespace for its processes"
mkdir -p "$dir/packages" "$dir/sge/default/common" "$dir/spool/qmaster/job_scripts" "$dir/spool/execd"
dir=$(cd "$dir" && pwd)
if ! [ -x "$dir/packages/usr/lib/gridengine/sge_qmaster" ]; then
    command -v apt-get >/dev/null || skip "no apt-get to bring it"
    {
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
            libjemalloc2 libhwloc15 libdb5.3 libtirpc3 &&
            cd "$dir/packages" &&
            apt-get download gridengine-master gridengine-exec gridengine-client gridengine-common &&
            for package in ./*.deb; do dpkg-deb -x "$package" . || exit 1; done
    } >"$dir/apt.log" 2>&1 || skip "apt-get brings no gridengine: $(tail -n 1 "$dir/apt.log")"
    cd - >/dev/null || exit
fi

export SGE_ROOT=$dir/sge SGE_CELL=default SGE_ARCH=lx-amd64
port=$((25000 + $$ % 3800 * 2)) # beside those of slurm.sh, below those that the kernel gives to connections
export SGE_QMASTER_PORT=$port SGE_EXECD_PORT=$((port + 1))
programs=$dir/packages/usr/lib/gridengine
share=$dir/packages/usr/share/gridengine
common=$SGE_ROOT/default/common
export LD_LIBRARY_PATH=$programs PATH=$programs:$PATH
mkdir -p "$SGE_ROOT/bin" "$SGE_ROOT/lib" "$SGE_ROOT/utilbin"
for folder in bin lib utilbin; do ln -sfn "$programs" "$SGE_ROOT/$folder/$SGE_ARCH"; done
ln -sfn "$share/util" "$SGE_ROOT/util"
host=$(hostname)
cat >"$common/bootstrap" <<CONF
admin_user              none
default_domain          none
ignore_fqdn             true
spooling_method         classic
spooling_lib            libspoolc
spooling_params         $common;$dir/spool/qmaster
binary_path             $SGE_ROOT/bin
qmaster_spool_dir       $dir/spool/qmaster
security_mode           none
listener_threads        1
worker_threads          1
scheduler_threads       1
CONF
echo "$host" >"$common/act_qmaster"
echo "$host localhost" >"$common/host_aliases"
sed -e "s|^execd_spool_dir.*|execd_spool_dir $dir/spool/execd|" -e 's|^load_report_time.*|load_report_time 00:00:01|' \
    -e 's|^mailer.*|mailer /bin/true|' -e 's|^reporting_params.*|reporting_params accounting=false reporting=false|' \
    "$share/default-configuration" >"$dir/configuration"
chmod 755 "$dir" "$dir/spool"

fail() {
    echo "sge.sh: $*" >&2
    tail -n 5 "$dir"/*.out "$dir"/spool/qmaster/messages "$dir"/spool/execd/*/messages >&2
    stop
    exit 1
}
await() { # await SECONDS COMMAND...
    local tries=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $((tries -= 1)) -gt 0 ] || return 1
        sleep 0.1
    done
}

mkdir -p "$dir/home"
sed "s|^\(nobody:[^:]*:[^:]*:[^:]*:[^:]*\):.*|\1:$dir/home:/bin/bash|" /etc/passwd >"$dir/passwd"
mkdir -p $place || skip "$place cannot be made"
unshare --mount bash -c "mount --bind '$programs' $place &&
    spoolinit classic libspoolc '$common;$dir/spool/qmaster' init &&
    spooldefaults.bin configuration '$dir/configuration' &&
    spooldefaults.bin complexes '$share/util/resources/centry' &&
    spooldefaults.bin usersets '$share/util/resources/usersets' &&
    spooldefaults.bin managers root" >"$dir/init.out" 2>&1 || fail "the spool cannot be made"

export SGE_ND=yes # in the foreground
begin qmaster "$programs/sge_qmaster"
await 20 qconf -sm || fail "sge_qmaster does not start"
slots=${DTASK_SGE_SLOTS:-8}
cat >"$dir/host" <<CONF
hostname $host
load_scaling NONE
complex_values NONE
user_lists NONE
xuser_lists NONE
projects NONE
xprojects NONE
usage_scaling NONE
report_variables NONE
CONF
cat >"$dir/pe" <<CONF
pe_name mpi
slots 999
user_lists NONE
xuser_lists NONE
start_proc_args NONE
stop_proc_args NONE
allocation_rule \$fill_up
control_slaves TRUE
job_is_first_task FALSE
urgency_slots min
accounting_summary TRUE
qsort_args NONE
CONF
{
    qconf -as "$host"
    qconf -Ae "$dir/host"
    qconf -Ap "$dir/pe"
    qconf -sq >"$dir/queue" || qconf -sq all.q >"$dir/queue"
    sed -i -e 's|^qname.*|qname all.q|' -e "s|^hostlist.*|hostlist $host|" \
        -e 's|^load_thresholds.*|load_thresholds NONE|' -e "s|^slots.*|slots $slots|" -e 's|^pe_list.*|pe_list mpi|' -e 's|^shell .*|shell /bin/bash|' \
        -e 's|^rerun.*|rerun TRUE|' "$dir/queue"
    qconf -Aq "$dir/queue"
    # jobs begin soon, and not at the next of rare looks
    qconf -ssconf | sed -e 's|^schedule_interval.*|schedule_interval 0:0:1|' \
        -e 's|^flush_submit_sec.*|flush_submit_sec 1|' -e 's|^flush_finish_sec.*|flush_finish_sec 1|' >"$dir/sched" && qconf -Msconf "$dir/sched"
} >"$dir/setup.out" 2>&1
begin execd "$programs/sge_execd"
ready() { qstat -f | grep "^all.q@" | grep -v ' a\?u[ad]* *$' | grep -q 'lx-amd64 *$'; }
await 40 ready || fail "the queue is not ready after 40 s: $(qstat -f 2>&1; cat "$dir/setup.out")"
printf '%s\n' "SGE_ROOT=$SGE_ROOT" SGE_CELL=default SGE_ARCH=lx-amd64 "SGE_QMASTER_PORT=$SGE_QMASTER_PORT" \
    "SGE_EXECD_PORT=$SGE_EXECD_PORT" "PATH=$programs:/usr/local/bin:/usr/bin:/bin"
