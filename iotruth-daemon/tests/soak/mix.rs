//! What devices have to stand.

use crate::{
    options::Room,
    random::Random,
    stage::Stage,
    tasks::{self, Task},
};

/// A mix of I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mix {
    /// As many requests as the machine can do.
    Speed,
    /// Everything at once.
    Everything,
    /// I/O schedulers that switch under load.
    Schedulers,
    /// Devices that come and go.
    Churn,
    /// Everything at once, with rings that are far too small for it.
    Loss,
}

impl Mix {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Speed => "speed",
            Self::Everything => "everything",
            Self::Schedulers => "schedulers",
            Self::Churn => "churn",
            Self::Loss => "loss",
        }
    }

    /// What it does, for a table.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Speed => "4 KiB reads at random places, 32 at a time, as fast as it goes",
            Self::Everything => {
                "direct, buffered and durable reads and writes, fsync, discards, zeroes, batches \
                 that merge, ext4, a device upon a file of another"
            }
            Self::Schedulers => "I/O schedulers switch under load",
            Self::Churn => "devices are made, used, detached and made again, beside a busy one",
            Self::Loss => "everything, with rings of a page or a few",
        }
    }

    /// How much room the rings get.
    pub(crate) fn room(self, random: &mut Random) -> Room {
        match self {
            Self::Speed | Self::Everything | Self::Schedulers | Self::Churn => {
                random.pick(&[Room::Ample, Room::Ample, Room::Tight])
            }
            Self::Loss => Room::Scarce,
        }
    }

    /// What is to be done at the same time.
    pub(crate) fn tasks<'a>(self, stage: &'a Stage, random: &mut Random) -> Vec<Task<'a>> {
        match self {
            Self::Speed => {
                let mut all = vec![tasks::fio(&stage.direct, tasks::SPEED)];
                if random.percent(30) {
                    all.push(tasks::orphans());
                }
                all
            }
            Self::Everything => everything(stage, random),
            Self::Schedulers => vec![
                tasks::fio(&stage.direct, random.pick(&tasks::DIRECT)),
                tasks::buffered(&stage.cached),
                tasks::files(stage.directory()),
                tasks::schedulers(stage.devices()),
            ],
            Self::Churn => vec![
                tasks::fio(&stage.direct, random.pick(&tasks::DIRECT)),
                tasks::files(stage.directory()),
                tasks::churn(),
            ],
            Self::Loss => {
                let mut all = everything(stage, random);
                // Reads, which collide with nothing.
                all.push(tasks::fio(&stage.direct, tasks::SPEED));
                all
            }
        }
    }
}

/// Every kind of request, on devices that are drawn.
fn everything<'a>(stage: &'a Stage, random: &mut Random) -> Vec<Task<'a>> {
    let mut all = vec![tasks::files(stage.directory()), tasks::orphans()];
    for device in stage.open_to_all() {
        // Not both: a write past the page cache that collides with one through it is called an I/O
        // error by the kernel itself (`dio_warn_stale_pagecache`), without one of the device.
        if random.percent(60) {
            all.push(tasks::direct(device));
            all.push(tasks::fio(device, random.pick(&tasks::DIRECT)));
        } else {
            all.push(tasks::buffered(device));
            all.push(tasks::fio(device, random.pick(&tasks::BUFFERED)));
        }
        if random.percent(70) {
            all.push(tasks::discards(device));
        }
    }
    if random.percent(50) {
        all.push(tasks::schedulers(stage.devices()));
    }
    if random.percent(30) {
        all.push(tasks::churn());
    }
    all
}
