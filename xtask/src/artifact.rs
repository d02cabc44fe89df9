//! Where cargo put an executable, out of its messages.

/// The path of the executable that cargo built for the target `name`.
///
/// Cargo writes one JSON object a line. The two fields that matter are plain strings in it, so a
/// parser for all of JSON would be weight without use.
pub(crate) fn executable<'a>(messages: &'a str, name: &str) -> Option<&'a str> {
    let target = format!("\"name\":\"{name}\"");
    messages
        .lines()
        .filter(|line| line.contains("\"reason\":\"compiler-artifact\"") && line.contains(&target))
        .find_map(|line| line.split_once("\"executable\":\"")?.1.split('"').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = concat!(
        r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"iotruth"},"executable":null}"#,
        "\n",
        r#"{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"iotruth"},"executable":"/t/release/iotruth","fresh":true}"#,
        "\n",
        r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"guest"},"executable":"/t/release/deps/guest-1f"}"#,
        "\n",
        r#"{"reason":"build-finished","success":true}"#,
    );

    #[test]
    fn a_library_of_the_same_name_is_passed_over() {
        assert_eq!(executable(MESSAGES, "iotruth"), Some("/t/release/iotruth"));
        assert_eq!(executable(MESSAGES, "guest"), Some("/t/release/deps/guest-1f"));
        assert_eq!(executable(MESSAGES, "other"), None);
    }
}
