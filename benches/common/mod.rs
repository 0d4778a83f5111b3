//! What all benches share: starting themselves under `mpirun`, measuring, printing.

use std::process::Command;

/// Whether this process was started by `mpirun`; if not, starts itself under `mpirun -n ranks` with `args` and passes
/// its exit code on.
pub fn under_mpirun(ranks: usize, args: &[&str]) -> bool {
    if ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"].iter().any(|name| std::env::var_os(name).is_some()) {
        return true;
    }
    let program = std::env::current_exe().expect("the bench's own path");
    let mut command = Command::new(std::env::var_os("MPIRUN").unwrap_or_else(|| "mpirun".into()));
    // harmless elsewhere; see DESIGN: root, few cores
    for name in
        ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_rmaps_base_oversubscribe"]
    {
        command.env(name, "1");
    }
    command.env("OMPI_MCA_hwloc_base_binding_policy", "none").env("OMPI_MCA_mpi_yield_when_idle", "1");
    let status = command.args(["-n", &ranks.to_string()]).arg(program).args(args).status();
    let status = status.expect("mpirun can be started");
    if !status.success() {
        std::process::exit(status.code().unwrap_or(1));
    }
    false
}

/// The middle of some measurements.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A number from `/proc/self/status`, in KiB.
pub fn status_kib(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
}

/// Processor time that this process has used so far, in seconds.
pub fn cpu_seconds() -> f64 {
    let time = |clock| {
        let time = rustix::time::clock_gettime(clock);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    };
    time(rustix::time::ClockId::ProcessCPUTime)
}

/// One line of a table.
pub fn row(what: &str, value: String, beside: String) {
    println!("{what:<58} {value:>22}  {beside}");
}
