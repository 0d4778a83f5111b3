//! The six scripts of the specification, word for word.

use super::*;

/// The scripts with their names.
pub(crate) const SIX: [(&str, &str); 6] = [
    ("hello", include_str!("../../../tests/scripts/six/hello.toml")),
    ("the tree reduction of sixteen random arrays", include_str!("../../../tests/scripts/six/tree.toml")),
    ("sweep", include_str!("../../../tests/scripts/six/sweep.toml")),
    ("HDF5 pipeline", include_str!("../../../tests/scripts/six/climate.toml")),
    ("word count", include_str!("../../../tests/scripts/six/count.toml")),
    ("a simulation campaign", include_str!("../../../tests/scripts/six/campaign.toml")),
];

#[test]
fn nothing_is_wrong_with_the_six_scripts() {
    for (name, script) in SIX {
        if let Err(errors) = try_plan(script, &[], LoadOptions::default()) {
            // The campaign's function and the pipeline's data belong to the user; nothing else may be missing.
            let own = [Code::UnknownFunction, Code::NoDataset];
            let wrong: Vec<&Diagnostic> =
                errors.list.iter().filter(|error| !own.contains(&error.code)).collect();
            assert!(wrong.is_empty(), "{name}: {wrong:#?}");
        }
    }
}
