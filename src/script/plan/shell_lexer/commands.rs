//! The state of the command that is being read: its words, the groups around it, and what the end of a command tells
//! about the values in it.

use super::here_document::HereDocument;
use super::inner_programs::{self, ProgramReader};
use super::{Evaluation, Reading, ShellLexer, builtins};

/// A word of a command.
#[derive(Clone, Debug, Default)]
pub(super) struct ShellWord {
    /// The text of the word without quotes, with [`VALUE`](super::VALUE) for each reference and expansion.
    pub(super) text: String,
    /// Whether the whole word is written without quotes, so that the shell may take it for a keyword.
    pub(super) is_plain: bool,
    pub(super) pieces: Vec<usize>,
    pub(super) variables: Vec<String>,
    pub(super) files: Vec<usize>,
    /// The references that a command substitution in it prints.
    printed: Vec<usize>,
    /// Whether a part of it is an expansion without quotes, whose value the shell splits into words.
    is_split: bool,
}

/// A construct of the shell that is open at some point of a script, and decides how the next words are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OpenGroup {
    Paren,
    /// The elements of an array, `name=(…)`; the name of the array.
    Array(String),
    /// A `case` before its `in`.
    Case,
    /// A `case` in one of its patterns, before the `)`.
    Pattern,
    /// A `case` in the commands behind a pattern.
    Branch,
}

/// The purpose of the word that comes next in a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextWord {
    /// The word is a part of the command.
    Command,
    /// The word names the file of a redirection.
    Redirection,
    /// The word is the text behind `<<<` (here-string).
    HereString,
    /// The word is the name behind `function`.
    Function,
}

/// The state of the lexer within a list of commands: the command that is being read, and the constructs that are open
/// around it.
pub(super) struct CommandState {
    pub(super) open: Vec<OpenGroup>,
    pub(super) documents: Vec<HereDocument>,
    /// The word that is being read; `None` between words.
    pub(super) word: Option<ShellWord>,
    /// Whether the word stands where the name of a command would.
    pub(super) is_command: bool,
    /// Whether the word stands between `[[` and `]]`.
    pub(super) in_test: bool,
    pub(super) next: NextWord,
    /// The finished words of the command.
    words: Vec<ShellWord>,
    /// The sources of the command's standard input, from `<<<` and `< <(…)`.
    stdin: ShellWord,
    /// The number of items in `documents` that belong to earlier commands of the line.
    earlier: usize,
    /// Whether the command reads the output of the one before it by a pipe.
    is_piped: bool,
    /// Whether the command runs only under a condition (`&&`, `||`) or in a process of its own (a pipe, `&`), so that
    /// what it sets may not be set afterwards.
    pub(super) is_conditional: bool,
    /// The number of open `if`s and loops.
    nesting: usize,
    /// Whether the command before was a group, so that a pipe reads the output of all commands in it.
    follows_group: bool,
    /// The program that runs what the command writes into `>(…)`; `None` if no program does.
    pub(super) swallows: Option<ProgramReader>,
    /// For each open `{`, the function around it, to be restored at the `}`; empty outside of functions.
    bodies: Vec<String>,
    /// The name of a function whose body comes next; `None` if none does.
    pub(super) named: Option<String>,
    /// The variables that a `read` so far sets. They may get the input of a group around it.
    read: Vec<String>,
    /// The references and variables whose values come to groups by pipes, as far as they are known.
    group_input: Reading,
    /// The references and variables whose values earlier commands of the pipeline print.
    piped: Reading,
    /// The references and variables whose values the commands of this list print, all together.
    pub(super) printed: Reading,
}

impl CommandState {
    pub(super) fn new() -> Self {
        CommandState {
            open: Vec::new(),
            documents: Vec::new(),
            word: None,
            is_command: true,
            in_test: false,
            next: NextWord::Command,
            words: Vec::new(),
            stdin: ShellWord::default(),
            earlier: 0,
            is_piped: false,
            is_conditional: false,
            nesting: 0,
            follows_group: false,
            swallows: None,
            bodies: Vec::new(),
            named: None,
            read: Vec::new(),
            group_input: Reading::default(),
            piped: Reading::default(),
            printed: Reading::default(),
        }
    }

    /// Appends text to the word that is being read, or begins a word. `is_plain` tells that the text is written
    /// without quotes.
    pub(super) fn grow(&mut self, text: &str, is_plain: bool) {
        let word = self.word.get_or_insert_with(|| ShellWord { is_plain: true, ..ShellWord::default() });
        word.text.push_str(text);
        word.is_plain &= is_plain;
    }

    /// Notes that the shell splits a part of the word.
    pub(super) fn split_word(&mut self) {
        if let Some(word) = &mut self.word {
            word.is_split = true;
        }
    }

    pub(super) fn text(&self) -> &str {
        self.word.as_ref().map_or("", |word| &word.text)
    }

    /// Sets whether the command before was a group, so that a pipe reads the output of all commands in it.
    pub(super) fn follow_group(&mut self, is_group: bool) {
        self.follows_group = is_group;
    }

    /// Notes the input of a group that begins behind a pipe, for `read` commands in the group.
    pub(super) fn open_group(&mut self) {
        if self.is_piped && self.words.is_empty() {
            let source = self.piped_in().clone();
            self.group_input.pieces.extend(source.pieces);
            self.group_input.variables.extend(source.variables);
        }
    }

    /// The references and variables whose values the command before a pipe prints, as far as they are known.
    fn piped_in(&self) -> &Reading {
        if self.follows_group { &self.printed } else { &self.piped }
    }

    fn push(&mut self, word: ShellWord) {
        self.words.push(word);
    }

    /// Adds an operator of `[[` as a word of its own.
    pub(super) fn push_operator(&mut self, text: &str) {
        self.push(ShellWord { text: text.to_owned(), ..ShellWord::default() });
    }
}

impl Reading {
    fn extend(&mut self, word: &ShellWord) {
        self.pieces.extend(&word.pieces);
        self.variables.extend(word.variables.iter().cloned());
    }
}

const KEYWORDS: &[&str] =
    &["if", "then", "else", "elif", "do", "while", "until", "!", "time", "fi", "done", "coproc"];

impl ShellLexer {
    /// Ends the word that is being read, and acts on it if it is a keyword.
    pub(super) fn end_word(&mut self, state: &mut CommandState) {
        let Some(mut word) = state.word.take() else { return };
        let Reading { pieces, variables, files, printed } = std::mem::take(&mut self.reading);
        (word.pieces, word.variables, word.files, word.printed) = (pieces, variables, files, printed);
        match std::mem::replace(&mut state.next, NextWord::Command) {
            NextWord::Command => {}
            NextWord::Redirection => return state.stdin.pieces.extend(&word.files),
            NextWord::HereString => {
                state.stdin.pieces.extend(&word.pieces);
                return state.stdin.variables.extend(word.variables);
            }
            NextWord::Function => {
                self.evaluations.function(&word.text);
                return state.named = Some(word.text);
            }
        }
        let text = word.text.clone();
        let plain = if word.is_plain { text.as_str() } else { "" };
        match state.open.last().cloned() {
            Some(OpenGroup::Array(name)) => {
                return self.evaluations.assign(&name, &word.pieces, &word.variables);
            }
            Some(OpenGroup::Case) => {
                if plain == "in" {
                    state.open.pop();
                    state.open.push(OpenGroup::Pattern);
                }
                return;
            }
            Some(OpenGroup::Pattern) => {
                if plain == "esac" {
                    state.open.pop();
                    state.is_command = true;
                    state.follows_group = true;
                }
                return;
            }
            Some(OpenGroup::Branch) if plain == "esac" && state.is_command => {
                state.open.pop();
                state.follows_group = true;
                return;
            }
            _ => {}
        }
        if state.in_test {
            state.in_test = plain != "]]";
            return state.push(word);
        }
        if !state.is_command {
            return state.push(word);
        }
        match plain {
            "case" => {
                state.open_group();
                state.open.push(OpenGroup::Case);
                state.is_command = false;
            }
            "function" => state.next = NextWord::Function,
            "[[" => {
                (state.in_test, state.is_command) = (true, false);
                state.push(word);
            }
            "{" => {
                state.open_group();
                let name = state.named.take().unwrap_or_else(|| self.function.clone());
                state.bodies.push(std::mem::replace(&mut self.function, name));
            }
            "}" => {
                self.function = state.bodies.pop().unwrap_or_default();
                state.follows_group = true;
            }
            plain if KEYWORDS.contains(&plain) => {
                state.open_group();
                match plain {
                    "if" | "while" | "until" => state.nesting += 1,
                    "fi" | "done" => state.nesting = state.nesting.saturating_sub(1),
                    _ => {}
                }
                state.follows_group |= matches!(plain, "fi" | "done");
            }
            _ => self.first_word(word, state),
        }
    }

    /// Handles a word at the place of a command's name that is no keyword: an assignment, or the name of the command.
    fn first_word(&mut self, word: ShellWord, state: &mut CommandState) {
        let left = word.text.split_once('=').map(|(left, _)| left.trim_end_matches('+'));
        let name = left.map(|left| left.split('[').next().unwrap_or_default());
        match name.filter(|name| super::is_name(name)) {
            Some(name) => {
                self.evaluations.assign(name, &word.pieces, &word.variables);
                if builtins::PROMPTS.contains(&name) {
                    let how = Evaluation::Shell;
                    self.evaluations.add(&word.pieces, &word.variables, how, &format!("`{name}`"));
                }
            }
            None => {
                state.is_command = false;
                if matches!(word.text.as_str(), "for" | "select") {
                    state.open_group();
                }
                state.nesting += usize::from(matches!(word.text.as_str(), "for" | "select"));
                state.push(word);
            }
        }
    }

    /// Ends a command, and notes which of its words are evaluated again. `is_pipe` tells whether the next command
    /// reads its output.
    pub(super) fn end_command(&mut self, state: &mut CommandState, is_pipe: bool) {
        self.end_word(state);
        let words = std::mem::take(&mut state.words);
        let stdin = std::mem::take(&mut state.stdin);
        let texts: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
        let is_certain = state.nesting == 0 && state.open.is_empty() && !state.is_conditional && !is_pipe;
        let body = state.bodies.len() == usize::from(!self.function.is_empty());
        let within = (self.function.as_str(), is_certain && body && self.depth == 1);
        builtins::note(&words, &stdin, within, &mut self.evaluations);
        self.evaluations.end_command();
        if let Some(reader) = state.swallows.take() {
            let pieces: Vec<usize> = words.iter().flat_map(|word| word.pieces.iter().copied()).collect();
            let source = [pieces, state.printed.pieces.clone()].concat();
            self.evaluations.add(
                &source,
                &state.printed.variables.clone(),
                reader.evaluation(),
                &reader.to_string(),
            );
        }
        for (at, reader) in inner_programs::programs(&texts) {
            if let Some(word) = words.get(at) {
                let how =
                    if reader.calls_shell(&word.text) { Evaluation::Shell } else { reader.evaluation() };
                self.evaluations.add(&word.pieces, &word.variables, how, &reader.to_string());
            }
        }
        for word in inner_programs::script_files(&texts).filter_map(|at| words.get(at)) {
            self.evaluations.add(&word.files, &[], Evaluation::Shell, "a shell");
        }
        let reader = inner_programs::stdin_reader(&texts);
        if let Some(reader) = &reader {
            self.stdin_is_program(reader, &stdin, &words, state);
        }
        let first = inner_programs::start(&texts);
        if let Some(word) = words.get(first).filter(|word| word.is_split) {
            self.evaluations.add(&word.printed, &word.variables, Evaluation::Command, "the shell");
        }
        let name = texts.get(first).map_or("", |word| inner_programs::program_name(word));
        if matches!(name, "read" | "mapfile" | "readarray") {
            let names: Vec<String> = texts.get(first + 1..).unwrap_or_default().to_vec();
            let piped = if state.is_piped { state.piped_in().clone() } else { Reading::default() };
            for source in [&piped, &state.group_input] {
                names.iter().for_each(|name| {
                    self.evaluations.assign(name, &source.pieces, &source.variables);
                });
            }
            state.read.extend(names);
        }
        // the `read` may be inside a group or a function whose standard input this is
        state.read.iter().for_each(|name| self.evaluations.assign(name, &stdin.pieces, &stdin.variables));
        if matches!(name, "echo" | "printf" | "print" | "cat" | "tee") {
            for word in
                words.iter().skip(first + 1).filter(|_| name != "cat" && name != "tee").chain([&stdin])
            {
                state.piped.extend(word);
                state.printed.extend(word);
            }
        }
        if !is_pipe {
            (state.piped, state.earlier) = (Reading::default(), state.documents.len());
            state.follows_group = false;
        }
        (state.is_piped, state.is_conditional) = (is_pipe, is_pipe);
        (state.is_command, state.in_test, state.next) = (true, false, NextWord::Command);
    }

    /// Notes that a command runs its standard input as a program: every reference that may come to it that way is
    /// evaluated.
    fn stdin_is_program(
        &mut self,
        reader: &ProgramReader,
        stdin: &ShellWord,
        words: &[ShellWord],
        state: &mut CommandState,
    ) {
        let (how, name) = (reader.evaluation(), reader.to_string());
        if self.in_target {
            self.swallows = Some(reader.clone());
        }
        self.evaluations.add(&stdin.pieces, &stdin.variables, how, &name);
        for word in words {
            self.evaluations.add(&word.files, &[], how, &name);
        }
        if state.is_piped {
            let source = state.piped_in();
            self.evaluations.add(&source.pieces, &source.variables, how, &name);
        }
        for document in state.documents.iter_mut().skip(state.earlier) {
            document.reader = Some(reader.clone());
        }
    }

    /// Whether a pipe has been read and the command behind it has not begun.
    pub(super) fn is_after_pipe(state: &CommandState) -> bool {
        state.is_piped && state.words.is_empty() && state.word.is_none()
    }

    /// Reads the texts of all here-documents that have begun on the line that ends here.
    pub(super) fn here_documents(&mut self, state: &mut CommandState) {
        let documents = std::mem::take(&mut state.documents);
        self.pending -= documents.len().min(self.pending);
        for document in documents {
            let pieces = self.here_document(&document);
            state.read.iter().for_each(|name| self.evaluations.assign(name, &pieces, &[]));
            state.printed.pieces.extend(&pieces);
            if state.is_piped {
                state.piped.pieces.extend(&pieces);
            }
        }
        state.earlier = 0;
    }
}
