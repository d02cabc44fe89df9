//! The scenarios that every kernel of the matrix runs, and those that a kernel has no part for.

use anyhow::{Context, Result};

/// One scenario: a module of the daemon's tests in `tests/guest`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    /// The name of the module.
    pub(super) name: &'static str,
    /// What it does, for people.
    pub(super) about: &'static str,
    /// Kernel series that lack a part of it, and which part.
    absent: &'static [(&'static str, &'static str)],
}

/// Every scenario, in the order in which they run.
pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "exact_counts",
        about: "null_blk under every I/O scheduler, with and without start events",
        absent: &[],
    },
    Scenario {
        name: "flushes",
        about: "empty, before the data, after it and with FUA: null_blk, virtio and ext4's journal",
        absent: &[],
    },
    Scenario { name: "nvme", about: "two hardware queues, and FUA of the disk's own", absent: &[] },
    Scenario {
        name: "latency",
        about: "null_blk and scsi_debug that take 50 ms: never less, and at most 20 ms more at best",
        absent: &[],
    },
    Scenario { name: "elevator_switch", about: "I/O schedulers switch under load", absent: &[] },
    Scenario {
        name: "cpu_hotplug",
        about: "a CPU goes and comes back under load, and one comes that has no rings yet",
        absent: &[],
    },
    Scenario {
        name: "cpu_limit",
        about: "fewer requests are followed, and then every one again",
        absent: &[],
    },
    Scenario {
        name: "busy_device",
        about: "null_blk that sends back what is too much",
        absent: &[],
    },
    Scenario {
        name: "host_busy",
        about: "scsi_debug that refuses commands, before and after they are started",
        absent: &[],
    },
    Scenario {
        name: "short_transfer",
        about: "scsi_debug that transfers a part, and one that gets nowhere",
        absent: &[],
    },
    Scenario {
        name: "scsi_timeout",
        about: "scsi_debug that does not answer once: taken back and sent again",
        absent: &[],
    },
    Scenario {
        name: "timeouts",
        about: "null_blk that answers too late: failed by the driver",
        absent: &[],
    },
    Scenario {
        name: "stuck",
        about: "null_blk that keeps requests: stuck in the device and behind it, slow flushes",
        absent: &[],
    },
    Scenario { name: "medium_error", about: "scsi_debug with a bad sector", absent: &[] },
    Scenario {
        name: "virtio_errors",
        about: "a virtio disk with a sector that QEMU fails to read",
        absent: &[],
    },
    Scenario {
        name: "device_gone",
        about: "scsi_debug goes offline, or is deleted, under load",
        absent: &[],
    },
    Scenario {
        name: "slow_probe",
        about: "scsi_debug that takes seconds to be found: used before it has a name",
        absent: &[],
    },
    Scenario {
        name: "multipath",
        about: "dm-multipath on two hosts, one of which is busy and then goes",
        absent: &[],
    },
    Scenario {
        name: "path_failover",
        about: "an nvme subsystem on two paths that change: requests go from one to the other",
        absent: &[
            ("5.10", "Debian's kernel has no nvme-loop, and an emulated disk refuses no path"),
            ("6.1", "Debian's kernel has no nvme-loop, and an emulated disk refuses no path"),
        ],
    },
    Scenario {
        name: "cgroup_owners",
        about: "two cgroups: direct and buffered writes, write-back by kernel workers",
        absent: &[],
    },
    Scenario {
        name: "overcommit",
        about: "more busy threads than CPUs at full load: how often the kernel skips a program",
        absent: &[],
    },
];

impl Scenario {
    /// Why this scenario is not run on a series; `None` where it is.
    pub(super) fn absent(&self, series: &str) -> Option<&'static str> {
        self.absent.iter().find(|(name, _)| *name == series).map(|(_, reason)| *reason)
    }
}

/// All scenarios, or those that `--scenario` names.
pub(super) fn choose(wanted: &[String]) -> Result<Vec<&'static Scenario>> {
    if wanted.is_empty() {
        return Ok(SCENARIOS.iter().collect());
    }
    wanted.iter().map(|name| find(name)).collect()
}

fn find(wanted: &str) -> Result<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == wanted).with_context(|| {
        let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        format!("no scenario {wanted}; there are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::{SCENARIOS, choose};
    use crate::{vm::series::MATRIX, workspace};

    /// Modules of the guest's test binary that have tests.
    fn modules() -> BTreeSet<String> {
        let folder = workspace::root().join("iotruth-daemon/tests/guest");
        let files = fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()));
        let files = files.into_iter().flatten();
        let tests = files.filter(|path| {
            fs::read_to_string(path).is_ok_and(|text| text.lines().any(|line| line == "#[test]"))
        });
        let names = tests.filter_map(|path| path.file_stem()?.to_str().map(str::to_owned));
        names.collect()
    }

    #[test]
    fn every_test_of_the_guest_belongs_to_a_scenario() {
        let names: BTreeSet<_> =
            SCENARIOS.iter().map(|scenario| scenario.name.to_owned()).collect();
        assert_eq!(names, modules());
        assert_eq!(names.len(), SCENARIOS.len(), "names are unique");
    }

    /// The test runner takes every test whose path has the name in it.
    #[test]
    fn no_scenario_runs_the_tests_of_another() {
        for scenario in SCENARIOS {
            for other in SCENARIOS.iter().filter(|other| other.name != scenario.name) {
                assert!(!other.name.ends_with(scenario.name), "{} {}", other.name, scenario.name);
            }
        }
    }

    #[test]
    fn what_is_absent_names_a_series_and_a_reason() {
        for scenario in SCENARIOS {
            for (series, reason) in scenario.absent {
                assert!(MATRIX.iter().any(|known| known.name == *series), "{series}");
                assert!(!reason.is_empty(), "{} on {series}", scenario.name);
            }
        }
    }

    #[test]
    fn they_are_found_by_their_names() {
        let names = |wanted: &[&str]| {
            let wanted: Vec<_> = wanted.iter().map(|name| (*name).to_owned()).collect();
            let found = choose(&wanted).ok()?;
            Some(found.into_iter().map(|scenario| scenario.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["timeouts", "nvme"]), Some(vec!["timeouts", "nvme"]));
        assert_eq!(names(&["timeout"]), None);
        assert_eq!(names(&[]).map(|all| all.len()), Some(SCENARIOS.len()));
    }
}
