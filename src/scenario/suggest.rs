//! What somebody may have meant.

/// The nearest of the known words, if it is near enough to be a slip of the fingers.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    // As cargo and rustc do: one slip for each three letters, and at least one.
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let lower = word.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|candidate| {
            (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `a`, `b` or `c`.
pub(super) fn either<'k>(words: impl IntoIterator<Item = &'k str>) -> String {
    let mut quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match (quoted.pop(), quoted.is_empty()) {
        (None, _) => "nothing".to_owned(),
        (Some(last), true) => last,
        (Some(last), false) => format!("{} or {last}", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let known = ["at_least", "at_most", "name", "sql", "junit"];
        assert_eq!(nearest("at_leest", known), Some("at_least"));
        assert_eq!(nearest("at-least", known), Some("at_least"));
        assert_eq!(nearest("Name", known), Some("name"));
        assert_eq!(nearest("nmae", known), Some("name"));
        assert_eq!(nearest("cadence", known), None);
        assert_eq!(nearest("q", known), None);
        assert_eq!(either(["a", "b", "c"]), "`a`, `b` or `c`");
    }
}
