//! Names of devices with `*` and `?`.

use std::fmt;

/// A name of a device in which `*` stands for any letters and `?` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// A pattern; a leading `/dev/` is dropped. `None` where nothing or a path is left.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let name = text.strip_prefix("/dev/").unwrap_or(text);
        (!name.is_empty() && !name.contains('/')).then(|| Self(name.into()))
    }

    /// Whether it stands for one name only.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// Whether it stands for this name.
    ///
    /// On a mismatch the last `*` takes one letter more, so the work is bounded by the product of
    /// the lengths.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut at, mut from) = (0, 0);
        let mut star = None;
        while from < name.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at, from));
                    at += 1;
                }
                Some(letter) if *letter == b'?' || name.get(from) == Some(letter) => {
                    at += 1;
                    from += 1;
                }
                Some(_) | None => {
                    let Some((star_at, star_from)) = star else { return false };
                    star = Some((star_at, star_from + 1));
                    at = star_at + 1;
                    from = star_from + 1;
                }
            }
        }
        pattern.iter().skip(at).all(|letter| *letter == b'*')
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::Pattern;

    #[test]
    fn stars_and_question_marks() {
        let cases = [
            ("sda", "sda", true),
            ("sda", "sdaa", false),
            ("sda", "sd", false),
            ("nvme*", "nvme0n1", true),
            ("nvme*", "nvme", true),
            ("nvme*", "xnvme0", false),
            ("*n1", "nvme0n1", true),
            ("*n1", "nvme0n1p1", false),
            ("nvme?n*", "nvme0n1", true),
            ("nvme?n*", "nvme10n1", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("*", "anything", true),
            ("**", "", true),
            ("?", "", false),
            ("*ab", "aab", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(Pattern::new(pattern).unwrap().matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn hard_patterns_end_soon() {
        let pattern = Pattern::new(&"*a".repeat(30)).unwrap();
        assert!(!pattern.matches(&format!("{}b", "a".repeat(2_000))));
    }

    #[test]
    fn paths_are_taken_for_what_they_mean() {
        assert_eq!(Pattern::new("/dev/sda").unwrap().to_string(), "sda");
        assert_eq!(Pattern::new("/dev/disk/by-id/x"), None);
        assert_eq!(Pattern::new(" "), None);
        assert!(Pattern::new("sda").unwrap().is_literal());
        assert!(!Pattern::new("sd?").unwrap().is_literal());
    }
}
