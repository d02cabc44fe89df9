//! The lines of an ftrace instance, each of which is read once.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Its `trace_pipe`.
#[derive(Debug)]
pub(crate) struct TracePipe {
    // The instance can be removed only once this is closed.
    file: Option<File>,
    /// The beginning of a line of which the rest has not come yet.
    rest: String,
    lost: bool,
}

impl TracePipe {
    /// Of this instance.
    pub(crate) fn open(instance: &Path) -> Self {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(instance.join("trace_pipe"))
            .expect("a trace can be read");
        Self { file: Some(file), rest: String::new(), lost: false }
    }

    /// Hands over each line that is there, and does not wait for more.
    pub(crate) fn read(&mut self, mut take: impl FnMut(&str)) {
        // As much as the kernel hands over at a time.
        let mut chunk = [0; 8192];
        while let Some(file) = &mut self.file {
            match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => {
                    let text = chunk.get(..length).unwrap_or_default();
                    self.rest.push_str(&String::from_utf8_lossy(text));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!("the trace cannot be read: {error}"),
            }
            let Some((lines, rest)) = self.rest.rsplit_once('\n') else { continue };
            for line in lines.lines() {
                // `CPU:1 [LOST 94 EVENTS]`
                self.lost |= line.starts_with("CPU:") && line.contains("LOST");
                take(line);
            }
            self.rest = rest.to_owned();
        }
    }

    /// Whether lines were overwritten before they were read.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost
    }

    /// Ends the reading.
    pub(crate) fn close(&mut self) {
        self.file = None;
    }
}
