//! The purity of the engine: no clock, files, environment, network, threads or async inside it, and
//! nothing of the rest of the daemon.
//!
//! The scan reads the module tree from `engine/mod.rs` down, without its tests, and looks at every
//! path that the code names. Clippy's `disallowed_methods`, which the engine switches on, sees what
//! a method call hides; this sees what a `use` line brings in.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

mod paths;
mod tokens;

use paths::Path as CodePath;

/// Parts of the standard library that tell time or reach outside.
const IMPURE_STD: [&str; 17] = [
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::Stderr",
    "std::io::stdin",
    "std::io::Stdin",
    "std::io::stdout",
    "std::io::Stdout",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
    "core::net",
    "std::future",
];

/// Dependencies of the daemon that only compute; all others are closed to the engine.
const PURE_DEPENDENCIES: [&str; 5] =
    ["bytemuck", "crc32fast", "iotruth-common", "serde", "thiserror"];

/// Macros that print.
const PRINTING: [&str; 5] = ["dbg", "eprint", "eprintln", "print", "println"];

/// One thing that the engine must not name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Violation {
    line: usize,
    what: String,
}

/// Fails with every violation in the engine of the repository at `root`.
pub(crate) fn check(root: &Path) -> Result<()> {
    let daemon = root.join("iotruth-daemon");
    let manifest = read(&daemon.join("Cargo.toml"))?;
    let rules = Rules::new(&manifest);
    let mut found = Vec::new();
    let files = walk(&daemon.join("src/engine/mod.rs"), 0, &rules, &mut found)?;
    if found.is_empty() {
        println!("the engine is pure: {files} files, {} closed paths", rules.closed.len());
        return Ok(());
    }
    bail!(
        "the engine must be told what it needs to know, and it names things that find out by \
         themselves:\n  {}",
        found.join("\n  ")
    );
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Scans a module and those below it; returns how many files that were.
fn walk(file: &Path, depth: usize, rules: &Rules, found: &mut Vec<String>) -> Result<usize> {
    let scan = scan(&read(file)?, depth, rules);
    let shown = file.display();
    found.extend(scan.violations.iter().map(|v| format!("{shown}:{}: {}", v.line, v.what)));
    let folder = match file.file_stem() {
        Some(stem) if stem != "mod" => file.with_file_name(stem),
        _ => file.with_file_name(""),
    };
    let mut files = 1;
    for module in scan.modules {
        files += walk(&module_file(&folder, &module)?, depth + 1, rules, found)?;
    }
    Ok(files)
}

fn module_file(folder: &Path, module: &str) -> Result<PathBuf> {
    [folder.join(format!("{module}.rs")), folder.join(module).join("mod.rs")]
        .into_iter()
        .find(|path| path.is_file())
        .with_context(|| format!("module {module} has no file in {}", folder.display()))
}

/// What is closed to the engine.
#[derive(Debug)]
struct Rules {
    closed: Vec<Vec<String>>,
}

impl Rules {
    fn new(manifest: &str) -> Self {
        let crates = dependencies(manifest)
            .into_iter()
            .filter(|name| !PURE_DEPENDENCIES.contains(&name.as_str()))
            .map(|name| vec![name.replace('-', "_")]);
        let std = IMPURE_STD.iter().map(|path| path.split("::").map(str::to_owned).collect());
        Self { closed: std.chain(crates).collect() }
    }

    /// Why the engine, `depth` modules below its top, must not name this path.
    fn judge(&self, path: &CodePath, depth: usize) -> Option<String> {
        let name = path.segments.join("::");
        // A field may well be called as a crate is; only what has a word behind it reaches into one.
        if path.segments.len() < 2 && !path.imported {
            return None;
        }
        if let Some(closed) = self.closed.iter().find(|closed| path.segments.starts_with(closed)) {
            return Some(format!("`{name}` is closed to the engine (`{}`)", closed.join("::")));
        }
        // Importing a module that holds closed things would let them in under another name.
        let opens = |closed: &Vec<String>| {
            closed.len() > path.segments.len() && closed.starts_with(&path.segments)
        };
        if path.imported && self.closed.iter().any(opens) {
            return Some(format!("`use {name}` as a whole; import what is needed from it"));
        }
        let supers = path.segments.iter().take_while(|segment| *segment == "super").count();
        // `pub(in super::super)` says who may look in; what has another word behind it looks out.
        let looks_out = path.imported || path.segments.len() > supers;
        let crate_root = path.segments.first().is_some_and(|first| first == "crate");
        let engine = path.segments.get(1).is_some_and(|second| second == "engine");
        if looks_out && (supers > depth || (crate_root && !engine)) {
            return Some(format!("`{name}` is outside the engine"));
        }
        None
    }
}

/// The names in the tables of dependencies of a manifest, those for tests and build scripts not.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            names.insert(name.trim_matches('"').to_owned());
        }
    }
    names
}

#[derive(Debug, Default)]
struct Scan {
    violations: Vec<Violation>,
    /// Modules in files of their own.
    modules: Vec<String>,
}

fn scan(source: &str, depth: usize, rules: &Rules) -> Scan {
    let tokens = tokens::without_tests(&tokens::split(source));
    let mut scan = Scan { modules: paths::modules(&tokens), ..Scan::default() };
    for path in paths::all(&tokens) {
        if let Some(what) = rules.judge(&path, depth) {
            scan.violations.push(Violation { line: path.line, what });
        }
    }
    for pair in tokens.windows(2) {
        let [word, next] = pair else { continue };
        let text = word.text.as_str();
        if (next.text == "!" && PRINTING.contains(&text)) || ["async", "await"].contains(&text) {
            let what = format!("`{text}` has no place in the engine");
            scan.violations.push(Violation { line: word.line, what });
        }
        if text == "extern" && next.text == "crate" {
            let what = "`extern crate` gives a crate another name".to_owned();
            scan.violations.push(Violation { line: word.line, what });
        }
    }
    scan
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[package]\nname = \"x\"\n[dependencies]\naya = { optional = true }\n\
        # a comment\ntokio.workspace = true\ntracing-subscriber = \"1\"\nthiserror.workspace = true\n\
        [dev-dependencies]\nproptest = \"1\"\n";

    fn violations(source: &str) -> Vec<(usize, String)> {
        let scan = scan(source, 1, &Rules::new(MANIFEST));
        scan.violations.into_iter().map(|violation| (violation.line, violation.what)).collect()
    }

    fn assert_refused(source: &str, line: usize) {
        let found = violations(source);
        assert!(found.iter().any(|(at, _)| *at == line), "{source:?} gave {found:?}");
    }

    #[test]
    fn what_tells_time_or_reaches_outside_is_refused() {
        assert_refused("use std::time::Instant;", 1);
        assert_refused("use std::{\n    fmt,\n    time::{Duration, SystemTime},\n};", 3);
        assert_refused("fn f() {\n    let _ = std::fs::read(\"/etc/passwd\");\n}", 2);
        assert_refused("fn f() { ::std::env::var(\"HOME\"); }", 1);
        assert_refused("use std::thread as t;", 1);
        assert_refused("use core::net::Ipv4Addr;", 1);
        assert_refused("use std::io::stdin;", 1);
        assert_refused("fn f() { println!(\"x\"); }", 1);
        assert_refused("async fn f() {}", 1);
    }

    #[test]
    fn a_module_that_would_let_it_in_under_another_name_is_refused() {
        assert_refused("use std::time;\nfn f() { time::Instant::now(); }", 1);
        assert_refused("use std::time::*;", 1);
        assert_refused("use std as s;", 1);
        assert_refused("use std::io::{self, Read};", 1);
        assert_refused("extern crate std as s;", 1);
    }

    #[test]
    fn crates_are_closed_unless_they_only_compute() {
        assert_refused("use aya::Ebpf;", 1);
        assert_refused("fn f() { tokio::spawn(g()); }", 1);
        assert_refused("use tracing_subscriber::fmt;", 1);
        assert_eq!(violations("struct S { tokio: u8 }\nfn f(s: S) -> S { S { tokio: 1 } }"), []);
        assert_eq!(violations("use thiserror::Error;\nuse iotruth_common::probe::Probe;"), []);
    }

    #[test]
    fn the_rest_of_the_daemon_is_closed() {
        assert_refused("use crate::kernel::load;", 1);
        assert_refused("fn f() -> crate::http::Router { g() }", 1);
        assert_refused("use super::super::pipeline::Reader;", 1);
        assert_refused("use crate;", 1);
        assert_refused("use crate::*;", 1);
        assert_eq!(violations("pub(crate) fn f() {}\npub(super) fn g() {}"), []);
        assert_eq!(violations("use crate::engine::kind::Kind;\nuse super::phase::Phase;"), []);
    }

    #[test]
    fn what_is_pure_passes() {
        let source = r##"
            //! `std::fs` in a comment, "std::time::Instant" in a string: neither is code.
            use std::{collections::BTreeMap, fmt, io::Read, sync::Arc, time::Duration};
            /* use std::env; /* nested */ use aya::Ebpf; */
            const TEXT: &str = "use std::thread;";
            const RAW: &str = r#"tokio::spawn("x")"#;
            fn f<'a>(x: &'a Foo) -> char { let _ = x.tokio.aya(); '"' }
            fn g(fs: u8, time: Duration) -> u8 { fs::<u8>(time) }
        "##;
        assert_eq!(violations(source), []);
    }

    #[test]
    fn tests_may_reach_outside() {
        let source = "#[cfg(test)]\nmod tests {\n    use std::fs;\n    fn f() { if true {} }\n}\n\
                      #[cfg(test)]\n#[allow(dead_code)]\nuse std::env;\n\
                      #[cfg(test)]\nmod oracle;\nmod real;\nfn h() { std::process::exit(1) }";
        let found = violations(source);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [12], "{found:?}");
        assert_eq!(scan(source, 1, &Rules::new(MANIFEST)).modules, ["real"]);
    }

    #[test]
    fn the_engine_of_this_repository_is_pure() -> Result<()> {
        check(&crate::workspace::root())
    }
}
