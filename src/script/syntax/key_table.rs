//! The table of keys: every key of every table of the language, once.
//!
//! Checks of keys and of the actions beside them read it ([`known_keys`](super::known_keys)). So do messages, for help
//! and suggestions, and the reference in `docs/script.md` and `docs/mapreduce.md`. Tests compare each row with the
//! readers: the type of the value, and a default that is TOML.

use super::key_row::{KeySection, KnownKeys, ScriptKey, TaskKind, key};

/// The kinds of tasks whose action itself is a program to start.
const PROGRAMS: &[TaskKind] = &[TaskKind::Run, TaskKind::Shell, TaskKind::Script];
/// The kinds of tasks that run commands with standard input and output files of their own.
const COMMANDS: &[TaskKind] = &[TaskKind::Run, TaskKind::Shell, TaskKind::Script, TaskKind::Merge];
/// The kinds of tasks that may have the keys of how a command is run (`timeout`, `env`, ..): those that start commands,
/// and every `mapreduce`, even with built-in stages only.
const EXECUTED: &[TaskKind] = &[
    TaskKind::Run,
    TaskKind::Shell,
    TaskKind::Script,
    TaskKind::Merge,
    TaskKind::MapReduce,
    TaskKind::Streaming,
];
/// The kinds of tasks that always start commands.
const STARTING: &[TaskKind] =
    &[TaskKind::Run, TaskKind::Shell, TaskKind::Script, TaskKind::Merge, TaskKind::Streaming];
/// The kinds of tasks whose instances the script defines by parameters; those of a `mapreduce` are its partitions.
const SWEPT: &[TaskKind] = &[
    TaskKind::Run,
    TaskKind::Shell,
    TaskKind::Script,
    TaskKind::Array,
    TaskKind::Call,
    TaskKind::Reduce,
    TaskKind::Merge,
];
/// The kinds of tasks that may take more than one slot (a core of a rank).
const PLACED: &[TaskKind] = &[
    TaskKind::Run,
    TaskKind::Shell,
    TaskKind::Script,
    TaskKind::Array,
    TaskKind::Call,
    TaskKind::Reduce,
    TaskKind::Merge,
    TaskKind::Streaming,
];
const MAPREDUCES: &[TaskKind] = &[TaskKind::MapReduce, TaskKind::Streaming];

const PARTITIONED: &str = "it has one instance for each of its `partitions`";
const LINES: &str = "its stages read lines on standard input and write lines on standard output";
const SLOTS: &str = "it is for commands, and what is built in takes a slot wherever one is free";

/// The keys of all tables that a script may have.
pub(crate) static TABLES: [&KnownKeys; 9] =
    [&TOP, &TASK, &POLICY, &SETTINGS, &PARAMETER, &REDUCE, &MAPREDUCE, &INPUT, &STAGE];

pub(crate) static TOP: KnownKeys = KnownKeys {
    place: "at the top of a script",
    sections: &[KeySection {
        name: "top level",
        rows: &[
            key("dtask", "an integer").means("version of the format, `dtask = 1`; required"),
            key("name", "a string")
                .default("the file's stem")
                .means("of the run; its logs are in `NAME.dtask/` beside the script"),
            key("vars", "a table").means("constants; `--set name=value` overrides them"),
            key("default", "a table").means("any key of a task, for all tasks that do not have it"),
            key("resources", "a table").means(
                "how many of something the whole job has, `licence = 4`; tasks take of it with `needs`",
            ),
            key("policy", "a table").means("when failures stop the run, and how much its logs may have"),
            key("settings", "a table").means("what the run takes of its hosts"),
            key("task", "a table").means("tasks, each a table of its own, `[task.NAME]`"),
        ],
    }],
};

pub(crate) static POLICY: KnownKeys = KnownKeys {
    place: "in `policy`",
    sections: &[KeySection {
        name: "policy",
        rows: &[
            key("on-failure", "a string").default("`\"continue\"`").means(
                "`\"continue\"`: what does not depend on a failed instance goes on; `\"stop\"`: what runs may end, nothing else \
                 is begun",
            ),
            key("max-failures", "an integer")
                .default("no limit")
                .means("so many failed instances stop the run, as `\"stop\"` does at the first"),
            key("log-limit", "a string with a unit").default("`\"1 MiB\"`").means(
                "how much the log keeps of what an instance prints to a stream: of more, the first and the last half; a file, \
                 `stdout = \"x.txt\"`, has all",
            ),
            key("log-total", "a string with a unit").default("`\"1 GiB\"`").means(
                "how much the logs of a run may have, over all ranks; the last quarter is for instances that fail",
            ),
        ],
    }],
};

pub(crate) static SETTINGS: KnownKeys = KnownKeys {
    place: "in `settings`",
    sections: &[KeySection {
        name: "settings",
        rows: &[
            key("scratch", "a string").default("see [Scratch](#scratch)").means(
                "the directory in which each rank makes its own for temporary files, an absolute path that every host has; \
                 `--scratch` overrides it",
            ),
            key("output-memory", "a string with a unit").default("`\"64 MiB\"`").means(
                "what a rank holds in memory of the output of its commands; beyond it output goes to files in scratch while \
                 the command runs; `--output-memory` overrides it",
            ),
        ],
    }],
};

pub(crate) static TASK: KnownKeys = KnownKeys {
    place: "in a task",
    sections: &[
        KeySection { name: "actions", rows: ACTIONS },
        KeySection { name: "instances", rows: INSTANCES },
        KeySection { name: "files", rows: FILES },
        KeySection { name: "running", rows: RUNNING },
    ],
};

const ACTIONS: &[ScriptKey] = &[
    key("run", "a string or an array of strings")
        .action()
        .means("a program without a shell: a string of words, or an array"),
    key("shell", "a string").action().means("a script for `/bin/sh -eu`; values are data in it"),
    key("interpreter", "an array of strings")
        .beside(&[TaskKind::Shell])
        .default("`[\"/bin/sh\", \"-eu\", \"-c\"]`")
        .means("the shell and its options, such as `[\"bash\", \"-euo\", \"pipefail\", \"-c\"]`"),
    key("script", "a string or an array of strings").action().means(
        "a program of the script's folder, `\"fit.py\"`, that its first line (`#!`) or its ending runs, and arguments, \
         `[\"fit.py\", \"{mesh}\"]`; it finds its parameters in the JSON file that `DTASK_PARAMS` names",
    ),
    key("array", "a string").action().means("an array expression"),
    key("reduce", "a table").action().means(
        "a family reduced as a tree: arrays, `{ of = \"x\", with = \"add\" }`, or files, \
         `{ of = \"x\", run = \"./merge {a} {b} -o {out}\" }`; see [Reductions](#reductions)",
    ),
    key("mapreduce", "a table")
        .action()
        .means("lines split, mapped, combined, shuffled, reduced; see [mapreduce.md](mapreduce.md)"),
    key("call", "a string")
        .action()
        .means("a function of the program that it has registered by this name; see `examples/campaign/`"),
    key("args", "a table")
        .beside(&[TaskKind::Call])
        .default("no arguments")
        .means("the arguments of the function: `{ x = \"{task}\", y = 3 }`"),
];

const INSTANCES: &[ScriptKey] = &[
    key("for", "a table")
        .beside(SWEPT)
        .instead(MAPREDUCES, PARTITIONED)
        .means("every combination of its parameters; the last one runs fastest"),
    key("zip", "a table").beside(SWEPT).instead(MAPREDUCES, PARTITIONED).means("parameters in step"),
    key("each", "a string")
        .beside(SWEPT)
        .instead(MAPREDUCES, PARTITIONED)
        .means("one instance for each of another task, with its parameters"),
    key("let", "a table")
        .beside(SWEPT)
        .instead(MAPREDUCES, PARTITIONED)
        .means("parameters that follow from others, `{ j = \"2*i + 1\" }`"),
    key("include", "an array of tables")
        .beside(SWEPT)
        .instead(MAPREDUCES, PARTITIONED)
        .means("rows that are added: `[{ T = 400, p = 1 }]`"),
    key("exclude", "an array of tables")
        .beside(SWEPT)
        .instead(MAPREDUCES, PARTITIONED)
        .means("rows that are left out"),
    key("where", "a string")
        .beside(SWEPT)
        .instead(MAPREDUCES, PARTITIONED)
        .means("an expression that is to be true"),
    key("when", "a string")
        .beside(&[TaskKind::Run, TaskKind::Shell, TaskKind::Array, TaskKind::Call])
        .means("an expression over results, parameters and variables: an instance for which it is not true is skipped"),
    key("until", "a table")
        .beside(&[TaskKind::Run, TaskKind::Shell, TaskKind::Array, TaskKind::Call])
        .means(
            "the parameter along which instances run one after the other, with an expression over an instance's own results: \
             where it holds, later instances are not needed, `{ n = \"number(relax.norm) < 1e-8\" }`",
        ),
    key("until-required", "`true` or `false`")
        .beside(&[TaskKind::Run, TaskKind::Shell, TaskKind::Array, TaskKind::Call])
        .default("`false`")
        .means("whether it is a failure if `until` never holds"),
];

const FILES: &[ScriptKey] = &[
    key("stdin", "a string")
        .beside(COMMANDS)
        .instead(MAPREDUCES, LINES)
        .default("empty")
        .means("text, or references, whose bytes it becomes; a large file is given to the command as it is"),
    key("out", "a file name or a table of file names")
        .beside(COMMANDS)
        .instead(MAPREDUCES, LINES)
        .default("none")
        .means("file(s) that the command writes in its scratch: `{out}`, or `{out.name}` of several; with a slash at the end a folder"),
    key("save", "a path or a table of paths").default("not saved").means(
        "where outputs, standard output or arrays are kept, each written whole or not at all; moved there if on the same file \
         system and no other task takes it, else copied",
    ),
    key("stdout", "a string")
        .default("`\"log\"`")
        .means(
            "`\"log\"`, `\"null\"`, or a path; instances with the same path append to one file, which grows while the \
             run goes on, in the order of their indices",
        ),
    key("stderr", "a string")
        .beside(COMMANDS)
        .instead(MAPREDUCES, "it goes to the log")
        .default("`\"log\"`")
        .means("as `stdout`"),
    key("after", "an array of strings").default("none").means("tasks that are to be done before, `[\"setup\"]`"),
    key("target", "a path or an array of paths")
        .beside(PROGRAMS)
        .instead(
            &[TaskKind::Merge, TaskKind::MapReduce, TaskKind::Streaming],
            "`save` says where the result ends up",
        )
        .default("none")
        .means("files that the command writes where they stay; looked for after success"),
    key("dir", "a string")
        .beside(EXECUTED)
        .default("`\"here\"`")
        .means("`\"here\"` (the script's folder), `\"scratch\"`, or a path"),
    key("env", "a table").beside(EXECUTED).default("inherited, less the launcher's").means("variables added"),
    key("wrap", "an array of strings")
        .beside(EXECUTED)
        .default("none")
        .means("words that are put before the command, `[\"apptainer\", \"exec\", \"tool.sif\"]`"),
    key("clean-env", "`true` or `false`")
        .beside(EXECUTED)
        .default("`false`")
        .means("begin with an empty environment"),
    key("mpi", "a string")
        .beside(EXECUTED)
        .default("`\"scrub\"`")
        .means("`\"scrub\"` or `\"inherit\"` the launcher's variables"),
];

const RUNNING: &[ScriptKey] = &[
    key("timeout", "a string with a unit")
        .beside(EXECUTED)
        .default("none")
        .means("kill the whole process group after this: `\"90 s\"`, `\"2 h\"`"),
    key("memory", "a string with a unit")
        .beside(EXECUTED)
        .default("none")
        .means("limit of what a command and its children use, counted for each host: `\"2 GiB\"`"),
    key("max-output", "a string with a unit")
        .beside(EXECUTED)
        .default("none")
        .means("end a command that prints more than this on standard output and standard error: `\"1 GiB\"`"),
    key("memory-step", "a number")
        .beside(EXECUTED)
        .default("`1`")
        .means("factor of `memory` after it was not enough"),
    key("retries", "an integer")
        .beside(EXECUTED)
        .default("`0`")
        .means("further attempts after a failure, on another rank where one is free"),
    key("retry-on", "an array of strings")
        .beside(EXECUTED)
        .default("every one")
        .means("which failures: `crash`, `timeout`, `oom`, `exit N`"),
    key("backoff", "a string with a unit")
        .beside(EXECUTED)
        .default("none")
        .means("pause before the next attempt, doubled each time; slot, memory and devices are given back meanwhile"),
    key("ok-exit", "an array of exit codes")
        .beside(EXECUTED)
        .default("`[0]`")
        .means("exit codes that mean success"),
    key("optional", "`true` or `false`")
        .default("`false`")
        .means("who gathers the family goes on without what failed"),
    key("priority", "an integer").default("`0`").means("larger first"),
    key("keep", "a string").default("freed after their last use").means(
        "`\"memory\"`: results stay until the end; `\"checkpoint\"`: they go to disk, for later runs",
    ),
    key("threads", "an integer")
        .beside(PLACED)
        .instead(MAPREDUCES, SLOTS)
        .default("1, any core of the rank")
        .means(
            "slots of one rank that an instance takes, with as many cores of its own where the rank has them; sets \
             `OMP_NUM_THREADS`",
        ),
    key("ranks", "an integer")
        .beside(PROGRAMS)
        .instead(
            &[TaskKind::Merge, TaskKind::MapReduce, TaskKind::Streaming],
            "it is for a command that is an MPI program; its stages are started many times, each as one process",
        )
        .default("none: a command is one process")
        .means(
            "processes of a command that is an MPI program; it is started by `mpirun` or `srun`, each process takes \
             `threads` slots and `memory`; see [MPI programs](#mpi-programs)",
        ),
    key("gpus", "an integer")
        .beside(STARTING)
        .instead(MAPREDUCES, SLOTS)
        .default("`0`")
        .means("devices of its own, in `CUDA_VISIBLE_DEVICES` and `ROCR_VISIBLE_DEVICES`"),
    key("needs", "a table")
        .beside(PLACED)
        .instead(MAPREDUCES, SLOTS)
        .default("none")
        .means("how many of what the whole job has: `{ licence = 1 }` with `[resources]` and `licence = 4`"),
    key("on", "a string")
        .beside(SWEPT)
        .instead(MAPREDUCES, "its stages run wherever a slot is free")
        .default("where the data is")
        .means(
            "the rank to run on, `\"rank 3\"`, or `\"host of NAME\"`: the host where the instances of `NAME` ran that it refers \
             to, or would by the join rule (for what they left there); it waits for that rank or host, unless it takes more \
             than a slot. Without such a rank or host it runs anywhere",
        ),
    key("time", "a string with a unit")
        .default("as others took on that rank")
        .means("expected duration: not started where the job ends sooner; see \"When the job's time ends\""),
];

pub(crate) static PARAMETER: KnownKeys = KnownKeys {
    place: "in a parameter",
    sections: &[KeySection {
        name: "values",
        rows: &[
            key("glob", "a string")
                .means("the files that a pattern matches, sorted; `*.{csv,tsv}` are both; `{f.stem}`, `{f.name}`, `{f.dir}`, `{f.ext}` \
                 are parts"),
            key("lines", "a string").means("the lines of a file that are not empty"),
            key("csv", "a string").means(
                "the rows of a table with a header; `{case.column}` is a cell, `{case[\"a column\"]}` one of any name; a file \
                 `.tsv` has tabs between its columns",
            ),
            key("sep", "a string").means("beside `csv`: the character between the columns, such as `\";\"`"),
            key("linspace", "an array of first, last and how many").means("evenly spaced, both ends included"),
            key("logspace", "an array of first, last and how many")
                .means("the same with powers of ten: `[2, 4, 9]` are nine values from 10^2 to 10^4"),
            key("blocks", "a string").means("the blocks of a dataset, `\"in.h5:/t\"`, for `load`"),
            key("size", "an array of integers")
                .means("beside `blocks`: their length along each axis; axes left out are not cut"),
        ],
    }],
};

pub(crate) static REDUCE: KnownKeys = KnownKeys {
    place: "in `reduce`",
    sections: &[KeySection {
        name: "reduce",
        rows: &[
            key("of", "a string").means(
                "the family that is reduced; for a command also `\"x.name\"`, one of several files. What a command without \
                 files prints, and the printed form of an array, are files too",
            ),
            key("with", "a string").beside(&[TaskKind::Reduce]).means("`add mul min max concat mean moments`"),
            key("run", "a string or an array of strings")
                .beside(&[TaskKind::Merge])
                .means("a command that merges `{a}` and `{b}` into `{out}`"),
            key("shell", "a string").beside(&[TaskKind::Merge]).means("the same as a script"),
            key("interpreter", "an array of strings")
                .beside(&[TaskKind::Merge])
                .default("`[\"/bin/sh\", \"-eu\", \"-c\"]`")
                .means("of `shell`, as in a task"),
            key("arity", "an integer")
                .beside(&[TaskKind::Reduce])
                .default("`2`")
                .means("how many arrays a step merges; a command merges two"),
            key("order", "a string").default("`\"fixed\"`").means(
                "`\"fixed\"`: the indices alone say what is merged with what, so the result is the same, to the bit, on any \
                 number of ranks. `\"any\"`: what is ready first; for operations in which the order does not matter",
            ),
            key("over", "an array of strings")
                .default("all that this task lacks")
                .means("the parameters that are reduced over, to be checked"),
            key("axis", "an integer")
                .beside(&[TaskKind::Reduce])
                .default("none")
                .means("the axis of each array along which it is reduced as well"),
        ],
    }],
};

pub(crate) static MAPREDUCE: KnownKeys = KnownKeys {
    place: "in `mapreduce`",
    sections: &[KeySection {
        name: "mapreduce",
        rows: &[
            key("input", "a table").required("input = { glob = \"corpus/*.txt\" }").means("the lines that are read, see below"),
            key("map", "a name or a table").required("map = \"words\"").means(
                "`\"words\"`, `\"identity\"`, or `{ run = \"..\" }` / `{ shell = \"..\" }` with the lines on standard input",
            ),
            key("combine", "a name or a table").default("the reducer's, if that is built in").means(
                "as `reduce`; run on what one mapper has written, before it goes to another rank",
            ),
            key("reduce", "a name or a table")
                .required("reduce = \"sum\"")
                .means("`\"sum\"`, `\"count\"`, `\"min\"`, `\"max\"`, `\"first\"`, `\"concat\"`, or a command"),
            key("partitions", "an integer")
                .default("`8`")
                .means("how many parts the keys are spread over, by their hash; each is reduced by itself"),
            key("buffer", "a string with a unit").default("`\"256 MiB\"`").means(
                "how much of the lines a rank, and each mapper, holds in memory; what is more is sorted and spilled to \
                 node-local scratch",
            ),
        ],
    }],
};

pub(crate) static INPUT: KnownKeys = KnownKeys {
    place: "in the input of a `mapreduce`",
    sections: &[KeySection {
        name: "mapreduce input",
        rows: &[
            key("glob", "a string").means("the files that a pattern matches, in the order of their names"),
            key("files", "an array of strings").means("files"),
            key("of", "a string").means(
                "what another task has written, `\"task\"` or `\"task.name\"`, one split for each of its instances",
            ),
            key("split", "a string with a unit").default("`\"16 MiB\"`").means(
                "how much one mapper gets: long files are cut at line ends, short ones put together. A line belongs to the split \
                 that it begins in, however long it is",
            ),
        ],
    }],
};

pub(crate) static STAGE: KnownKeys = KnownKeys {
    place: "in a stage of a `mapreduce`",
    sections: &[KeySection {
        name: "mapreduce stage",
        rows: &[
            key("run", "a string or an array of strings").means("a program without a shell"),
            key("shell", "a string").means("a script for a shell"),
            key("interpreter", "an array of strings")
                .default("`[\"/bin/sh\", \"-eu\", \"-c\"]`")
                .means("of `shell`, as in a task"),
        ],
    }],
};
