//! Exit codes and errors of the binary itself, where nothing needs the kernel.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::PathBuf,
    process::{self, Command},
};

/// Exit code, standard output and standard error of one call.
fn iotruth(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_iotruth"))
        .args(arguments)
        .env_remove("IOTRUTH_CONFIG")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A configuration file that is removed at the end of the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("iotruth-{}-{name}.toml", process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn help_and_version_are_fine_and_name_the_exit_codes() {
    let (code, help, _) = iotruth(&["--help"], &[]);
    assert_eq!(code, 0);
    assert!(help.contains("Exit codes: 0 fine, 1 error, 2 wrong usage or configuration"), "{help}");
    let (code, help, _) = iotruth(&["daemon", "--help"], &[]);
    assert_eq!(code, 0);
    assert!(help.contains("--ring-budget") && help.contains("Exit codes"), "{help}");
    assert!(!help.contains("--fault"), "{help}");
    let (code, version, _) = iotruth(&["--version"], &[]);
    assert_eq!((code, version.as_str()), (0, concat!("iotruth ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[test]
fn wrong_usage_has_a_code_of_its_own() {
    for arguments in [&["deamon"][..], &[], &["daemon", "--rings", "3"], &["daemon", "now"]] {
        let (code, out, error) = iotruth(arguments, &[]);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {error}");
        assert!(!error.is_empty());
    }
}

#[test]
fn errors_are_printed_once_with_cause_and_remedy() {
    let file = File::new("key", "listen = \"127.0.0.1:0\"\nring_buget = \"1MiB\"\n");
    let path = file.0.to_str().unwrap();
    let (code, out, error) = iotruth(&["daemon", "--config", path], &[]);
    assert_eq!((code, out.as_str()), (2, ""), "it stays wrong");
    let start =
        format!("iotruth: {path}:2: unknown key \"ring_buget\"; did you mean \"ring_budget\"?");
    assert!(error.starts_with(&start) && error.lines().count() == 1, "{error}");

    let (code, _, error) = iotruth(&["daemon"], &[("IOTRUTH_CONFIG", "/nonexistent.toml")]);
    assert_eq!(code, 1, "{error}");
    let start = "iotruth: cannot read the configuration /nonexistent.toml; ";
    assert!(error.starts_with(start) && error.matches("No such file").count() == 1, "{error}");
}

#[test]
fn a_device_that_does_not_exist_is_refused() {
    let arguments = ["daemon", "--config", "/dev/null", "--device", "nosuchdisk"];
    let (code, _, error) = iotruth(&arguments, &[]);
    assert_eq!(code, 1, "{error}");
    assert!(error.starts_with("iotruth: there is no device nosuchdisk; "), "{error}");
}

#[cfg(not(feature = "kernel"))]
#[test]
fn a_binary_without_ebpf_says_so() {
    let arguments = ["daemon", "--config", "/dev/null", "--listen", "127.0.0.1:0"];
    let (code, _, error) = iotruth(&arguments, &[]);
    assert_eq!(code, 1, "{error}");
    assert!(error.starts_with("iotruth: this binary was built without eBPF"), "{error}");
    assert!(error.contains("cargo xtask build"), "{error}");
}
