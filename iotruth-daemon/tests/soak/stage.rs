//! The devices of a phase.

use std::{fs::File, path::Path};

use crate::harness::{ext4::Ext4, loop_device::LoopDevice, tmpfs::Tmpfs};

/// MiB of each device.
pub(crate) const SIZE: u32 = 64;

/// Loop devices of every kind. The order is the one in which they can be taken down.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Over a file of the file system, through the page cache.
    nested: Option<LoopDevice>,
    file_system: Option<Ext4>,
    /// Under the file system; past the page cache.
    below: LoopDevice,
    /// Through the page cache.
    pub(crate) cached: LoopDevice,
    _memory: Tmpfs,
    /// Past the page cache.
    pub(crate) direct: LoopDevice,
}

impl Stage {
    /// Sets everything up.
    pub(crate) fn new() -> Self {
        let direct = LoopDevice::new(SIZE);
        let memory = Tmpfs::new(SIZE + 1);
        let cached = LoopDevice::over(&memory.file("disk", u64::from(SIZE) << 20), &[]);
        // Room for the file and for what is written beside it.
        let below = LoopDevice::new(3 * SIZE);
        let file_system = Ext4::make(&below, true);
        let file = file_system.path().join("disk");
        File::create_new(&file)
            .and_then(|file| file.set_len(u64::from(SIZE) << 20))
            .expect("a file can be all hole");
        let nested = LoopDevice::over(&file, &[]);
        file_system.sync();
        Self {
            nested: Some(nested),
            file_system: Some(file_system),
            below,
            cached,
            _memory: memory,
            direct,
        }
    }

    /// Those whose every byte may be written.
    pub(crate) fn open_to_all(&self) -> impl Iterator<Item = &LoopDevice> {
        [&self.direct, &self.cached].into_iter().chain(&self.nested)
    }

    /// All that are there.
    pub(crate) fn devices(&self) -> Vec<&LoopDevice> {
        self.open_to_all().chain([&self.below]).collect()
    }

    /// Where files can be written.
    pub(crate) fn directory(&self) -> &Path {
        self.file_system.as_ref().expect("it is mounted under load").path()
    }

    /// Takes the uppermost device away and the file system that it lies on, which writes now and
    /// then by itself.
    pub(crate) fn take_down_nested(&mut self) {
        self.nested = None;
        self.file_system = None;
    }

    /// The uppermost device.
    pub(crate) fn nested(&self) -> Option<&LoopDevice> {
        self.nested.as_ref()
    }
}
