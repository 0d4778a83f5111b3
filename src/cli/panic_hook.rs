//! The panic hook: the message of a panic outside of tasks.
//!
//! The message is one line with everything that a bug report needs, and behind it the backtrace, where `RUST_BACKTRACE`
//! asks for one. A release build keeps the line tables of dtask's own code for it.

use super::launch;
use crate::console;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::Write;

/// Installs the panic hook. A panic outside of tasks is a bug of dtask: the hook prints it as one line with what a bug
/// report needs.
pub(super) fn install() {
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let at = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        console::error(message(
            launch::rank(),
            &at,
            text.unwrap_or("a panic without a message"),
            backtrace.as_deref(),
        ));
    }));
}

/// The text to print for a panic: in one piece, since the lines of several ranks meet in one file.
fn message(rank: Option<u32>, at: &str, text: &str, backtrace: Option<&str>) -> String {
    let (version, text) = (env!("CARGO_PKG_VERSION"), text.replace('\n', " "));
    let rank = rank.map_or_else(|| "the only rank".to_owned(), |rank| format!("rank {rank}"));
    let mut message = format!(
        "dtask {version}: internal error on {rank}{at}: {text}. This is a bug of dtask: please report this line, with the \
         script, to its authors"
    );
    let _ = match backtrace {
        Some(backtrace) => {
            write!(message, ", and the calls that led to it:\n{}", calls(backtrace).trim_end())
        }
        None => write!(
            message,
            "; with RUST_BACKTRACE=1 in the environment it is followed by the calls that led to it"
        ),
    };
    message
}

/// The frames of a backtrace from the place of the panic on. Frames of the hook, and of the standard library between
/// the panic and the hook, are left out. A text of an unknown form is returned whole.
fn calls(backtrace: &str) -> &str {
    let names = ["core::panicking::panic_fmt", "std::panicking::begin_panic", "std::panicking::panic_any"];
    let Some(last) = names.iter().filter_map(|name| backtrace.rfind(name)).max() else { return backtrace };
    // a frame is `  12: function`, and below it `             at file:line`
    let begins = |line: &str| {
        line.trim_start().split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok())
    };
    let mut place = last;
    for line in backtrace[last..].split_inclusive('\n') {
        if place > last && begins(line) {
            return &backtrace[place..];
        }
        place += line.len();
    }
    backtrace
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_panic_is_one_line_that_says_how_to_get_a_backtrace() {
        let line = message(Some(3), " at src/a.rs:7", "no\nroom", None);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(
            line.contains("internal error on rank 3 at src/a.rs:7: no room. This is a bug of dtask"),
            "{line}"
        );
        assert!(line.contains("RUST_BACKTRACE=1"), "{line}");
    }

    #[test]
    fn frames_of_the_way_to_the_hook_are_left_out() {
        let frames = "   0: dtask::cli::panic_hook::install\n   1: core::panicking::panic_fmt\n             at /rustc/panicking.rs:1:2\n   \
                      2: dtask::own\n             at ./src/own.rs:5:6\n   3: main\n";
        assert!(calls(frames).starts_with("   2: dtask::own\n"), "{}", calls(frames));
        assert_eq!(calls("no frames"), "no frames");
        assert_eq!(calls("   0: core::panicking::panic_fmt"), "   0: core::panicking::panic_fmt");
    }

    #[test]
    #[ignore = "the process that the next test starts"]
    fn a_process_that_panics() {
        install();
        panic!("on purpose");
    }

    #[test]
    fn a_backtrace_has_the_lines_of_dtask_where_it_is_asked_for() {
        let printed = |backtrace: &str| {
            let own = std::env::current_exe().expect("the test's own path");
            let mut command = Command::new(own);
            command.args([
                "--exact",
                "cli::panic_hook::tests::a_process_that_panics",
                "--ignored",
                "--nocapture",
            ]);
            command.env("RUST_BACKTRACE", backtrace).env_remove("RUST_LIB_BACKTRACE").stdin(Stdio::null());
            String::from_utf8_lossy(&command.output().expect("it can be started").stderr).into_owned()
        };
        let (with, without) = (printed("1"), printed("0"));
        let place = |text: &str| text.matches("src/cli/panic_hook.rs:").count();
        assert!(
            with.contains("internal error on ") && with.contains(": on purpose. This is a bug of dtask"),
            "{with}"
        );
        let first = with.lines().skip_while(|line| !line.contains("the calls that led to it:")).nth(1);
        assert!(
            first.is_some_and(|line| line.contains("panic_hook::tests::a_process_that_panics")),
            "{with}"
        );
        assert!(place(&with) >= 2, "no line of the place in its backtrace: {with}");
        assert!(place(&without) == 1 && without.contains("RUST_BACKTRACE=1"), "{without}");
    }
}
