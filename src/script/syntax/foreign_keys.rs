//! The words that other tools (make, Snakemake, Nextflow, HyperQueue, Slurm, GNU parallel) have for what a script says
//! by keys of its own. They are no keys: an error names the key that is meant.

use crate::script::syntax::key_row::KnownKeys;
use crate::script::syntax::key_table::{POLICY, TASK, TOP};

/// A row of the table: words of other tools, and the help for somebody who writes one of them.
pub(crate) type ForeignKeys = (&'static [&'static str], &'static str);

/// Keys of other tools that a user may write in a task by habit.
const IN_TASK: &[ForeignKeys] = &[
    (
        &[
            "cpus",
            "cpu",
            "cores",
            "core",
            "ncpus",
            "nproc",
            "procs",
            "slots",
            "cpus_per_task",
            "num_cpus",
            "nthreads",
            "ntasks",
        ],
        "the key is `threads`: `threads = 4`",
    ),
    (
        &[
            "mem",
            "ram",
            "mem_mb",
            "mem_gb",
            "memory_mb",
            "memory_gb",
            "mem_limit",
            "memory_limit",
            "max_memory",
        ],
        "the key is `memory`, with a unit: `memory = \"4 GiB\"`",
    ),
    (&["gpu", "cuda", "gres", "num_gpus"], "the key is `gpus`: `gpus = 1`"),
    (
        &[
            "time_min",
            "min_time",
            "time_request",
            "time_hours",
            "time_sec",
            "runtime",
            "walltime",
            "duration",
            "time_estimate",
        ],
        "`time = \"30 min\"` is how long an instance is expected to take; `timeout = \"1 h\"` ends it",
    ),
    (
        &["time_limit", "max_time", "time_max", "kill_after", "maxtime", "deadline"],
        "`timeout = \"1 h\"` ends an instance that takes longer; `time` is how long it is expected to take",
    ),
    (
        &[
            "retry",
            "max_retries",
            "maxretries",
            "retry_count",
            "restarts",
            "restart_times",
            "attempts",
            "crash_limit",
            "max_fails",
            "tries",
        ],
        "the key is `retries`: `retries = 2` is two attempts after the first; `retry-on` says after which failures",
    ),
    (
        &[
            "error_strategy",
            "errorstrategy",
            "ignore_errors",
            "allow_failure",
            "continue_on_error",
            "keep_going",
        ],
        "what does not depend on a failed instance goes on anyway; `optional = true` lets those go on that gather the task, \
         and `[policy]` says when failures stop the run",
    ),
    (
        &["python", "python3", "py", "bash", "sh", "rscript", "julia", "perl", "matlab"],
        "write `run = [\"python3\", \"work.py\", \"{x}\"]`; for lines of bash: `shell = \"..\"` with \
         `interpreter = [\"bash\", \"-euo\", \"pipefail\", \"-c\"]`",
    ),
    (
        &["command", "commands", "cmd", "exec", "execute", "program", "executable", "argv", "entrypoint"],
        "`run` starts a program without a shell, `shell` a script for `/bin/sh`: `run = \"./work {x}\"`",
    ),
    (
        &[
            "cwd",
            "workdir",
            "work_dir",
            "working_dir",
            "working_directory",
            "directory",
            "folder",
            "chdir",
            "wd",
        ],
        "the key is `dir`: `\"here\"` (the script's folder), `\"scratch\"` (private, on the node) or a path",
    ),
    (
        &[
            "deps",
            "dep",
            "depends",
            "depend",
            "depends_on",
            "dependson",
            "dependency",
            "dependencies",
            "requires",
            "upstream",
            "follows",
            "prerequisites",
        ],
        "a reference is the dependency: `{other}` in the command is its file, `{other.stdout}` what it printed; for order \
         without data: `after = [\"other\"]`",
    ),
    (
        &["input", "inputs", "infile", "in", "files", "source", "reads"],
        "what another task makes is read by a reference, `{other}` or `{other.stdout}` in the command; files that are there: \
         `for = { f = { glob = \"data/*.txt\" } }` and `{f}`; `stdin` is the standard input",
    ),
    (
        &["output", "outputs", "outfile", "outs", "produces", "publish", "publishdir", "result", "results"],
        "`out = \"x.bin\"` is a file that the command writes at `{out}`, `save = \"results/x.bin\"` keeps it; what it prints: \
         `stdout = \"x.txt\"`",
    ),
    (
        &[
            "jobs",
            "njobs",
            "n_jobs",
            "workers",
            "max_workers",
            "parallel",
            "max_parallel",
            "maxforks",
            "concurrency",
        ],
        "how many run at a time is said on the command line, `mpirun -n 4 dtask ..` and `--slots N`; for one task take a \
         counter: `[resources]` with `turns = 4`, and `needs = { turns = 1 }` in the task",
    ),
    (
        &["resources", "resource", "request", "requests", "limits"],
        "`threads`, `memory` and `gpus` are keys of the task; counters of the whole job: `[resources]` with `licence = 4`, and \
         `needs = { licence = 1 }` in the task",
    ),
    (
        &[
            "foreach",
            "for_each",
            "matrix",
            "sweep",
            "params",
            "parameters",
            "expand",
            "wildcards",
            "loop",
            "array_job",
        ],
        "the key is `for`: `for = { T = [250, 300], i = \"0..10\" }` is one instance for each combination",
    ),
    (
        &["if", "condition", "filter"],
        "`where = \"T < 350\"` says which instances there are, by parameters and variables; `when` skips some by results",
    ),
    (
        &["environment", "envs", "env_vars", "variables"],
        "the key is `env`: `env = { OMP_PLACES = \"cores\" }`",
    ),
    (
        &["log", "logfile", "logs", "output_file"],
        "what a command prints is in the log, and `dtask log` finds it; `stdout = \"x.txt\"` and `stderr = \"x.err\"` write files",
    ),
    (
        &["queue", "partition", "account", "qos", "nodes", "cluster"],
        "the batch system is told in the job script, see jobscripts/; the tasks share the ranks of one job",
    ),
    (
        &["container", "image", "docker", "singularity", "apptainer", "conda", "module", "modules"],
        "load it in the job script, or start it in the command: `run = [\"apptainer\", \"exec\", \"tool.sif\", \"./work\"]`",
    ),
    (
        &["description", "desc", "title", "label", "comment", "doc", "message"],
        "a comment begins with `#`; the name of a task is in its brackets, `[task.NAME]`",
    ),
    (&["id", "name"], "the name of a task is in its brackets: `[task.NAME]`"),
];

/// Keys of other tools that a user may write at the top of a script by habit.
const AT_TOP: &[ForeignKeys] = &[
    (
        &["tasks", "jobs", "job", "steps", "rules", "rule", "stages", "process"],
        "a task begins with a line `[task.NAME]`",
    ),
    (&["variables", "var", "params", "parameters", "config", "env"], "constants stand in `[vars]`"),
    (&["defaults", "common", "global", "globals"], "keys for all tasks stand in `[default]`"),
    (&["version", "schema"], "the version of the format is the first line: `dtask = 1`"),
];

/// Keys of other tools that a user may write in `[policy]` by habit.
const IN_POLICY: &[ForeignKeys] = &[
    (
        &["fail_fast", "failfast", "stop_on_failure", "keep_going"],
        "`on-failure = \"stop\"` or `\"continue\"`",
    ),
    (&["max_fails", "max_errors", "max_failure"], "`max-failures = 20`"),
];

/// The words of other tools for the keys of a table, with the help for each.
pub(crate) fn of_table(table: &KnownKeys) -> &'static [ForeignKeys] {
    let tables: [(&KnownKeys, _); 3] = [(&TASK, IN_TASK), (&TOP, AT_TOP), (&POLICY, IN_POLICY)];
    tables.iter().find(|(known, _)| std::ptr::eq(*known, table)).map_or(&[], |(_, words)| *words)
}

/// The help for somebody who writes the word of another tool for a key of this table; `None` for other words. Upper
/// case counts as lower case, and `-` as `_`.
pub(crate) fn help(table: &KnownKeys, key: &str) -> Option<&'static str> {
    let key = key.to_lowercase().replace('-', "_");
    let row = of_table(table).iter().find(|(words, _)| words.contains(&key.as_str()));
    row.map(|(_, help)| *help)
}
