# Sourced, not run:  . ./.ci/mpi-env.sh
# Environment for running more ranks than cores, as root where one is root (a container), with no rank bound
# to a core. For the demo, the tests and the benchmarks on one machine; a cluster job needs none of it.
# `MPIRUN` chooses another launcher than `mpirun`.

case $("${MPIRUN:-mpirun}" --version 2>/dev/null) in
*"(Open MPI) "[1-4].*)
    export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
    ;;
*"(Open MPI) "*) # 5 starts its ranks through PRRTE, which has names of its own
    export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe PRTE_MCA_hwloc_default_binding_policy=none
    ;;
*) ;; # MPICH: more ranks than cores, root and unbound ranks are its defaults
esac

# More ranks than cores: a rank that waits inside MPI lets another have the core (Open MPI 4 and 5).
if [ "$(nproc 2>/dev/null || echo 1)" -lt "${RANKS:-4}" ]; then
    export OMPI_MCA_mpi_yield_when_idle=1
fi

if [ "$(id -u)" -eq 0 ]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 # Open MPI 4, and 5's mpirun
    export PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1 # Open MPI 5's prterun
fi
