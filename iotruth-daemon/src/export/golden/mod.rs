//! Compares output with the golden files in this folder.
//!
//! `IOTRUTH_BLESS=1 cargo test -p iotruth-daemon --no-default-features export` writes them anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its golden file has failed")]

use std::{env, fs, path::Path};

/// Asserts that `output` is what the golden file `name` holds.
pub(crate) fn check(name: &str, output: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/export/golden").join(name);
    check_file(&path, output);
}

/// Asserts that `output` is what the file at `path` holds, or writes it there.
pub(crate) fn check_file(path: &Path, output: &str) {
    let mut golden = fs::read_to_string(path).unwrap_or_default();
    // Another test may read what is as it should be.
    if env::var_os("IOTRUTH_BLESS").is_some() && golden != output {
        fs::write(path, output).unwrap();
        output.clone_into(&mut golden);
    }
    let (mut ours, mut theirs) = (output.lines(), golden.lines());
    let mut line = 0;
    loop {
        line += 1;
        match (ours.next(), theirs.next()) {
            (None, None) => break,
            (ours, theirs) => assert_eq!(
                ours,
                theirs,
                "line {line} of the output (left) differs from {} (right); if the output is \
                 right, run the tests with IOTRUTH_BLESS=1",
                path.display()
            ),
        }
    }
    assert_eq!(output, golden, "only line ends differ from {}", path.display());
}
