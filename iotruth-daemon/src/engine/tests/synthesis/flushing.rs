//! The flush machinery of the machine, after `blk-flush.c`.

use super::{
    history::{Completed, Of},
    machine::{Machine, Run},
    steps::Step,
};
use crate::engine::{flavor::Flavor, tests::FLUSH};

/// The flush machinery of one hardware queue (`struct blk_flush_queue`). Requests are numbers of
/// runs.
#[derive(Debug, Default)]
pub(super) struct FlushQueue {
    /// Wait for the flush after the one that is on its way.
    pending: Vec<usize>,
    /// Wait for the flush that is on its way.
    running: Vec<usize>,
    busy: bool,
    /// Requests whose data is on its way; no flush begins meanwhile.
    pub(super) data: u32,
}

impl<'c> Machine<'c> {
    /// A request waits for a flush.
    pub(super) fn await_flush(&mut self, index: usize) {
        let Some(run) = self.runs[index].as_ref() else { return };
        let (disk, queue, _) = run.plan.place;
        self.flushes[disk][queue].pending.push(index);
        self.kick(disk, queue);
    }

    /// Begins a flush, if there is who waits for one and nothing is in its way (`blk_kick_flush`).
    fn kick(&mut self, disk: usize, queue: usize) {
        let waiting = &mut self.flushes[disk][queue];
        if waiting.busy || waiting.data > 0 || waiting.pending.is_empty() {
            return;
        }
        waiting.busy = true;
        waiting.running = std::mem::take(&mut waiting.pending);
        let running = waiting.running.iter().filter_map(|index| self.runs[*index].as_ref());
        let pids: Vec<u32> = running.clone().map(|run| run.pid).collect();
        let Some(first) = running.map(|run| run.plan).next() else { return };
        let plan = first.flush;
        let rq = self.flush_request(disk, queue, FLUSH | Flavor::linux_6_12().req.preflush);
        let mut steps = Vec::new();
        if plan.bounced {
            steps.push(Step::Requeue);
        }
        if plan.busy {
            steps.extend([Step::Issue, Step::Requeue]);
        }
        steps.extend([Step::Issue, Step::Rest(plan.status)]);
        let mut history = self.history(disk, queue, &rq);
        history.pid = if pids.iter().all(|pid| *pid == pids[0]) { pids[0] } else { 0 };
        let run = Run {
            plan: first,
            flush: true,
            pid: 9,
            rq,
            steps,
            next: 0,
            sequenced: false,
            count: 3,
            history,
        };
        self.start(run, first.waits[3]);
    }

    /// A flush has ended; who waited for it goes on, or ends with it (`flush_end_io`).
    pub(super) fn flushed(&mut self, run: Run<'c>, cpu: usize) {
        let (disk, queue, _) = run.plan.place;
        let time = run.history.events.last().map_or(0, |event| event.time);
        let status = run.history.status();
        let flush_lost = run.history.lost;
        self.retire(run);
        self.flushes[disk][queue].busy = false;
        for index in std::mem::take(&mut self.flushes[disk][queue].running) {
            let Some(mut run) = self.runs[index].take() else { continue };
            let before = run.history.data_done.is_none();
            if before {
                run.history.pre_flushed = Some(time);
            }
            run.history.flush_lost |= flush_lost;
            if status != 0 {
                self.finish(run, cpu, status, Of::Flush);
            } else if run.upcoming() == Some(Step::End) {
                self.finish(run, cpu, 0, Of::Nothing);
            } else {
                self.flushes[disk][queue].data += 1;
                self.later(index, run);
            }
        }
        self.kick(disk, queue);
    }

    /// The data of a flush sequence has ended (`mq_flush_data_end_io`).
    pub(super) fn data_done(&mut self, index: usize, run: Run<'c>, step: Step, cpu: usize) {
        let (disk, queue, _) = run.plan.place;
        let data = &mut self.flushes[disk][queue].data;
        *data = data.saturating_sub(1);
        match (step, run.upcoming()) {
            (Step::Rest(status), _) if status != 0 => self.finish(run, cpu, status, Of::Nothing),
            (_, Some(Step::End)) => self.finish(run, cpu, 0, Of::Nothing),
            (_, _) => {
                // The flush after it is asked for in the same call.
                let mut run = run;
                run.next += 1;
                self.runs[index] = Some(run);
                self.await_flush(index);
            }
        }
        self.kick(disk, queue);
    }

    /// The end of a flush sequence, in the same call as what led to it.
    fn finish(&mut self, mut run: Run<'c>, cpu: usize, status: i32, of: Of) {
        self.kernel.now += 50;
        self.end_sequence(&mut run, cpu, status, of);
        self.retire(run);
    }

    /// The last completion of what was in a flush sequence (`blk_flush_restore_request`).
    pub(super) fn end_sequence(&mut self, run: &mut Run<'c>, cpu: usize, status: i32, of: Of) {
        run.rq.rq_flags &= !Flavor::linux_6_12().rqf.flush_seq;
        run.rq.bio = true;
        let bytes = run.rq.len;
        self.complete(run, cpu, Completed { bytes, status, of });
    }
}
