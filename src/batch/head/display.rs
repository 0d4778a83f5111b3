//! Paths and numbers of bytes in the form in which the user sees them.

use crate::script::values::units::words;
use std::path::Path;
use std::time::Duration;

/// Shortens a path for messages: relative to the working directory if it lies below it, else unchanged.
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// Formats a number of bytes with a decimal unit: `512 bytes`, `1.5 MB`.
pub(crate) fn bytes(count: u64) -> String {
    let units = ["kB", "MB", "GB", "TB", "PB"];
    let mut value = count as f64;
    let mut unit = "bytes";
    for next in units {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    if unit == "bytes" { format!("{count} bytes") } else { format!("{value:.1} {unit}") }
}

/// Formats a time as somebody would say it, by its two largest units: `0.3 s`, `1 min 30 s`, `3 h 20 min`, `2 d 3 h`.
pub(crate) fn roughly(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..3600 => words(Duration::from_secs(seconds)),
        3600..86_400 => words(Duration::from_secs(seconds / 60 * 60)),
        86_400..31_536_000 => words(Duration::from_secs(seconds / 3600 * 3600)),
        _ => "years".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_words() {
        let shown =
            [0.26, 9.0, 90.4, 3601.0, 12_000.0, 100_000.0, 1e12].map(Duration::from_secs_f64).map(roughly);
        assert_eq!(shown, ["0.3 s", "9.0 s", "1 min 30 s", "1 h", "3 h 20 min", "1 d 3 h", "years"]);
    }

    #[test]
    fn bytes_in_words() {
        let shown = [0, 999, 1000, 1_500_000, u64::MAX].map(bytes);
        assert_eq!(shown, ["0 bytes", "999 bytes", "1.0 kB", "1.5 MB", "18446.7 PB"]);
    }
}
