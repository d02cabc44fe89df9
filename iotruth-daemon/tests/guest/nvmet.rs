//! An NVM Express subsystem of the kernel's own, reached on two paths: target and host are the same
//! machine.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use crate::{
    disk::{self, Disk},
    harness::patience::wait_for,
};

/// Where the target is configured.
const CONFIG: &str = "/sys/kernel/config/nvmet";

/// Where the host is told to connect.
const FABRICS: &str = "/dev/nvme-fabrics";

/// Its name.
const SUBSYSTEM: &str = "iotruth";

/// Its ports; a path for each.
const PORTS: [&str; 2] = ["1", "2"];

/// A subsystem with one namespace; it goes away with this guard.
#[derive(Debug)]
pub(crate) struct Subsystem {
    controllers: Vec<PathBuf>,
    disk: Option<Disk>,
}

impl Subsystem {
    /// With this device behind its namespace.
    pub(crate) fn over(device: &Path) -> Self {
        let mut subsystem = Self { controllers: Vec::new(), disk: None };
        let root = Path::new(CONFIG).join("subsystems").join(SUBSYSTEM);
        make(&root);
        set(&root.join("attr_allow_any_host"), "1");
        make(&namespace());
        set(&namespace().join("device_path"), &device.to_string_lossy());
        set(&namespace().join("enable"), "1");
        for port in PORTS {
            make(&folder(port));
            set(&folder(port).join("addr_trtype"), "loop");
            set(&folder(port).join("addr_traddr"), port);
            symlink(&root, link(port)).expect("a port can be given a subsystem");
            subsystem.controllers.push(connect(port));
        }
        let head = wait_for("the disk of the subsystem", || {
            let names = disk::names();
            let ours = names.iter().find(|name| {
                let nqn = Path::new("/sys/block").join(name).join("device/subsysnqn");
                !name.contains('c')
                    && fs::read_to_string(nqn).is_ok_and(|nqn| nqn.trim() == SUBSYSTEM)
            });
            ours.cloned().ok_or_else(|| format!("{names:?}"))
        });
        subsystem.disk = Some(Disk::settled(&head));
        wait_for("both paths", || {
            let paths = subsystem.paths();
            if paths.len() == PORTS.len() { Ok(()) } else { Err(format!("{paths:?}")) }
        });
        subsystem
    }

    /// The disk above both paths.
    pub(crate) fn disk(&self) -> &Disk {
        self.disk.as_ref().expect("it was found")
    }

    /// The hidden disks, one for each path.
    pub(crate) fn paths(&self) -> Vec<String> {
        let head = self.disk().name();
        let (controller, namespace) = head.rsplit_once('n').expect("nvme, a number, n and another");
        let is_path = |name: &String| {
            let rest = name.strip_prefix(controller).and_then(|rest| rest.strip_prefix('c'));
            rest.is_some_and(|rest| rest.ends_with(&format!("n{namespace}")))
        };
        let mut paths: Vec<_> = disk::names().into_iter().filter(is_path).collect();
        paths.sort();
        paths
    }
}

/// Whether the target answers on a port, or says that another path is to be taken
/// (`ana_state` of asymmetric namespace access).
pub(crate) fn set_accessible(port: usize, accessible: bool) {
    let state = if accessible { "optimized" } else { "inaccessible" };
    set(&folder(PORTS[port]).join("ana_groups/1/ana_state"), state);
}

impl Drop for Subsystem {
    fn drop(&mut self) {
        for controller in &self.controllers {
            undo(controller, fs::write(controller.join("delete_controller"), "1"));
        }
        for port in PORTS {
            undo(&link(port), fs::remove_file(link(port)));
            undo(&folder(port), fs::remove_dir(folder(port)));
        }
        undo(&namespace(), fs::remove_dir(namespace()));
        let root = Path::new(CONFIG).join("subsystems").join(SUBSYSTEM);
        undo(&root, fs::remove_dir(&root));
    }
}

fn namespace() -> PathBuf {
    Path::new(CONFIG).join("subsystems").join(SUBSYSTEM).join("namespaces/1")
}

fn folder(port: &str) -> PathBuf {
    Path::new(CONFIG).join("ports").join(port)
}

fn link(port: &str) -> PathBuf {
    folder(port).join("subsystems").join(SUBSYSTEM)
}

/// Connects the host to a port, and returns the folder of its controller.
fn connect(port: &str) -> PathBuf {
    let before = controllers();
    let mut fabrics = File::options().read(true).write(true).open(FABRICS);
    let fabrics = fabrics.as_mut().expect("nvme-fabrics is loaded");
    // Without what keeps it alive: that may be on its way while programs are attached.
    let options = format!("transport=loop,nqn={SUBSYSTEM},traddr={port},keep_alive_tmo=0");
    fabrics.write_all(options.as_bytes()).unwrap_or_else(|error| panic!("{options}: {error}"));
    let new = controllers().into_iter().find(|controller| !before.contains(controller));
    new.expect("a connection has a controller")
}

fn controllers() -> Vec<PathBuf> {
    let all = fs::read_dir("/sys/class/nvme").expect("nvme is loaded");
    all.map(|entry| entry.expect("controllers can be listed").path()).collect()
}

fn make(folder: &Path) {
    fs::create_dir(folder).unwrap_or_else(|error| {
        panic!("{}: {error}; is nvmet loaded and configfs mounted?", folder.display())
    });
}

fn set(file: &Path, value: &str) {
    fs::write(file, value).unwrap_or_else(|error| panic!("{value} to {}: {error}", file.display()));
}

fn undo(what: &Path, outcome: std::io::Result<()>) {
    if let Err(error) = outcome {
        eprintln!("{} stays: {error}", what.display());
    }
}
