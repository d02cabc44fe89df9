//! Which known name somebody probably meant.

/// Letters of a word above which nothing is close to it: the distance takes time and memory with the
/// product of two lengths, every name that we know is far shorter, and words come from strangers.
const LONGEST: usize = 64;

/// The candidates that are close to `word`, the closest first.
///
/// Close means that at most a third of the letters, but always two, must change: further away a
/// suggestion confuses more than it helps.
pub(crate) fn nearest_all<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Vec<&'a str> {
    let length = word.chars().count();
    if length > LONGEST {
        return Vec::new();
    }
    let bound = 2.max(length / 3);
    let mut close: Vec<(usize, &str)> = candidates
        .into_iter()
        // Each letter that one of them has more costs one change, so measuring would not help.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= bound)
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= bound)
        .collect();
    close.sort_unstable();
    close.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The candidate that is closest to `word`, if one is close at all.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    nearest_all(word, candidates).into_iter().next()
}

/// `; did you mean "x"?`, or nothing where no candidate is close.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    nearest(word, candidates).map_or_else(String::new, |name| format!("; did you mean \"{name}\"?"))
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, did_you_mean, nearest, nearest_all};

    #[test]
    fn the_closest_comes_first_and_strangers_are_left_out() {
        assert_eq!(nearest("severty", ["device", "severity", "kind"]), Some("severity"));
        assert_eq!(nearest("colour", ["device", "severity", "kind"]), None);
        assert_eq!(nearest_all("sdb", ["sda", "sdb1", "nvme0n1"]), ["sda", "sdb1"]);
        assert_eq!(did_you_mean("knd", ["kind"]), "; did you mean \"kind\"?");
        assert_eq!(did_you_mean("zzzzzz", ["kind"]), "");
    }

    #[test]
    fn nothing_is_close_to_a_word_that_is_too_long() {
        let (longest, too_long) = ("x".repeat(LONGEST), "x".repeat(LONGEST + 1));
        let known = "x".repeat(LONGEST + 1);
        assert_eq!(nearest(&longest, [known.as_str()]), Some(known.as_str()));
        assert_eq!(nearest(&too_long, [known.as_str()]), None);
    }

    #[test]
    fn lengths_may_differ_by_as_much_as_letters() {
        assert_eq!(nearest_all("sda", ["sda12", "sda123", "s", "nvme0n1"]), ["s", "sda12"]);
        // Three of nine letters.
        assert_eq!(nearest("kinds_of_", ["kinds_of_abc", "kinds_of_abcd"]), Some("kinds_of_abc"));
    }
}
