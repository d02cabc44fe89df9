//! The events of the machine: what each step does to its request, and which record it leaves.

use iotruth_common::{
    probe::Probe,
    record::{STATE_COMPLETE, STATE_IDLE},
};

use super::{
    history::{Completed, End, Event, Of},
    machine::{Machine, Run},
    plan::{Ask, Fate},
    steps::Step,
};
use crate::engine::{
    Starts,
    flavor::Flavor,
    synthetic::{ATTACHED, Skip},
};

impl<'c> Machine<'c> {
    /// A request takes a step.
    pub(super) fn perform(&mut self, run: &mut Run<'c>, step: Step, cpu: usize) {
        let flavor = Flavor::linux_6_12();
        match step {
            Step::Start => {
                // `blk_insert_cloned_request` goes past `blk_insert_flush`.
                let untold = run.history.clone && self.case.world.starts == Starts::Flushes;
                if !untold && self.kernel.traces_start(&run.rq) {
                    run.history.proved = true;
                    self.submit(run, Probe::Start, cpu);
                }
                // `blk_insert_flush`
                if matches!(run.plan.ask, Ask::Durable { .. } | Ask::Empty) {
                    run.rq.cmd_flags &= !flavor.req.preflush;
                }
                if run.sequenced {
                    run.rq.cmd_flags &= !flavor.req.fua;
                    run.rq.rq_flags |= flavor.rqf.flush_seq;
                }
            }
            Step::Remap => {
                run.history.clone = true;
                run.history.proved = true;
                self.plain(run, Probe::Remap, cpu);
            }
            Step::Insert => {
                let tag = std::mem::replace(&mut run.rq.tag, -1);
                self.submit(run, Probe::Insert, cpu);
                run.rq.tag = tag;
            }
            Step::Grow(front, back) => {
                let front = u64::from(front).min(run.rq.sector);
                run.rq.sector -= front;
                run.rq.len += (front as u32 + back) * 512;
            }
            Step::Issue => {
                let requeued = run.history.events.len() > 1;
                run.rq.worker = run.flush || (run.plan.worker && requeued);
                self.submit(run, Probe::Issue, cpu);
                // `blk_add_timer`
                run.rq.rq_flags &= !flavor.rqf.timed_out;
            }
            Step::Requeue => {
                self.plain(run, Probe::Requeue, cpu);
                run.rq.rq_flags &= !flavor.rqf.timed_out;
            }
            Step::Merge => self.plain(run, Probe::Merge, cpu),
            Step::Part(bytes, status) => {
                self.complete(run, cpu, Completed { bytes, status, of: Of::Part });
            }
            Step::Rest(status) => {
                let bytes = run.rq.len;
                let of = if run.flush { Of::Flush } else { Of::Data };
                self.complete(run, cpu, Completed { bytes, status, of });
            }
            Step::Echo => {
                let lost = run.history.lost;
                self.complete(run, cpu, Completed { bytes: 0, status: 0, of: Of::Nothing });
                if !run.sequenced {
                    // The life was over before.
                    run.history.events.pop();
                    run.history.lost = lost;
                }
            }
            Step::Timeout => run.rq.rq_flags |= flavor.rqf.timed_out,
            Step::Unsent => run.rq.state = STATE_COMPLETE,
            Step::Steal => {
                run.rq.len = 0;
                run.rq.bio = false;
            }
            Step::Vanish => {
                let (disk, queue, _) = run.plan.place;
                self.end(run.history.clone(), End::Dropped);
                run.rq = self.allocate(run.plan, run.rq.address);
                run.history = self.history(disk, queue, &run.rq);
                run.history.pid = run.pid;
            }
            // The machinery takes care of these where there is something to flush.
            Step::Flush => {}
            Step::End => self.end_sequence(run, cpu, 0, Of::Nothing),
        }
    }

    fn submit(&mut self, run: &mut Run<'c>, probe: Probe, cpu: usize) {
        self.set_up(run, probe, cpu);
        self.kernel.pid = if run.rq.worker { 9 } else { run.pid };
        run.history.proved |= run.rq.allocated >= ATTACHED;
        self.kernel.submit(probe, &mut run.rq);
        self.note_event(run, Completed::default());
    }

    fn plain(&mut self, run: &mut Run<'c>, probe: Probe, cpu: usize) {
        self.set_up(run, probe, cpu);
        self.kernel.plain(probe, &mut run.rq);
        if probe == Probe::Remap {
            run.history.lost |= self.reset();
        } else {
            self.note_event(run, Completed::default());
        }
    }

    /// A completion.
    pub(super) fn complete(&mut self, run: &mut Run<'c>, cpu: usize, completed: Completed) {
        self.set_up(run, Probe::Complete, cpu);
        self.kernel.complete(&mut run.rq, completed.bytes, completed.status);
        self.note_event(run, completed);
        if completed.of == Of::Data && run.sequenced {
            run.history.data_done = run.history.events.last().map(|event| event.time);
        }
    }

    /// Gets the kernel ready for an event of a request.
    fn set_up(&mut self, run: &mut Run<'c>, probe: Probe, cpu: usize) {
        self.kernel.cpu = cpu as u16;
        self.kernel.skew = self.case.world.skews[cpu];
        let number = run.count;
        run.count += 1;
        match self.fate(run.plan, number, probe, cpu) {
            None => {}
            Some(Fate::Refused) => self.kernel.refuse = 1,
            Some(Fate::Hidden) => self.kernel.hide = 1,
            Some(Fate::Skipped) => self.kernel.skip = Skip::All,
            Some(Fate::Caught) => self.kernel.skip = Skip::First,
            Some(Fate::CaughtLate) => {
                self.kernel.skip = Skip::First;
                let mut counters = self.kernel.counters();
                counters.audit.recursion[probe as usize] += 1;
                self.reading.counters = Some(counters);
            }
        }
    }

    /// Whether the record of the last event is missing.
    fn reset(&mut self) -> bool {
        (self.kernel.hide, self.kernel.refuse) = (0, 0);
        !self.kernel.written
    }

    fn note_event(&mut self, run: &mut Run<'c>, completed: Completed) {
        let rqf = Flavor::linux_6_12().rqf;
        let record = self.kernel.last;
        let missing = self.reset();
        run.history.lost |= missing;
        let newest = run.history.events.last().map_or(0, |event| event.time);
        let probe = Probe::from_wire(record.program).unwrap_or(Probe::Complete);
        run.history.events.push(Event {
            probe,
            time: record.time.max(newest),
            state: record.state,
            extent: (record.sector, record.data_len),
            timed_out: record.rq_flags & rqf.timed_out != 0,
            sequenced: record.rq_flags & rqf.flush_seq != 0,
            missing,
            completed,
        });
        debug_assert!(probe != Probe::Requeue || run.rq.state == STATE_IDLE);
        debug_assert!(run.rq.state <= STATE_COMPLETE);
    }
}
