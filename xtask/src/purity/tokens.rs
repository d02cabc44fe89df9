//! Rust source as words and signs: enough to find paths, no more.

/// A word or a sign, and the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

impl Token {
    /// Is it an identifier or a keyword?
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// Splits source into words and signs, leaving out comments and literals; `::` is one sign.
pub(super) fn split(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(&c) = chars.get(at) {
        let rest = chars.get(at..).unwrap_or_default();
        let length = match c {
            '/' if rest.starts_with(&['/', '/']) => {
                rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())
            }
            '/' if rest.starts_with(&['/', '*']) => block_comment(rest),
            '"' => string(rest),
            '\'' => char_or_lifetime(rest),
            _ if c.is_alphabetic() || c == '_' => {
                let word = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
                let text: String = rest.iter().take(word).collect();
                let after = rest.get(word..).unwrap_or_default();
                let literal = literal_after_prefix(&text, after);
                if literal.is_none() {
                    tokens.push(Token { text, line });
                }
                word + literal.unwrap_or(0)
            }
            // Numbers with their suffixes: `0x1f_u8`, `1_000`.
            _ if c.is_ascii_digit() => {
                rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').count()
            }
            ':' if rest.starts_with(&[':', ':']) => {
                tokens.push(Token { text: "::".to_owned(), line });
                2
            }
            _ => {
                if !c.is_whitespace() {
                    tokens.push(Token { text: c.to_string(), line });
                }
                1
            }
        };
        line += rest.iter().take(length).filter(|c| **c == '\n').count();
        at += length.max(1);
    }
    tokens
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        let here = rest.get(at..).unwrap_or_default();
        if here.starts_with(&['/', '*']) {
            depth += 1;
            at += 2;
        } else if here.starts_with(&['*', '/']) {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while let Some(c) = rest.get(at) {
        match c {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `'x'` and `'\n'` are literals, `'a` is a lifetime: of that, only the sign is taken.
fn char_or_lifetime(rest: &[char]) -> usize {
    match (rest.get(1), rest.get(2)) {
        (Some('\\'), _) => {
            3 + rest.iter().skip(3).position(|c| *c == '\'').map_or(rest.len(), |at| at + 1)
        }
        (Some(_), Some('\'')) => 3,
        (_, _) => 1 + rest.iter().skip(1).take_while(|c| c.is_alphanumeric() || **c == '_').count(),
    }
}

/// The length of a literal that begins right after a prefix such as `r`, `b` or `br`.
fn literal_after_prefix(word: &str, after: &[char]) -> Option<usize> {
    let hashes = after.iter().take_while(|c| **c == '#').count();
    match (word, after.get(hashes)?) {
        ("r" | "br" | "cr", '"') => {
            let end: Vec<char> = std::iter::once('"').chain(vec!['#'; hashes]).collect();
            let body = after.get(hashes + 1..)?;
            let length = body.windows(end.len()).position(|window| window == end.as_slice());
            Some(hashes + 1 + length.map_or(body.len(), |at| at + end.len()))
        }
        ("b" | "c", '"') if hashes == 0 => Some(string(after)),
        ("b", '\'') if hashes == 0 => Some(char_or_lifetime(after)),
        (_, _) => None,
    }
}

/// Leaves out every item that exists only in tests.
pub(super) fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let rest = tokens.get(at..).unwrap_or_default();
        if starts_with(rest, &["#", "!", "[", "cfg", "(", "test", ")", "]"]) {
            return Vec::new();
        }
        if starts_with(rest, &["#", "[", "cfg", "(", "test", ")", "]"]) {
            at += item_length(rest);
        } else if let Some(token) = rest.first() {
            kept.push(token.clone());
            at += 1;
        }
    }
    kept
}

fn starts_with(tokens: &[Token], texts: &[&str]) -> bool {
    tokens.len() >= texts.len() && tokens.iter().zip(texts).all(|(token, text)| token.text == *text)
}

/// The length of the item in front, attributes included: up to its `;` or its last brace.
fn item_length(tokens: &[Token]) -> usize {
    let mut open = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            sign @ ("{" | "(" | "[") => open.push(sign),
            "}" | ")" | "]" => {
                let closed = open.pop();
                if open.is_empty() && closed == Some("{") {
                    // `use a::{b};` goes on behind its braces.
                    let behind = tokens.get(at + 1).is_some_and(|token| token.text == ";");
                    return at + 1 + usize::from(behind);
                }
            }
            ";" if open.is_empty() => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        split(source).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn literals_and_comments_leave_nothing() {
        assert_eq!(words(r#"a "b \" c" d // e"#), ["a", "d"]);
        assert_eq!(words("a /* b /* c */ d */ e"), ["a", "e"]);
        assert_eq!(words(r##"r#"a"b"# c br"d" e b"f" g b'h' i"##), ["c", "e", "g", "i"]);
        assert_eq!(words(r"'a' '\'' '\u{1f}' x"), ["x"]);
        assert_eq!(words("fn f<'a>(x: &'static str)"), words("fn f<>(x: & str)"));
    }

    #[test]
    fn lines_are_counted_through_literals() {
        let tokens = split("a\n\"x\ny\"\n/*\n*/ b");
        assert_eq!(tokens.last().map(|token| token.line), Some(5));
    }
}
