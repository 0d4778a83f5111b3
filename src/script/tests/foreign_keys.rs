//! Words of other tools in scripts: each gets the help of its row.

use super::*;
use crate::script::syntax::foreign_keys::of_table;
use crate::script::syntax::key_table::{POLICY, TABLES, TASK, TOP};

/// The helps of the errors about unknown keys in a script.
fn helps(script: &str) -> Vec<String> {
    let errors = try_plan(script, &[], LoadOptions::default()).map_or_else(|errors| errors.list, |_| vec![]);
    let unknown = errors.into_iter().filter(|error| error.code == Code::UnknownKey);
    unknown.map(|error| error.help.unwrap_or_default()).collect()
}

#[test]
fn every_word_of_the_table_is_told_what_it_is_here() {
    let mut count = 0;
    for table in TABLES {
        for (words, help) in of_table(table) {
            for word in *words {
                assert!(table.row(word).is_none(), "`{word}` {} is a key", table.place);
                let line = format!("{word} = 1");
                let script = if std::ptr::eq(table, &TASK) {
                    format!("dtask = 1\n[task.a]\nrun = 'true'\n{line}")
                } else if std::ptr::eq(table, &TOP) {
                    format!("dtask = 1\n{line}\n[task.a]\nrun = 'true'")
                } else {
                    assert!(std::ptr::eq(table, &POLICY));
                    format!("dtask = 1\n[policy]\n{line}\n[task.a]\nrun = 'true'")
                };
                assert_eq!(helps(&script), [*help], "{script}");
                count += 1;
            }
        }
    }
    assert!(count > 150, "{count}");
}

#[test]
fn a_word_has_one_meaning_in_a_table() {
    for table in TABLES {
        let mut words: Vec<&str> = of_table(table).iter().flat_map(|(words, _)| *words).copied().collect();
        words.sort_unstable();
        assert!(words.windows(2).all(|pair| pair[0] != pair[1]), "{}: {words:?}", table.place);
    }
}

#[test]
fn the_words_that_beginners_have_written_lead_to_the_key() {
    let cases = [
        ("cpus", "`threads`"),
        ("cores", "`threads`"),
        ("mem", "`memory`"),
        ("time_min", "`time = "),
        ("time-limit", "`timeout = "),
        ("retry", "`retries`"),
        ("python", "`run = [\"python3\""),
        ("command", "`run`"),
        ("CMD", "`run`"),
        ("cwd", "`dir`"),
        ("deps", "`after = "),
        ("dependsOn", "`after = "),
        ("input", "`stdin`"),
        ("output", "`out = "),
        ("jobs", "`mpirun -n 4 dtask ..`"),
    ];
    for (word, key) in cases {
        for place in ["[task.a]\nrun = 'true'", "[task.a]\nrun = 'true'\n[default]"] {
            let helps = helps(&format!("dtask = 1\n{place}\n{word} = 1"));
            assert!(helps.len() == 1 && helps[0].contains(key), "{word}: {helps:?}");
        }
    }
    // a slip of the finger is still told by its neighbour
    assert_eq!(helps("dtask = 1\n[task.a]\nrun = 'true'\nretires = 1"), ["did you mean `retries`?"]);
}
