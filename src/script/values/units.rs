//! Durations and sizes as scripts write them: `"30 min"`, `"1 h 30 min"`, `"2 GiB"`.

use std::time::Duration;

const SECONDS: [(&str, f64); 14] = [
    ("ms", 1e-3),
    ("s", 1.0),
    ("sec", 1.0),
    ("second", 1.0),
    ("seconds", 1.0),
    ("m", 60.0),
    ("min", 60.0),
    ("minutes", 60.0),
    ("h", 3600.0),
    ("hour", 3600.0),
    ("hours", 3600.0),
    ("d", 86400.0),
    ("day", 86400.0),
    ("days", 86400.0),
];

const BYTES: [(&str, f64); 10] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("KiB", 1024.0),
    ("MiB", 1048576.0),
    ("GiB", 1073741824.0),
    ("TiB", 1099511627776.0),
    ("K", 1024.0),
];

/// Reads a duration, one or more numbers with units. `None` outside of 1 ms to a century.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let seconds = sum(text, &SECONDS)?;
    // A century: a longer duration is a mistake, and would overflow clocks.
    (1e-3..=3.2e9).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// Reads a size with its unit, in bytes. `None` outside of 1 to 10^18 bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    let bytes = sum(text, &BYTES)?;
    (1.0..=1e18).contains(&bytes).then_some(bytes as u64)
}

/// Writes a duration as scripts do, to the second: `1 h 30 min`. Below half a second it is in milliseconds.
pub(crate) fn words(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    if seconds == 0 {
        return format!("{} ms", duration.as_millis());
    }
    let parts =
        [(seconds / 86400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    parts.join(" ")
}

fn sum(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let mut rest = text.trim();
    let mut sum = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
        sum += number.parse::<f64>().ok()? * factor;
        rest = after.trim_start();
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes() {
        let seconds = |text: &str| duration(text).map(|duration| duration.as_secs_f64());
        assert_eq!(seconds("30 min"), Some(1800.0));
        assert_eq!(seconds("1h30m"), Some(5400.0));
        assert_eq!(seconds(" 1.5 s "), Some(1.5));
        assert_eq!(seconds("250ms"), Some(0.25));
        for wrong in ["", "30", "min", "3 x", "1..2 s", "-1 s", "0 s", "9999999999 d", "1 s,"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        for text in ["1 h 30 min", "2 d", "59 s", "250 ms", "1 d 1 h 1 min 1 s"] {
            assert_eq!(words(duration(text).unwrap_or_default()), text);
        }
        assert_eq!(size("2 GiB"), Some(2 << 30));
        assert_eq!(size("1.5kB"), Some(1500));
        for wrong in ["", "2", "2 gib", "GiB", "0 B", "1e3 B"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }
}
