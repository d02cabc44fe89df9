//! Changing the machine back, whatever happens.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// A shell that waits for our end, however it comes, and then runs what it was told, the last first.
///
/// It reads from a pipe, which the kernel closes even if we are killed, and is in a process group of
/// its own, where Ctrl-C does not reach it.
#[derive(Debug)]
pub(super) struct Undo {
    shell: Child,
    lines: Option<ChildStdin>,
}

impl Undo {
    /// With nothing to undo yet.
    pub(super) fn new() -> Result<Self> {
        let mut shell = Command::new("sh")
            // One line that fails keeps none of the others from running.
            .args(["-c", "tac | { bad=0; while read -r line; do sh -c \"$line\" || bad=1; done; exit $bad; }"])
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("cannot start sh")?;
        let lines = shell.stdin.take();
        Ok(Self { shell, lines })
    }

    /// Has one shell command run at the end. What it undoes should come after this call, and the
    /// command should be content if that never happened.
    pub(super) fn later(&mut self, line: &str) -> Result<()> {
        let lines = self.lines.as_mut().context("all was undone already")?;
        writeln!(lines, "{line}").context("the shell that undoes everything has gone")
    }

    /// Undoes everything now.
    pub(super) fn now(&mut self) -> Result<()> {
        if self.lines.take().is_some() && !self.shell.wait()?.success() {
            bail!("not everything could be undone; see above");
        }
        Ok(())
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        if let Err(error) = self.now() {
            eprintln!("{error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use anyhow::Result;

    use super::Undo;

    #[test]
    fn the_last_change_is_undone_first_and_failures_are_told() -> Result<()> {
        let folder = std::env::temp_dir().join(format!("iotruth-undo-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let file = folder.join("file");
        let mut undo = Undo::new()?;
        undo.later(&format!("echo one >> {}", file.display()))?;
        undo.later("false")?;
        undo.later(&format!("echo two >> {}", file.display()))?;
        assert!(undo.now().is_err());
        assert_eq!(fs::read_to_string(&file)?, "two\none\n");
        assert!(undo.now().is_ok(), "only once");
        fs::remove_dir_all(&folder)?;
        Ok(())
    }
}
