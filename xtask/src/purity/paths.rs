//! The paths that a stream of tokens names, with `use` trees written out.

use super::tokens::Token;

/// A path such as `std::time::Instant`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) segments: Vec<String>,
    /// It stands in a `use`.
    pub(super) imported: bool,
    pub(super) line: usize,
}

/// Every path, in the order of the source.
pub(super) fn all(tokens: &[Token]) -> Vec<Path> {
    let mut paths = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        // In `impl Trait + use<'a>`, it says what a type captures.
        let captures = tokens.get(at + 1).is_some_and(|next| next.text == "<");
        if token.text == "use" && !captures {
            let rest = tokens.get(at + 1..).unwrap_or_default();
            let end = rest.iter().position(|token| token.text == ";").unwrap_or(rest.len());
            tree(rest.get(..end).unwrap_or_default(), &[], &mut paths);
            at += 1 + end;
        } else if token.is_word() && !follows_dot(tokens, at) {
            let (segments, length) = segments(tokens.get(at..).unwrap_or_default());
            paths.push(Path { segments, imported: false, line: token.line });
            at += length;
        } else {
            at += 1;
        }
    }
    paths
}

/// Fields and methods are not paths.
fn follows_dot(tokens: &[Token], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|token| token.text == ".")
}

/// The words of the path in front, and how many tokens they take.
fn segments(tokens: &[Token]) -> (Vec<String>, usize) {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(word) = tokens.get(at).filter(|token| token.is_word()) {
        segments.push(word.text.clone());
        at += 1;
        if tokens.get(at).is_none_or(|token| token.text != "::") {
            break;
        }
        at += 1;
    }
    (segments, at.max(1))
}

/// Writes out one `use` tree below `prefix`.
fn tree(tokens: &[Token], prefix: &[String], paths: &mut Vec<Path>) {
    let start = usize::from(tokens.first().is_some_and(|token| token.text == "::"));
    let tokens = tokens.get(start..).unwrap_or_default();
    let Some(first) = tokens.first() else { return };
    let (words, length) = if first.is_word() { segments(tokens) } else { (Vec::new(), 0) };
    let mut path = prefix.to_vec();
    // In a group, `self` is the module itself.
    path.extend(words.into_iter().filter(|word| prefix.is_empty() || word != "self"));
    match tokens.get(length) {
        Some(token) if token.text == "{" => {
            let inner = tokens.get(length + 1..tokens.len() - 1).unwrap_or_default();
            for branch in split_at_commas(inner) {
                tree(branch, &path, paths);
            }
        }
        // A glob, an alias or the end: what counts is the path that they stand behind.
        _ => paths.push(Path { segments: path, imported: true, line: first.line }),
    }
}

fn split_at_commas(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && token.text == ","
        })
        .collect()
}

/// The modules that are declared here and stand in files of their own.
pub(super) fn modules(tokens: &[Token]) -> Vec<String> {
    tokens
        .windows(3)
        .filter_map(|window| match window {
            [keyword, name, end] if keyword.text == "mod" && end.text == ";" => {
                Some(name.text.clone())
            }
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{super::tokens::split, *};

    fn names(source: &str) -> Vec<String> {
        all(&split(source)).into_iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn a_use_tree_is_written_out() {
        assert_eq!(
            names("use ::a::{b::{self, C as D}, e::*, f};"),
            ["a::b", "a::b::C", "a::e", "a::f"]
        );
        assert_eq!(names("pub(crate) use self::x::Y;"), ["pub", "crate", "self::x::Y"]);
    }

    #[test]
    fn what_a_type_captures_is_no_import() {
        assert_eq!(
            names("fn f() -> impl A + use<'_, T> { b::c }").last(),
            Some(&"b::c".to_owned())
        );
    }

    #[test]
    fn fields_and_methods_are_not_paths() {
        assert_eq!(names("a.b.c(d::e)"), ["a", "d::e"]);
    }

    #[test]
    fn only_modules_in_files_are_followed() {
        assert_eq!(modules(&split("mod a; pub mod b; mod c { }")), ["a", "b"]);
    }
}
