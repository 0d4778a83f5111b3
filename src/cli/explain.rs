//! The command `dtask explain`.

use super::{DONE, USAGE, launch};
use crate::console;
use crate::script::diagnostics::codes::Code;
use crate::script::diagnostics::explanation::{Explanation, contents};
use crate::script::diagnostics::suggest::did_you_mean;

/// Prints the explanation of an error code, or without a code the list of all codes. Returns the exit code.
pub(super) fn explain(code: Option<&str>) -> u8 {
    if !launch::speaks() {
        return DONE;
    }
    let Some(asked) = code else {
        console::output(contents());
        return DONE;
    };
    match find(asked) {
        Some(code) => {
            console::output(Explanation::of(code).text());
            DONE
        }
        None => {
            console::error(format_args!("error: {}", unknown(asked)));
            USAGE
        }
    }
}

/// Finds a code by its name, in upper or lower case, and with or without the brackets of a message: `E21`, `e21`,
/// `error[E21]`. `None` if there is no such code.
fn find(asked: &str) -> Option<Code> {
    let (_, inner) = asked.split_once('[').unwrap_or(("", asked));
    let id = inner.trim_end_matches([':', ']']);
    Code::ALL.iter().copied().find(|code| code.id().eq_ignore_ascii_case(id))
}

/// The error message for an unknown code. Suggests the code with the same number, or else the code with the most
/// similar name.
fn unknown(asked: &str) -> String {
    let ids = || Code::ALL.iter().map(|code| code.id());
    let number = |text: &str| text.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().ok();
    let same = number(asked).and_then(|asked| ids().find(|id| number(id) == Some(asked)));
    let same = same.map(|id| format!("did you mean `{id}`?"));
    match same.or_else(|| did_you_mean(asked, ids())) {
        Some(help) => format!("there is no code `{asked}`; {help} `dtask explain` lists all codes"),
        None => format!("there is no code `{asked}`; `dtask explain` lists all codes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_as_they_are_printed() {
        for asked in ["E21", "e21", "[E21]", "error[E21]", "error[E21]:"] {
            assert_eq!(find(asked), Some(Code::UnknownName), "{asked}");
        }
        for asked in ["", "E", "E05", "21", "E210", "é[", "]"] {
            assert_eq!(find(asked), None, "{asked}");
        }
    }

    #[test]
    fn unknown_codes_get_a_suggestion() {
        assert_eq!(
            unknown("21"),
            "there is no code `21`; did you mean `E21`? `dtask explain` lists all codes"
        );
        assert_eq!(
            unknown("E2l"),
            "there is no code `E2l`; did you mean `E20`? `dtask explain` lists all codes"
        );
        assert_eq!(unknown("frobnicate"), "there is no code `frobnicate`; `dtask explain` lists all codes");
    }
}
