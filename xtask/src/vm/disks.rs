//! The disks that QEMU itself gives to the guest; the others are made by modules in the guest.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{command, workspace};

/// A virtio disk without a medium behind it. Sector 4096 of it can be written and never read.
///
/// blkdebug acts on the events of the format above it, here that of a raw image.
const FAULTY: [&str; 4] = [
    "-blockdev",
    "driver=raw,node-name=faulty,file.driver=blkdebug,\
     file.inject-error.0.event=read_aio,file.inject-error.0.iotype=read,\
     file.inject-error.0.errno=5,file.inject-error.0.sector=4096,\
     file.image.driver=null-co,file.image.size=67108864,file.image.read-zeroes=on",
    "-device",
    "virtio-blk-pci,drive=faulty,serial=faulty,num-queues=2,rerror=report,werror=report",
];

/// An NVM Express disk without a medium behind it.
const NVME: [&str; 4] = [
    "-blockdev",
    "driver=null-co,node-name=nvme,size=67108864,read-zeroes=on",
    "-device",
    "nvme,drive=nvme,serial=nvme,max_ioqpairs=2",
];

/// The features of a file system that every kernel of the matrix can mount.
///
/// The first one has no journal: its writes are then those of the files, and the kernel's workers
/// write them on behalf of whoever made them dirty.
const EXT4: [(&str, &str); 2] = [
    ("ext4", "none,extent,filetype,sparse_super"),
    ("journal", "none,has_journal,extent,filetype,sparse_super"),
];

/// Size of a disk with a file system.
const EXT4_BYTES: u64 = 64 << 20;

/// QEMU's arguments for all disks.
pub(super) fn arguments(folder: &Path) -> Result<Vec<String>> {
    let mut arguments: Vec<_> = FAULTY.into_iter().chain(NVME).map(str::to_owned).collect();
    for (name, features) in EXT4 {
        let image = ext4(folder, name, features)?;
        let image = image.to_str().context("the path of target/vm is not UTF-8")?;
        // A comma ends an option, and two of them are one comma.
        let image = image.replace(',', ",,");
        let file = format!("driver=raw,node-name={name},file.driver=file,file.filename={image}");
        let disk = format!("virtio-blk-pci,drive={name},serial={name},num-queues=1");
        arguments.extend(["-blockdev".to_owned(), file, "-device".to_owned(), disk]);
    }
    Ok(arguments)
}

/// Makes an image with a file system.
fn ext4(folder: &Path, name: &str, features: &str) -> Result<PathBuf> {
    let image = folder.join(format!("{name}.img"));
    let file =
        fs::File::create(&image).with_context(|| format!("cannot write {}", image.display()))?;
    file.set_len(EXT4_BYTES)?;
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.env("PATH", workspace::search_path()?);
    mkfs.args(["-q", "-F", "-b", "4096", "-O", features, "-E", "lazy_itable_init=0"]);
    command::output(mkfs.arg(&image))?;
    Ok(image)
}
