//! Whether a reader still goes round, and if not, whether that is its own fault.

use std::{fmt, fs, time::Duration};

use super::{publish::PUBLISH_EVERY, tick::Tick};

/// A reader that has not gone round between so many looks is looked at closely. Looks are counted
/// rather than seconds, because a process that was stopped, or a machine that slept, has lost seconds
/// and not its readers.
const PATIENCE: u32 = 15;
const _: () =
    assert!(PUBLISH_EVERY.as_millis() * PATIENCE as u128 > 20 * Tick::LONGEST.as_millis());

/// The same of a reader that the kernel does not let go: a minute.
const LONG_PATIENCE: u32 = 20 * PATIENCE;

/// CPU time in which any reader goes round, however much there is in its rings.
const ENOUGH: Duration = Duration::from_secs(3);

/// State of a thread that could run.
const RUNNABLE: char = 'R';

/// State of a thread that waits within the kernel, and that no signal reaches.
const UNINTERRUPTIBLE: char = 'D';

/// Functions of the kernel that are named where a thread waits.
const FUNCTIONS: usize = 4;

/// What a look at a reader tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    /// It goes round.
    Beats,
    /// It would go round if it were given a CPU: the machine has more to do than it can. What is
    /// lost meanwhile is counted, and the reader goes on by itself.
    Starved,
    /// It waits within the kernel for what others hold: nothing of ours can end that, and it mostly
    /// ends by itself.
    HeldUp,
    /// It stands still, and what happens is seen by nobody. What its thread does; `None` if it is
    /// gone.
    Stalled(Option<Thread>),
}

/// What was seen of one reader so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    rounds: u64,
    /// How many looks have seen just these rounds.
    looks: u32,
    /// CPU time of its thread when the first of them did.
    cpu: Duration,
}

impl Watch {
    /// Whether the reader had not gone round at the last look.
    pub(super) const fn is_still(&self) -> bool {
        self.looks > 0
    }

    /// One more look: how often the reader went round, and a way to its thread.
    pub(super) fn look(&mut self, rounds: u64, thread: impl FnOnce() -> Option<Thread>) -> Pulse {
        if self.rounds != rounds {
            *self = Self { rounds, ..Self::default() };
            return Pulse::Beats;
        }
        self.looks = self.looks.saturating_add(1);
        if self.looks == 1 {
            self.cpu = thread().map_or(Duration::ZERO, |thread| thread.cpu);
        } else if self.looks >= PATIENCE {
            return match thread() {
                Some(thread) if thread.waits_for_a_cpu(self.cpu) => Pulse::Starved,
                Some(Thread { state: UNINTERRUPTIBLE, .. }) if self.looks < LONG_PATIENCE => {
                    Pulse::HeldUp
                }
                other => Pulse::Stalled(other),
            };
        }
        Pulse::Beats
    }
}

/// A thread, as the scheduler sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Thread {
    /// The letter of its state in `/proc`: R if it runs, or waits for a CPU.
    state: char,
    /// User and system time.
    cpu: Duration,
}

impl Thread {
    /// A thread of this process, by its number; `None` if it has ended. Number 0 is a thread that
    /// was started and has not run yet.
    pub(super) fn read(number: u32) -> Option<Self> {
        if number == 0 {
            return Some(Self { state: RUNNABLE, cpu: Duration::ZERO });
        }
        let stat = fs::read_to_string(format!("/proc/self/task/{number}/stat")).ok()?;
        Self::parse(&stat, rustix::param::clock_ticks_per_second())
    }

    /// From `/proc/PID/task/TID/stat`, fields 3, 14 and 15.
    fn parse(stat: &str, ticks_per_second: u64) -> Option<Self> {
        // The second field is the name in parentheses and may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let user: u64 = fields.nth(10)?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        let cpu = Duration::from_millis((user + system) * 1000 / ticks_per_second.max(1));
        Some(Self { state, cpu })
    }

    /// Whether it has work to do and was not given the time to do it since it had used `before`.
    fn waits_for_a_cpu(self, before: Duration) -> bool {
        self.state == RUNNABLE && self.cpu.saturating_sub(before) < ENOUGH
    }
}

/// Where in the kernel a thread of this process waits, innermost function first; empty where the
/// kernel does not tell.
pub(super) fn place(number: u32) -> String {
    let read = |file| fs::read_to_string(format!("/proc/self/task/{number}/{file}"));
    match read("stack") {
        Ok(stack) => functions(&stack),
        // Only root may see the stack.
        Err(_) => read("wchan").map(|function| function.trim().to_owned()).unwrap_or_default(),
    }
}

/// From lines such as `[<0>] rwsem_down_read_slowpath+0x1f2/0x4b0`.
fn functions(stack: &str) -> String {
    let name = |line: &str| -> Option<String> {
        Some(line.split_once("] ")?.1.split('+').next()?.to_owned())
    };
    stack.lines().filter_map(name).take(FUNCTIONS).collect::<Vec<_>>().join(" < ")
}

impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in state {}, after {:?} of CPU time", self.state, self.cpu)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ENOUGH, LONG_PATIENCE, PATIENCE, Pulse, RUNNABLE, Thread, Watch, functions};

    const USED: Duration = Duration::from_secs(40);

    /// The pulse at the last of so many looks that see no round.
    fn after(looks: u32, then: Option<Thread>) -> Pulse {
        let mut watch = Watch::default();
        assert_eq!(watch.look(7, || None), Pulse::Beats);
        for _ in 1..looks {
            watch.look(7, || Some(Thread { state: RUNNABLE, cpu: USED }));
        }
        watch.look(7, || then)
    }

    #[test]
    fn only_who_could_run_and_may_not_is_starved_or_held_up() {
        let thread = |state, more| Some(Thread { state, cpu: USED + more });
        let little = ENOUGH / 2;
        assert_eq!(after(PATIENCE - 1, None), Pulse::Beats);
        assert_eq!(after(PATIENCE, thread('R', little)), Pulse::Starved);
        assert_eq!(after(50 * PATIENCE, thread('R', little)), Pulse::Starved);
        assert_eq!(after(PATIENCE, thread('D', little)), Pulse::HeldUp);
        let held_up_for_long = thread('D', little);
        assert_eq!(after(LONG_PATIENCE, held_up_for_long), Pulse::Stalled(held_up_for_long));
        for stalled in [thread('S', little), thread('R', ENOUGH), None] {
            assert_eq!(after(PATIENCE, stalled), Pulse::Stalled(stalled));
        }
    }

    #[test]
    fn a_round_makes_up_for_everything() {
        let mut watch = Watch::default();
        let sleeps = || Some(Thread { state: 'S', cpu: USED });
        for rounds in 1..10 {
            assert_eq!(watch.look(rounds, sleeps), Pulse::Beats);
            for _ in 1..PATIENCE {
                assert_eq!(watch.look(rounds, sleeps), Pulse::Beats);
            }
        }
    }

    #[test]
    fn the_name_of_a_thread_may_hold_anything() {
        let stat = "7 (a) R 3) R 1 7 7 0 -1 4194304 91 0 0 0 250 150 0 0 20 0 4 0 9 1 2 3";
        let thread = Thread { state: 'R', cpu: Duration::from_secs(4) };
        assert_eq!(Thread::parse(stat, 100), Some(thread));
        let sleeps = stat.replace(") R 1", ") S 1");
        assert_eq!(Thread::parse(&sleeps, 100), Some(Thread { state: 'S', ..thread }));
        assert_eq!(Thread::parse("7 (reader/0) R 1", 100), None);
        assert_eq!(Thread::parse("", 100), None);
    }

    #[test]
    fn where_a_thread_waits_is_told_by_functions() {
        let stack = "[<0>] schedule_timeout+0x1/0x2\n[<0>] down_read+0x10/0x20\n[<0>] a+0/1\n\
                     [<0>] b+0/1\n[<0>] c+0/1\n";
        assert_eq!(functions(stack), "schedule_timeout < down_read < a < b");
        assert_eq!(functions(""), "");
    }

    #[test]
    fn this_thread_runs() {
        let number = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        assert!(Thread::read(number).is_some_and(|thread| thread.state == RUNNABLE));
        assert!(Thread::read(0).is_some_and(|thread| thread.state == RUNNABLE), "it will run");
        assert_eq!(Thread::read(u32::MAX), None);
    }
}
