//! The codes of all errors and warnings about a script, `E01` to `W26`.
//!
//! A code keeps its meaning for ever, so that a search for it finds the right page; a code that falls out of use is not
//! given again.

macro_rules! codes {
    ($( $(#[doc = $doc:literal])+ $name:ident = $id:literal, )+) => {
        /// The kind of an error (`E..`) or of a warning (`W..`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $( $(#[doc = $doc])+ $name, )+
        }

        impl Code {
            /// All codes of errors and warnings, in the order of their numbers.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// The code as messages print it: `E21`.
            pub fn id(self) -> &'static str {
                match self { $(Code::$name => $id),+ }
            }

            /// The text of the code's page (what `dtask explain` prints), which
            /// [`Explanation`](super::explanation::Explanation) parses.
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
    /// A key that has no meaning in this table of the script. Keys are never ignored: a typing mistake would go unseen.
    UnknownKey = "E04",
    /// A value of another type than the key wants, such as a number where a list is expected.
    WrongType = "E06",
    /// A task, parameter, variable or output has a name that is no identifier, or one that is reserved.
    /// Names are letters, digits and `_`, and begin with no digit; `dtask`, `env` and `out` are taken.
    BadName = "E07",
    /// A name of two things: tasks, parameters and variables share one namespace, because `{x}` does not say which kind
    /// of name it is.
    NameClash = "E08",
    /// A task without an action, one of `run`, `shell`, `array`, `reduce`, `mapreduce` and `call`.
    NoAction = "E09",
    /// A task with several actions (`run`, `array`, ..). A task does one thing.
    ManyActions = "E10",
    /// A script without tasks.
    NoTasks = "E11",
    /// A command or expression with nothing in it.
    EmptyCommand = "E12",
    /// A program that is not on PATH, or not in the script's folder where the program's name has a slash.
    ProgramNotFound = "E13",
    /// A character in `run` that only a shell interprets. `run` starts no shell, so a pipe, a redirection, a variable
    /// or a wildcard would be an ordinary argument.
    ShellCharacter = "E14",
    /// A quote that is opened in `run` and never closed.
    Quotes = "E15",
    /// A string that is no range. Ranges are `"a..b"`, `"a..=b"`, and either with `by s`.
    BadRange = "E16",
    /// A parameter without values, or a pattern that matches no file: the task would silently have no instances.
    EmptySweep = "E17",
    /// A parameter has the same value twice: the join rule, which pairs instances of two tasks, tells them apart by
    /// their values.
    RepeatedValue = "E18",
    /// A key that this kind of task does not have, such as `stdin` of an array task.
    MisplacedKey = "E19",
    /// A name of a task, in `each`, `of`, `after` or `on`, that no task has.
    UnknownTask = "E20",
    /// A reference to a name that is no parameter of this task, no variable and no task.
    UnknownName = "E21",
    /// A reference to an output or a part of a value that the named task or parameter does not have.
    UnknownOutput = "E22",
    /// A reference that stands for a path, to a task that has no output file, or several without saying which.
    NoFile = "E23",
    /// The part after `:` in a reference is no format, or one that does not fit the values.
    BadFormat = "E24",
    /// A reference that is valid elsewhere in a script but not in this key, such as another task's file in a file name.
    NotHere = "E25",
    /// A cycle of tasks that wait for each other, or of variables or `each` keys that contain references to each other.
    Cycle = "E26",
    /// A reference to another task of which the join rule (equal values of shared parameters) finds no instance.
    EmptyJoin = "E27",
    /// Two instances that would write one file, so that one result would be lost; or a path to be written that is the
    /// script, an input, or in the run folder (dtask's own files of a run).
    SamePath = "E28",
    /// A value of a parameter leads a path that is written out of the folder that the script names.
    OutsideTree = "E29",
    /// A reduction of a task that has only one instance, so that there is nothing to merge.
    NotFamily = "E30",
    /// A `with` of a `reduce` that is the name of no reduction operator.
    UnknownReduction = "E31",
    /// Options of a reduction that contradict each other, or a task whose results cannot be reduced (merged to one).
    BadReduction = "E32",
    /// A name that an environment variable cannot have.
    EnvName = "E33",
    /// An array expression that cannot be parsed, or whose functions or shapes do not fit.
    ArrayExpression = "E34",
    /// A name in `--set` that is none of the script's variables.
    UnknownVariable = "E35",
    /// A value in `--set` that does not have the type of the variable.
    BadSet = "E36",
    /// A script file that cannot be read.
    Unreadable = "E37",
    /// A value of the right type that makes no sense, such as an exit code of 1000.
    BadValue = "E38",
    /// A task with more instances than can be counted.
    TooLarge = "E39",
    /// An expression of `where`, of `let` or in the brackets of a reference that cannot be parsed or evaluated.
    BadExpression = "E40",
    /// Parameters of `zip` with different numbers of values. `zip` takes the first values of all its parameters
    /// together, then the second ones, and so on.
    ZipLengths = "E41",
    /// A row of `include` or `exclude`, or brackets of a reference, with a parameter that the task does not have.
    UnknownParam = "E42",
    /// A csv file whose first line does not name the columns.
    CsvHeader = "E43",
    /// A row of a csv table that has more or fewer values than the header has names.
    CsvRagged = "E44",
    /// Brackets of a reference, or a row of a table, for which there is no instance.
    IndexRange = "E45",
    /// A duration or a size without a number, or with an unknown unit. Durations are written in `ms`, `s`, `min`, `h`,
    /// `d`; sizes in `kB`, `MB`, `GB`, `TB` and `KiB`, `MiB`, `GiB`, `TiB`.
    BadUnit = "E46",
    /// An entry of `retry-on` that is no kind of failure, which are `crash`, `timeout`, `oom` and `exit N`.
    UnknownFailure = "E47",
    /// An HDF5 file, or a dataset in it, that is needed before the run and does not exist.
    NoDataset = "E48",
    /// A `call` of a function that the program has not registered.
    UnknownFunction = "E49",
    /// A `mapreduce` that lacks its input, its mapper or its reducer.
    /// `input`, `map` and `reduce` are required; `combine`, `partitions` and `buffer` are not.
    IncompleteMapReduce = "E60",
    /// A stage of a `mapreduce` whose name is no built-in one. Commands are written `{ run = ".." }` or `{ shell = ".."
    /// }`.
    UnknownStage = "E61",
    /// A `mapreduce` without files to read: a pattern that matches none, or a file that is not there.
    NoInput = "E62",
    /// A reduction by a command that does not read both of its inputs, or does not write its output.
    /// Each step merges the files `{a}` and `{b}` into the file `{out}`.
    IncompleteMerge = "E63",
    /// A resource in the `needs` of a task that the table `[resources]` does not have.
    UnknownResource = "E70",
    /// A task that needs more of a resource than the job has, so that it could never run.
    NeedsTooMuch = "E71",
    /// A task whose `time` is longer than the job, so that no instance of it would ever be started.
    TimeTooLong = "E72",
    /// A path that cannot be written: its folder is read-only, or is missing and cannot be made.
    Unwritable = "E73",
    /// A path that cannot be written because of what lies there: a folder at the path itself, or a file where it needs
    /// a folder.
    InTheWay = "E74",
    /// A value in a `shell` script at a place where it cannot be data: in arithmetic, unless it is a number; in a text
    /// that a shell evaluates again, unless it is a plain word; or where the quoting depends on the shell.
    ValueInShell = "E80",
    /// A value in a script whose `interpreter` is no shell, or hands the script on to another one.
    ValueInProgram = "E81",
    /// An environment variable that a script names and that is not set where the run starts.
    NoVariable = "E82",
    /// More than dtask reads or compares before a run: a file of values, a script, files that a pattern looks at, or
    /// instances that another one reads.
    TooMuch = "E83",
    /// An `until` that names no parameter of the task, or along which the task has gaps.
    BadUntil = "E84",
    /// `last` in brackets where the task has no last instance that the run finds.
    BadLast = "E85",
    /// An `until` that reads results of another instance or task.
    UntilOthers = "E86",
    /// `until-required` in a task without `until`.
    UntilAlone = "E87",
    /// `else` or `?` behind something that is always there, such as a parameter.
    AlwaysThere = "E88",
    /// Instances that need each other in a circle, so that none of them could ever start.
    InstanceCircle = "E89",
    /// Instances of one family that need each other in no order of their indices, neither ascending nor descending.
    NoOrder = "E90",
    /// A folder that is saved under the path of a file, or a file under that of a folder, which ends with a slash.
    FolderAsFile = "E91",
    /// A folder at a place where bytes are wanted: standard input, an array expression, a `mapreduce`.
    FolderAsBytes = "E92",
    /// Outputs of one task that have the same path, or of which one lies in the other.
    NestedOutputs = "E93",
    /// A variable that is a list or a table at a place where a single value is needed, or a list of rows that differ in
    /// their columns.
    ListVariable = "E98",
    /// A `match` pattern that names no parameter, or a row of `include` beside a `match`, whose parameters have only
    /// the values that names of files give.
    BadMatch = "E99",
    /// A file that `script` names and that is not there.
    NoScriptFile = "E100",
    /// A file of `script` for which neither its first line nor its ending says what runs it.
    UnknownLanguage = "E101",
    /// A `wrap` that cannot be put before the command: it is empty, or hands its words on to another shell.
    BadWrap = "E102",
    /// A key beside `ranks` that cannot be had by a command that is an MPI program.
    BadRanks = "E103",
    /// A command with `ranks` that calls a launcher of MPI programs itself.
    RanksTwice = "E104",
    /// A result that is neither used by another task nor saved.
    UnusedResult = "W01",
    /// A task that writes a file for each of very many instances, which strains a shared file system.
    ManyFiles = "W02",
    /// A command that gets an argument for each of very many instances of another task.
    WideFanIn = "W03",
    /// A script file that every user may change: its commands run with the rights of the user who calls dtask.
    OthersWrite = "W04",
    /// Braces that look like a reference and are none, such as `{a b}`: they reach the command as they are written.
    NoReference = "W08",
    /// A value in the text of a program in another language, such as `awk '..'`, that is more than a plain word.
    ValueInLanguage = "W09",
    /// An environment variable that a script names and that is not set where it is checked.
    NoVariableHere = "W10",
    /// A task without instances, since its `where` is false whatever the parameters are: it is switched off.
    SwitchedOff = "W11",
    /// Cells of a csv file that begin or end with blanks, which belong to them.
    Blanks = "W12",
    /// An `until` that reads no result: what it says is known before the run.
    UntilWithoutResult = "W17",
    /// A csv file whose first line does not look like a header: a name in it is a number, or there is one column only,
    /// with another separator (`;` or a tab) in its name.
    HeaderOfNumbers = "W19",
    /// A row of `exclude` that leaves out no instance.
    IdleRow = "W23",
    /// A parameter that nothing uses: its instances all do the same.
    UnusedParameter = "W24",
    /// A value whose words a shell takes for a command and its arguments, as in `x={v}; $x`.
    ValueAsCommand = "W25",
    /// A folder that a script is to save in place of one that is there and that it has not made.
    ReplacedFolder = "W26",
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
            let number = |code: &Code| code.id()[1..].parse::<u32>().unwrap();
            assert!(codes.is_sorted_by(|a, b| number(a) < number(b) && a < b), "{codes:?}");
        }
        // The guide and the specification print this code.
        assert_eq!(Code::UnknownName.to_string(), "E21");
    }
}
