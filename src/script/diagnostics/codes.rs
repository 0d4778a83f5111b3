//! The stable codes of everything that can be wrong with a script.
//!
//! A code keeps its meaning for ever, so that it can be searched for; a code that falls out of use is not given again.

macro_rules! codes {
    ($( $(#[doc = $doc:literal])+ $name:ident = $id:literal, )+) => {
        /// The kind of an error (`E..`) or of a warning (`W..`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $( $(#[doc = $doc])+ $name, )+
        }

        impl Code {
            /// Every code, in the order of the numbers.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// The number as it is printed, `E21`.
            pub fn id(self) -> &'static str {
                match self { $(Code::$name => $id),+ }
            }

            /// The page of the code, which [`Explanation`](super::explanation::Explanation) reads.
            pub(crate) fn page(self) -> &'static str {
                match self { $(Code::$name => include_str!(concat!("explanations/", $id, ".md"))),+ }
            }
        }
    };
}

codes! {
    /// The file is no TOML: a bracket or quote is missing, a key is given twice, a number is malformed.
    Syntax = "E01",
    /// The script does not say which version of the format it is written in. The first line is `dtask = 1`.
    VersionMissing = "E02",
    /// The script is written in a version of the format that this dtask does not know.
    VersionUnknown = "E03",
    /// A key that means nothing at this place. Keys are never ignored: a typing mistake would go unseen.
    UnknownKey = "E04",
    /// A value of another type than the key wants, such as a number where a list is expected.
    WrongType = "E06",
    /// A task, parameter, variable or output has a name that is no identifier, or one that is reserved.
    /// Names are letters, digits and `_`, and begin with no digit; `dtask`, `env` and `out` are taken.
    BadName = "E07",
    /// Tasks, parameters and variables share one namespace, because `{x}` does not say which it means.
    NameClash = "E08",
    /// A task without `run`, `shell`, `array`, `reduce`, `mapreduce` or `call`.
    NoAction = "E09",
    /// A task does one thing; it has two actions.
    ManyActions = "E10",
    /// A script without tasks.
    NoTasks = "E11",
    /// A command or expression with nothing in it.
    EmptyCommand = "E12",
    /// The program is not on PATH, or not in the script's folder where its name has a slash.
    ProgramNotFound = "E13",
    /// `run` starts no shell, so a pipe, a redirection, a variable or a wildcard would be an ordinary argument.
    ShellCharacter = "E14",
    /// A quote that is opened in `run` and never closed.
    Quotes = "E15",
    /// A string that is no range. Ranges are `"a..b"`, `"a..=b"`, and either with `by s`.
    BadRange = "E16",
    /// A parameter without values, or a pattern that matches no file: the task would silently have no instances.
    EmptySweep = "E17",
    /// A parameter has the same value twice: the join rule tells instances apart by their values.
    RepeatedValue = "E18",
    /// A key that this kind of task does not have, such as `stdin` of an array task.
    MisplacedKey = "E19",
    /// `each`, `of`, `after` or `on` names a task that does not exist.
    UnknownTask = "E20",
    /// A reference to something that is no parameter here, no variable and no task.
    UnknownName = "E21",
    /// The task or parameter exists but has no such output or part.
    UnknownOutput = "E22",
    /// A path is wanted, but the task has no file to give, or several and the reference does not say which.
    NoFile = "E23",
    /// The part after `:` in a reference is no format, or one that does not fit the values.
    BadFormat = "E24",
    /// The reference is a good one, but not at this place, such as another task's file in a file name.
    NotHere = "E25",
    /// Tasks that wait for each other.
    Cycle = "E26",
    /// The join rule finds no instance of the other task, since the two do not share a parameter's value.
    EmptyJoin = "E27",
    /// Two instances would save to one file, and one result would be lost.
    SamePath = "E28",
    /// A saved file would lie outside the folder that the script is in.
    OutsideTree = "E29",
    /// A reduction of a task that has one instance only.
    NotFamily = "E30",
    /// `with` names no reduction.
    UnknownReduction = "E31",
    /// The options of a reduction contradict each other, or what is reduced is nothing of the kind.
    BadReduction = "E32",
    /// A name that an environment variable cannot have.
    EnvName = "E33",
    /// An array expression that is not understood.
    ArrayExpression = "E34",
    /// `--set` names a variable that the script does not have.
    UnknownVariable = "E35",
    /// `--set` gives a value that does not have the type of the variable.
    BadSet = "E36",
    /// The script cannot be read.
    Unreadable = "E37",
    /// A value of the right type that makes no sense, such as an exit code of 1000.
    BadValue = "E38",
    /// More instances than can be counted.
    TooLarge = "E39",
    /// An expression of `where`, of `let` or in the brackets of a reference that is not understood.
    BadExpression = "E40",
    /// `zip` goes through its parameters in step, and they have different numbers of values.
    ZipLengths = "E41",
    /// A row of `include` or `exclude`, or a choice of instances, names a parameter that the task does not have.
    UnknownParam = "E42",
    /// A table without a header: the first line of a csv file names the columns.
    CsvHeader = "E43",
    /// A row of a table that has more or fewer values than the header has names.
    CsvRagged = "E44",
    /// A choice of instances, or a row of a table, for which there is none.
    IndexRange = "E45",
    /// A duration or a size without a number, or with a unit that there is not.
    /// Durations are written in `ms`, `s`, `min`, `h`, `d`; sizes in `kB`, `MB`, `GB`, `TB` and `KiB`, `MiB`, `GiB`, `TiB`.
    BadUnit = "E46",
    /// `retry-on` names a failure that is none of `crash`, `timeout`, `oom` and `exit N`.
    UnknownFailure = "E47",
    /// An HDF5 file, or a dataset in it, that is needed before the run and is not there.
    NoDataset = "E48",
    /// `call` names a function that the program has not registered.
    UnknownFunction = "E49",
    /// A `mapreduce` that lacks its input, its mapper or its reducer.
    /// `input`, `map` and `reduce` are required; `combine`, `partitions` and `buffer` are not.
    IncompleteMapReduce = "E60",
    /// A stage of a `mapreduce` that is not built in. Commands are written `{ run = ".." }` or `{ shell = ".." }`.
    UnknownStage = "E61",
    /// A `mapreduce` without files to read: a pattern that matches none, or a file that is not there.
    NoInput = "E62",
    /// A reduction by a command that does not read both of its inputs, or does not write its output.
    /// Each step merges the files `{a}` and `{b}` into the file `{out}`.
    IncompleteMerge = "E63",
    /// `needs` names something that `[resources]` does not have.
    UnknownResource = "E70",
    /// A task needs more than the job has, so that it could never run.
    NeedsTooMuch = "E71",
    /// The `time` of a task is longer than the job, so that no instance of it would ever be started.
    TimeTooLong = "E72",
    /// A value in a `shell` script at a place where it cannot be data: in arithmetic, unless it is a number, in the delimiter
    /// of a here-document, or where the place depends on the shell.
    ValueInShell = "E80",
    /// A value in a script whose `interpreter` is no shell, so that nothing is known of its quotes. `env` has values for it.
    ValueInProgram = "E81",
    /// A result is made, and then neither used by another task nor saved.
    UnusedResult = "W01",
    /// A file for each of very many instances strains a shared file system.
    ManyFiles = "W02",
    /// A command with an argument for each of very many instances.
    WideFanIn = "W03",
    /// A script that other users may change, and with it what runs in the user's name.
    OthersWrite = "W04",
    /// Braces that look like a reference, such as `{a b}`, and that the command gets as they are.
    NoReference = "W08",
}

impl Code {
    /// Whether this is a warning, with which a script still runs.
    pub fn is_warning(self) -> bool {
        self.id().starts_with('W')
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn numbers_ascend() {
        let (errors, warnings): (Vec<&Code>, Vec<&Code>) = Code::ALL.iter().partition(|c| !c.is_warning());
        for codes in [errors, warnings] {
            assert!(codes.is_sorted_by(|a, b| a.id() < b.id() && a < b), "{codes:?}");
        }
        // The guide and the specification print this one.
        assert_eq!(Code::UnknownName.to_string(), "E21");
    }
}
