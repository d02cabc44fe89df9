//! Which known name somebody probably meant.

/// The candidates that are close to `word`, the closest first.
///
/// Close means that at most a third of the letters, but always two, must change: further away a
/// suggestion confuses more than it helps.
pub(crate) fn nearest_all<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Vec<&'a str> {
    let bound = 2.max(word.chars().count() / 3);
    let mut close: Vec<(usize, &str)> = candidates
        .into_iter()
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
    use super::{did_you_mean, nearest, nearest_all};

    #[test]
    fn the_closest_comes_first_and_strangers_are_left_out() {
        assert_eq!(nearest("severty", ["device", "severity", "kind"]), Some("severity"));
        assert_eq!(nearest("colour", ["device", "severity", "kind"]), None);
        assert_eq!(nearest_all("sdb", ["sda", "sdb1", "nvme0n1"]), ["sda", "sdb1"]);
        assert_eq!(did_you_mean("knd", ["kind"]), "; did you mean \"kind\"?");
        assert_eq!(did_you_mean("zzzzzz", ["kind"]), "");
    }
}
