//! Where things lie: the repository, its `target` folder, the tools that set-up puts there.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::command;

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// Cargo's output folder, where `CARGO_TARGET_DIR` may have moved it.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(moved) => root().join(moved),
        None => root().join("target"),
    }
}

/// The root under which `cargo install` puts the tools of this repository.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

/// `PATH` with our own tools first, and with the folders of the administrator's tools last: depmod
/// and losetup live there, and a plain user's `PATH` leaves them out.
pub(crate) fn search_path() -> Result<OsString> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools().join("bin"))
        .chain(env::split_paths(&inherited))
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")]);
    env::join_paths(folders).context("a folder in PATH contains a colon")
}

/// Is a program to be found, and where?
pub(crate) fn which(program: &str) -> Result<Option<PathBuf>> {
    Ok(env::split_paths(&search_path()?).map(|dir| dir.join(program)).find(|path| path.is_file()))
}

/// The cargo that runs us, ready to work at the top of the repository.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// The target triple of this machine.
pub(crate) fn host_triple() -> Result<String> {
    let text = command::output(Command::new("rustc").arg("-vV"))?;
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV names no host")
}
