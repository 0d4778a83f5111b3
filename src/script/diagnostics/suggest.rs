//! Suggestions for misspelled names, "did you mean …?", by edit distance.

/// Returns the candidate that was most likely meant by `name`; `None` where no candidate is near.
///
/// A candidate is near at an edit distance of at most a third of the name's length, and of 1 for a short name. If none
/// is, a candidate is taken that begins or ends with the name, or that the name begins or ends with. This finds
/// abbreviations: `pressure` for `re`.
pub(crate) fn suggest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    let mut near: Option<(usize, &str)> = None;
    let mut part: Option<&str> = None;
    for candidate in candidates {
        if candidate.is_empty() || candidate == name {
            continue;
        }
        let other = candidate.to_lowercase();
        let far = distance(&lower, &other);
        // Every letter is one edit from every other, so `x` would be suggested for `y`: a candidate must be nearer than
        // its own length.
        if far <= allowed && far < other.chars().count() && near.is_none_or(|(best, _)| far < best) {
            near = Some((far, candidate));
        }
        let one_in_other = [(&lower, &other), (&other, &lower)]
            .iter()
            .any(|(long, short)| short.len() > 1 && (long.starts_with(*short) || long.ends_with(*short)));
        if one_in_other && part.is_none_or(|best| candidate.len() > best.len()) {
            part = Some(candidate);
        }
    }
    near.map(|(_, candidate)| candidate).or(part)
}

/// Returns the text "did you mean `x`?" for the candidate that was most likely meant; `None` where no candidate is
/// near.
pub(crate) fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    suggest(name, candidates).map(|found| format!("did you mean `{found}`?"))
}

/// Returns the edit distance (insert, delete, replace, swap of neighbours: Damerau-Levenshtein) between the first 64
/// characters of two names; more would take long.
fn distance(a: &str, b: &str) -> usize {
    let cut = |name: &str| name.chars().take(64).collect::<String>();
    strsim::osa_distance(&cut(a), &cut(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        assert_eq!(suggest("stpes", ["root", "steps"]), Some("steps"));
        assert_eq!(suggest("Shell", ["run", "shell"]), Some("shell"));
        assert_eq!(suggest("pressure", ["mesh", "res", "re", "rep"]), Some("re"));
        assert_eq!(suggest("x", ["y", "i"]), None);
        assert_eq!(suggest("frob", ["run", "shell", "array"]), None);
        assert_eq!(suggest("", ["run"]), None);
    }

    #[test]
    fn distances() {
        assert_eq!(
            (
                distance("abc", "abc"),
                distance("", "abc"),
                distance("abdc", "abcd"),
                distance("kitten", "sitting")
            ),
            (0, 3, 1, 3)
        );
    }
}
