//! What the figures are figures of.

use std::{fs, process::Command};

use anyhow::{Context, Result};

use crate::command;

/// Machine, kernel and date, as one sentence each.
pub(super) fn describe() -> Result<String> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
    let machine = machine(&read("/proc/cpuinfo")?, &read("/proc/meminfo")?);
    let kernel = read("/proc/sys/kernel/osrelease")?;
    let date = command::output(Command::new("date").args(["--utc", "+%Y-%m-%d"]))?;
    Ok(format!("{machine}. Linux {}. {}.", kernel.trim(), date.trim()))
}

fn machine(cpuinfo: &str, meminfo: &str) -> String {
    let value = |line: &str| line.split_once(':').map_or("", |(_, value)| value.trim()).to_owned();
    let first = |text: &str, name| text.lines().find(|line| line.starts_with(name)).map(value);
    let cpus = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let model = first(cpuinfo, "model name").unwrap_or_else(|| "an unknown CPU".to_owned());
    let flags = first(cpuinfo, "flags").unwrap_or_default();
    let guest = flags.split_whitespace().any(|flag| flag == "hypervisor");
    let memory = first(meminfo, "MemTotal").unwrap_or_default();
    let kibibytes: u64 =
        memory.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_default();
    let kind = if guest { "virtual machine" } else { "machine" };
    format!("A {kind} with {cpus} CPUs ({model}) and {} GiB of memory", kibibytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::machine;

    #[test]
    fn a_machine_is_told_in_a_sentence() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu hypervisor\n\n\
            processor\t: 1\nmodel name\t: Some CPU\nflags\t\t: fpu hypervisor\n";
        let expected = "A virtual machine with 2 CPUs (Some CPU) and 24 GiB of memory";
        assert_eq!(machine(cpuinfo, "MemTotal:       25165824 kB\n"), expected);
    }
}
