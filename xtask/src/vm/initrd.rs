//! The guest's whole file system: an archive that the kernel unpacks into memory.

use std::{
    fs::{self, File, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{
    kernel::Kernel,
    modules::{self, Index, module_name},
};
use crate::command;

const INIT: &str = include_str!("init.sh");

/// Folders that the guest mounts something on.
const MOUNT_POINTS: [&str; 4] = ["proc", "sys", "dev", "tmp"];

/// The programs that run in the guest, all linked statically.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) busybox: PathBuf,
    pub(super) daemon: PathBuf,
    pub(super) guest: PathBuf,
}

/// Packs the archive and returns its path. The guest runs `scenarios`, one after the other.
pub(super) fn build(
    kernel: &Kernel,
    payload: &Payload,
    scenarios: &[&str],
    folder: &Path,
) -> Result<PathBuf> {
    let tree = folder.join("initrd");
    if tree.exists() {
        fs::remove_dir_all(&tree).context("cannot remove the last guest's files")?;
    }
    for name in MOUNT_POINTS.iter().chain(&["bin", "modules"]) {
        fs::create_dir_all(tree.join(name)).with_context(|| format!("cannot create {name}"))?;
    }
    for (program, place) in
        [(&payload.busybox, "bin/busybox"), (&payload.daemon, "iotruth"), (&payload.guest, "guest")]
    {
        copy_program(program, &tree.join(place))?;
    }
    fs::write(tree.join("init"), INIT).context("cannot write the guest's init")?;
    fs::set_permissions(tree.join("init"), Permissions::from_mode(0o755))?;
    fs::write(tree.join("scenarios"), scenarios.join("\n") + "\n")
        .context("cannot write the guest's scenarios")?;
    copy_modules(&kernel.modules, &tree.join("modules"))?;
    let archive = folder.join("initrd.cpio");
    pack(&tree, &archive)?;
    Ok(archive)
}

fn copy_program(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(fs::set_permissions(to, Permissions::from_mode(0o755))?)
}

fn copy_modules(from: &Path, to: &Path) -> Result<()> {
    let read = |name: &str| {
        fs::read_to_string(from.join(name)).with_context(|| format!("the kernel has no {name}"))
    };
    let (dep, builtin) = (read("modules.dep")?, read("modules.builtin")?);
    let index = Index::parse(&dep, &builtin);
    let where_there = |name: &'static str| Some(name).filter(|name| index.has(name));
    let wanted = modules::WANTED.map(|(name, _reason)| name);
    let wanted = where_there(modules::CHECKSUM).into_iter().chain(wanted);
    let wanted = wanted.chain(where_there(modules::NVME_LOOP));
    let order = index.load_order(&wanted.collect::<Vec<_>>())?;
    for (number, file) in order.into_iter().enumerate() {
        let plain = to.join(format!("{number:02}-{}.ko", module_name(file)));
        unpack_module(&from.join(file), &plain)?;
    }
    Ok(())
}

fn unpack_module(from: &Path, to: &Path) -> Result<()> {
    match from.extension().and_then(|extension| extension.to_str()) {
        Some("ko") => fs::copy(from, to).map(drop).context("cannot copy a module"),
        Some("xz") => {
            let plain =
                File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
            let mut xz = Command::new("xz");
            let status = xz.args(["--decompress", "--stdout"]).arg(from).stdout(plain).status();
            if !status.context("cannot start xz")?.success() {
                bail!("xz cannot unpack {}", from.display());
            }
            Ok(())
        }
        _ => bail!("{} is compressed in a way that is not known here", from.display()),
    }
}

fn pack(tree: &Path, archive: &Path) -> Result<()> {
    // A sorted list gives the same archive each time.
    let list = command::output(Command::new("find").arg(".").current_dir(tree))?;
    let mut names: Vec<&str> = list.lines().collect();
    names.sort_unstable();
    let output =
        File::create(archive).with_context(|| format!("cannot write {}", archive.display()))?;
    let mut cpio = Command::new("cpio")
        .args(["--create", "--quiet", "--format=newc", "--owner=+0:+0"])
        .current_dir(tree)
        .stdin(Stdio::piped())
        .stdout(output)
        .spawn()
        .context("cannot start cpio")?;
    let mut input = cpio.stdin.take().context("cpio has no input")?;
    input.write_all(names.join("\n").as_bytes())?;
    drop(input);
    if !cpio.wait()?.success() {
        bail!("cpio cannot pack {}", tree.display());
    }
    Ok(())
}
