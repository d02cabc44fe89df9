//! What keeps the cost within its limit: a thread that does what the governor decides.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use iotruth_common::sample::NEXT_SALT;
use tracing::{debug, info, warn};

use super::{
    auditor::Pause,
    clock,
    governor::{Change, Governor, Level, Load},
    helper::Helper,
    meter::Meter,
    samples::{Resampled, Teller},
};
use crate::{
    engine::Sample,
    kernel::{CounterReader, Sampler},
    view::CostStatus,
};

/// How often it is looked what was used.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What the limit is kept with.
#[derive(Debug)]
pub(super) struct Means {
    /// Says what is to be done.
    governor: Governor,
    /// CPUs that may be used.
    limit: f64,
    programs: Sampler,
    readers: Teller,
    audits: Pause,
    sample: Sample,
    salt: u64,
    /// Whether it was told that the limit is exceeded.
    warned: bool,
}

impl Means {
    /// `limit` is in CPUs. The programs and the readers are told what to follow, and audits pause while that
    /// is not every request.
    pub(super) fn new(limit: f64, programs: Sampler, readers: Teller, audits: Pause) -> Self {
        let governor = Governor::new(limit);
        let (sample, salt, warned) = (Sample::ALL, 0, false);
        Self { governor, limit, programs, readers, audits, sample, salt, warned }
    }

    /// CPUs that may be used.
    pub(super) const fn limit(&self) -> f64 {
        self.limit
    }

    /// Saves or returns, where this was the load in the last second; `None` where a reader has ended.
    fn keep(&mut self, load: Load) -> Option<()> {
        if let Some(change) = self.governor.look(clock::monotonic(), load) {
            self.change(change)?;
        }
        // Once, however often the load comes and goes.
        if self.governor.is_exceeded() && !std::mem::replace(&mut self.warned, true) {
            warn!("max_cpu_percent cannot be held: nothing is left that could be saved");
        }
        self.warned &= self.governor.level().one_in > 1;
        Some(())
    }

    fn change(&mut self, change: Change) -> Option<()> {
        let used = format!(
            "{:.2} % of a CPU used, of {:.0} % that may be",
            100.0 * self.governor.used(),
            100.0 * self.limit
        );
        match change {
            Change::Owners(owners) => {
                let word = if owners { "again" } else { "no longer" };
                info!("{used}: it is {word} looked up who asks for a request");
                self.programs.look_up_owners(owners);
                Some(())
            }
            Change::Sample(one_in) => {
                let which = match one_in {
                    1 => "every request".to_owned(),
                    _ => format!("one request in {one_in}"),
                };
                info!("{used}: {which} is followed from now on");
                self.follow(Sample { one_in, salt: self.salt })
            }
            Change::Renew => {
                let one_in = self.sample.one_in;
                debug!("{used}: another one request in {one_in} is followed from now on");
                self.salt = self.salt.wrapping_add(NEXT_SALT);
                self.follow(Sample { one_in, salt: self.salt })
            }
        }
    }

    /// Has another sample followed by everybody: the engines leave out what will no longer be told, the
    /// programs tell of the new sample, and once that is certain the engines follow it.
    fn follow(&mut self, sample: Sample) -> Option<()> {
        if self.sample.is_all() {
            self.audits.begin();
        }
        let both = self.sample.and(sample);
        if both != self.sample {
            self.readers.tell(Resampled { sample: both, since: 0 })?;
        }
        self.programs.tell_of(sample);
        if both != sample {
            self.readers.tell(Resampled { sample, since: self.programs.in_force() })?;
        }
        self.sample = sample;
        if sample.is_all() {
            self.audits.end();
        }
        Some(())
    }
}

/// What the thread is made of.
#[derive(Debug)]
pub(super) struct Economy {
    meter: Meter,
    /// `None` where there is no limit, or no way to keep it.
    means: Option<Means>,
}

impl Economy {
    pub(super) fn new(counters: CounterReader, means: Option<Means>) -> Self {
        Self { meter: Meter::new(counters), means }
    }

    /// Starts the thread.
    pub(super) fn start(mut self) -> io::Result<Thrift> {
        let shown = Arc::<Mutex<Option<CostStatus>>>::default();
        let show = Arc::clone(&shown);
        let (end, ended) = channel::<()>();
        let without = "iotruth_cpus and the sample of requests stay as they were";
        let helper = Helper::start("governor".to_owned(), without, move |errands| {
            while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                let Some(status) = errands.run(|| self.look()) else { return };
                *show.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
            }
        })?;
        Ok(Thrift { shown, helper, _end: end })
    }

    /// Looks what was used; `None` where a reader has ended.
    fn look(&mut self) -> Option<CostStatus> {
        let cost = self.meter.read();
        let mut status = CostStatus {
            daemon: cost.daemon,
            answers: cost.answers,
            programs: cost.programs,
            run_times: cost.run_times,
            left_out: cost.left_out,
            ..CostStatus::new(self.means.as_ref().map(|means| means.limit))
        };
        if let Some(means) = &mut self.means {
            means.keep(cost.load())?;
            let Level { owners, one_in } = means.governor.level();
            (status.owners, status.one_in) = (owners, one_in);
            status.exceeded = means.governor.is_exceeded();
        }
        Some(status)
    }
}

/// The thread, as others see it; it ends with this value.
#[derive(Debug)]
pub(super) struct Thrift {
    shown: Arc<Mutex<Option<CostStatus>>>,
    helper: Helper,
    _end: Sender<()>,
}

impl Thrift {
    /// What was used in the last second and what is left out, where that is news.
    pub(super) fn take(&self) -> Option<CostStatus> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How the thread is doing.
    pub(super) const fn helper(&self) -> &Helper {
        &self.helper
    }
}
