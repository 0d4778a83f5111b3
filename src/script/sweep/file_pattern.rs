//! The files that a pattern such as `data/**/*.h5` matches.
//!
//! The `glob` crate walks folders only as far as all names in them are UTF-8, and panics at others. So its patterns are
//! matched here name by name, and the folders are walked here. A name that no pattern asks for may be any bytes.

use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The most names of files and folders that are looked at for one pattern.
const LOOKED_AT: usize = 2_000_000;

/// The rules of matching: a wildcard matches neither a slash nor a dot at the beginning of a name.
const OPTIONS: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The reason why the files of a pattern cannot be listed. Texts are for the user.
#[derive(Debug, PartialEq)]
pub(crate) enum FilePatternError {
    NoPattern(String),
    /// A folder that cannot be read, or a name that matches and is no UTF-8.
    Unreadable(String),
    /// More than [`LOOKED_AT`] names would have to be looked at.
    TooMany(usize),
}

/// A part of a pattern between slashes.
enum PatternPart {
    /// A name without wildcards.
    Name(String),
    Wild(glob::Pattern),
    /// `**`: any number of folders.
    Deep,
}

/// The largest number of patterns into which the alternatives of one pattern may be written out.
const ALTERNATIVES: usize = 1000;

/// Writes a pattern with alternatives in braces out as several patterns: `a.{csv,tsv}` as `a.csv` and `a.tsv`. Braces
/// without a comma are ordinary characters. `None` if there would be more than [`ALTERNATIVES`] patterns.
pub(crate) fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(pattern) = open.pop() {
        match first_alternatives(&pattern) {
            None => done.push(pattern),
            Some((range, all)) => {
                let (before, after) = (&pattern[..range.start], &pattern[range.end..]);
                open.extend(all.iter().rev().map(|one| format!("{before}{one}{after}")));
            }
        }
        if done.len() + open.len() > ALTERNATIVES {
            return None;
        }
    }
    Some(done)
}

/// Finds the first braces with a comma between them: their byte range in the pattern, and the alternatives.
fn first_alternatives(pattern: &str) -> Option<(Range<usize>, Vec<&str>)> {
    for (begin, _) in pattern.match_indices('{') {
        let (mut depth, mut start, mut all) = (0, begin + 1, Vec::new());
        for (at, c) in pattern[begin..].char_indices().map(|(at, c)| (begin + at, c)) {
            match c {
                '{' => depth += 1,
                ',' if depth == 1 => {
                    all.push(&pattern[start..at]);
                    start = at + 1;
                }
                '}' if depth == 1 => {
                    if all.is_empty() {
                        break;
                    }
                    all.push(&pattern[start..at]);
                    return Some((begin..at + 1, all));
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    None
}

/// Finds the paths that a pattern matches, sorted. They begin as the pattern does: a relative one starts from `dir`.
pub(crate) fn matches(dir: &Path, pattern: &str) -> Result<Vec<String>, FilePatternError> {
    let many =
        || FilePatternError::NoPattern(format!("its braces have more than {ALTERNATIVES} alternatives"));
    let mut found = Vec::new();
    for one in alternatives(pattern).ok_or_else(many)? {
        found.extend(matches_of_one(dir, &one)?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Finds the paths that a pattern without alternatives matches.
fn matches_of_one(dir: &Path, pattern: &str) -> Result<Vec<String>, FilePatternError> {
    let no_pattern = |error: glob::PatternError| FilePatternError::NoPattern(error.msg.to_owned());
    glob::Pattern::new(pattern).map_err(no_pattern)?;
    let mut parts = Vec::new();
    for part in pattern.split('/').filter(|part| !matches!(*part, "" | ".")) {
        parts.push(match part {
            "**" if matches!(parts.last(), Some(PatternPart::Deep)) => continue,
            "**" => PatternPart::Deep,
            part if part.contains(['*', '?', '[']) => {
                PatternPart::Wild(glob::Pattern::new(part).map_err(no_pattern)?)
            }
            part => PatternPart::Name(part.to_owned()),
        });
    }
    let mut search = PatternSearch { dir, folders: pattern.ends_with('/'), looked: 0, found: Vec::new() };
    let root = if pattern.starts_with('/') { "/" } else { "" };
    search.below(Path::new(root), &parts)?;
    let found = search.found;
    let text = |path: PathBuf| match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(FilePatternError::Unreadable(format!(
            "the name {:?} is no UTF-8, and a value is text: rename it",
            path.as_os_str()
        ))),
    };
    found.into_iter().map(text).collect()
}

struct PatternSearch<'a> {
    dir: &'a Path,
    /// Whether only folders are wanted, as a slash at the end of the pattern says.
    folders: bool,
    looked: usize,
    found: Vec<PathBuf>,
}

impl PatternSearch<'_> {
    /// Finds what `parts` match below the folder `at`, a path as it is shown.
    fn below(&mut self, at: &Path, parts: &[PatternPart]) -> Result<(), FilePatternError> {
        let Some((part, rest)) = parts.split_first() else {
            if !at.as_os_str().is_empty() {
                self.found.push(at.to_owned());
            }
            return Ok(());
        };
        let inner = self.folders || !rest.is_empty();
        match part {
            PatternPart::Name(name) => {
                let path = at.join(name);
                let meta = std::fs::metadata(self.dir.join(&path));
                if meta.is_ok_and(|meta| meta.is_dir() || !inner) {
                    self.below(&path, rest)?;
                }
            }
            PatternPart::Wild(pattern) => {
                for (path, _) in self.entries(at)? {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    let is_wanted = || !inner || self.dir.join(&path).is_dir();
                    if pattern.matches_with(&name, OPTIONS) && is_wanted() {
                        self.below(&path, rest)?;
                    }
                }
            }
            PatternPart::Deep => {
                self.below(at, rest)?;
                for (path, is_folder) in self.entries(at)? {
                    // a link may lead above itself, and the walk would not end
                    if is_folder && !is_hidden(path.file_name().unwrap_or_default()) {
                        self.below(&path, parts)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The paths in a folder, and whether each is a folder itself and no link to one.
    fn entries(&mut self, at: &Path) -> Result<Vec<(PathBuf, bool)>, FilePatternError> {
        let unreadable = |error: std::io::Error| {
            let folder = if at.as_os_str().is_empty() { self.dir } else { at };
            FilePatternError::Unreadable(format!("the folder `{}` cannot be read: {error}", folder.display()))
        };
        let mut all = Vec::new();
        for entry in std::fs::read_dir(self.dir.join(at)).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            self.looked += 1;
            if self.looked > LOOKED_AT {
                return Err(FilePatternError::TooMany(LOOKED_AT));
            }
            all.push((at.join(entry.file_name()), entry.file_type().is_ok_and(|kind| kind.is_dir())));
        }
        Ok(all)
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_are_written_out() {
        let all = |pattern| alternatives(pattern).unwrap().join(" ");
        assert_eq!(all("d/*.{csv,tsv}"), "d/*.csv d/*.tsv");
        assert_eq!(all("{a,b{1,2}}/{,x}"), "a/ a/x b1/ b1/x b2/ b2/x");
        assert_eq!(all("{s}_{x,y}"), "{s}_x {s}_y");
        assert_eq!(all("a{b"), "a{b");
        assert_eq!(all("}{"), "}{");
        assert_eq!(alternatives(&"{a,b}".repeat(12)), None);
    }

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.txt", ".b.txt", "d/c.txt", "d/e/f.txt", "d/.g/h.txt", "x[1].txt", "d/z.h5"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink("..", dir.path().join("d/up")).unwrap();
        dir
    }

    #[test]
    fn patterns_match_name_by_name() {
        let dir = folder();
        let found = |pattern: &str| matches(dir.path(), pattern).unwrap();
        assert_eq!(found("*.txt"), ["a.txt", "x[1].txt"]);
        assert_eq!(found("./d/../?.txt"), ["d/../a.txt"]);
        assert_eq!(found(".*.txt"), [".b.txt"]);
        assert_eq!(found("**/*.txt"), ["a.txt", "d/c.txt", "d/e/f.txt", "x[1].txt"]);
        assert_eq!(found("d/**/**/[!z]*.*"), ["d/c.txt", "d/e/f.txt"]);
        assert_eq!(found("d/*/"), ["d/e", "d/up"]);
        assert_eq!(found("d/**"), ["d", "d/e"]);
        assert_eq!(found("x[[]1].txt"), ["x[1].txt"]);
        assert_eq!(found("d/up/a.txt"), ["d/up/a.txt"]);
        assert_eq!(found("a.txt/*"), [""; 0]);
        assert_eq!(found("none/*"), [""; 0]);
        let whole = format!("{}/d/*.h5", dir.path().display());
        assert_eq!(found(&whole), [whole.replace('*', "z")]);
        assert!(matches!(matches(dir.path(), "a**b"), Err(FilePatternError::NoPattern(_))));
        assert!(matches!(matches(dir.path(), "[a"), Err(FilePatternError::NoPattern(_))));
    }

    #[test]
    fn names_that_are_no_text_are_told_where_they_match() {
        let dir = folder();
        let bad = dir.path().join(OsStr::from_bytes(b"d/\xff\xfe.txt"));
        std::fs::write(bad, "").unwrap();
        std::fs::create_dir(dir.path().join(OsStr::from_bytes(b"\xe9"))).unwrap();
        assert_eq!(matches(dir.path(), "**/*.h5").unwrap(), ["d/z.h5"]);
        assert_eq!(matches(dir.path(), "*.txt").unwrap(), ["a.txt", "x[1].txt"]);
        for pattern in ["**/*.txt", "d/*.txt", "d/??.txt", "d/*"] {
            let Err(FilePatternError::Unreadable(why)) = matches(dir.path(), pattern) else {
                panic!("{pattern}")
            };
            assert_eq!(
                why, r#"the name "d/\xFF\xFE.txt" is no UTF-8, and a value is text: rename it"#,
                "{pattern}"
            );
        }
    }
}
