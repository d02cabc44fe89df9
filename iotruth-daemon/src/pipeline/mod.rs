//! The running daemon: what is started, in which order, and how it ends.
//!
//! Programs and rings belong to `kernel`, the readers are OS threads with an engine each, and the
//! rest is one tokio thread: HTTP, publishing, signals.

mod auditor;
mod clock;
mod diskstats;
mod economy;
#[cfg(test)]
mod fake;
mod files;
mod governor;
mod helper;
mod lookout;
mod memory;
mod meter;
mod outcome;
mod plan;
mod priority;
mod process;
mod publish;
mod pulse;
mod reader;
mod recorder;
mod refusals;
mod residence;
mod samples;
mod signals;
mod sysfs;
mod tick;
mod tracer;
mod unseen;

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::Context;
use iotruth_common::layout::ABSENT;
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use self::{
    auditor::{Auditee, Auditor},
    economy::{Economy, Means, Thrift},
    helper::Helper,
    lookout::{Lookout, PROBE, Surroundings},
    outcome::Readers,
    plan::{Machine, Plan},
    publish::Publisher,
    reader::{BeginAnew, Mailbox, Reader},
    recorder::{Place, Recorded, Recorder},
    samples::Samples,
    signals::Signals,
    sysfs::Places,
    tracer::{Tracing, Types},
    unseen::Unseen,
};
use crate::{
    config::{Config, Fault, Transport},
    engine::{EngineConfig, Limits},
    http,
    view::{AuditStatus, CostStatus, Status, View},
};

/// How long a daemon that has gone blind still answers, so that a probe can read why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the daemon until it is told to stop, or until it can no longer see.
pub fn start(mut config: Config) -> anyhow::Result<()> {
    let mut begin = clock::monotonic();
    let mut known = Known::default();
    files::allow()?;
    priority::raise_session();
    residence::refuse_huge_pages();
    // Not for ever: each time more CPUs have rings, or there are BPF ring buffers, which are right everywhere.
    loop {
        let wrong = match follow(&Arc::new(config.clone()), &known, begin) {
            Ok(()) => return Ok(()),
            Err(error) => error.downcast::<BeginAnew>()?,
        };
        match wrong {
            BeginAnew::TwoWriters => {
                warn!("{wrong}; all begins anew with BPF ring buffers, and without a recording");
                // What was recorded shows what went wrong.
                let transport = Transport::RingBuffers;
                config = Config { transport, record: None, fault: None, ..config };
                known.because = Some(wrong.to_string());
            }
            BeginAnew::NewCpu { cpu, .. } => {
                warn!("{wrong}; all begins anew with rings for it");
                known.below = cpu + 1;
                known.began_anew(&wrong);
            }
            BeginAnew::Multipath => {
                warn!("{wrong}; all begins anew with second programs");
                known.multipath = true;
                known.began_anew(&wrong);
            }
        }
        residence::may_leave_memory();
        begin = clock::monotonic();
    }
}

/// What was found out before all began anew.
#[derive(Debug, Default)]
struct Known {
    /// Why records do not travel in the cheaper way.
    because: Option<String>,
    /// One more than the highest number of a CPU that runs programs.
    below: u32,
    /// Requests are passed on to other disks.
    multipath: bool,
    /// What is to be said of it.
    notes: Vec<String>,
}

impl Known {
    const fn is_second_start(&self) -> bool {
        !self.notes.is_empty()
    }

    fn began_anew(&mut self, why: &BeginAnew) {
        self.notes
            .push(format!("All began anew, and what was counted before is in no figure: {why}."));
    }
}

/// Follows requests until it is told to stop or can no longer see. `begin` is when it was asked to, in
/// nanoseconds of `CLOCK_MONOTONIC`.
fn follow(config: &Arc<Config>, known: &Known, begin: u64) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        // Before anything is loaded: a second daemon must not disturb the first one.
        let listener = http::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let mut notes = known.notes.clone();
        let recording = match config.record.as_deref().map(Place::take).transpose() {
            // The thread that wrote the one before may hang with the disk that it is on.
            Err(error) if known.is_second_start() => {
                warn!("{error:#}; nothing is recorded any more");
                notes.push(format!("Nothing is recorded any more: {error:#}."));
                None
            }
            Ok(Some(None)) => {
                let note = "Nothing is recorded: the file system of the recording did not answer.";
                warn!("{note} The daemon goes on without it.");
                notes.push(note.to_owned());
                None
            }
            place => place?.flatten(),
        };
        let types = Types::read()?;
        let mut plan =
            Plan::new(config, &Machine::here(&types.facts, known.below, known.multipath))?;
        plan.because = plan.because.or_else(|| known.because.clone());
        let (auditor, auditees) =
            Auditor::start(Arc::clone(config), plan.readers.len(), Places::default())
                .context("cannot start the auditor thread")?;
        let mut tracing = Tracing::begin(config, &plan, types, &auditor, begin)?;
        tracing.notes.append(&mut notes);
        if config.bpf_log {
            tracing.log()?;
        }
        let recorder =
            recording.map(|place| Recorder::start(place, config.record_limit)).transpose()?;
        let (teller, samples) = samples::channels(plan.readers.len());
        let means = tracing
            .sampler(config.max_cpu_percent.cpus())
            .map(|(limit, programs)| Means::new(limit, programs, teller, auditor.pause()));
        let limit = means.as_ref().map(Means::limit);
        let economy = Economy::new(tracing.counter_reader()?, means);
        let mailboxes: Vec<_> = plan.readers.iter().map(|_| Arc::<Mailbox>::default()).collect();
        let thrift = economy.start().context("cannot start the governor thread")?;
        let helpers = vec![auditor.helper().clone(), thrift.helper().clone()];
        let ends = auditees.into_iter().zip(samples).zip(mailboxes).collect();
        let auditor = (auditor, helpers);
        let (mut readers, mut publisher, view) =
            read(config, &plan, &mut tracing, auditor, ends, recorder.as_ref())?;
        publisher.show_cost(CostStatus::new(limit));
        residence::stay_in_memory();
        let (stop_http, http) = serve(listener, view);
        info!(
            "following block requests: {}, {} reader(s), attached after {} ms; serving \
             http://{address}",
            plan.rings(),
            plan.readers.len(),
            tracing.start_up.total.as_millis(),
        );
        let outcome = watch_over(&mut signals, &mut readers, &mut publisher, &thrift).await;
        if let Err(error) = &outcome
            && !error.is::<BeginAnew>()
        {
            error!("{error:#}; /readyz fails from now on");
            publisher.not_ready(format!("{error:#}"));
            tokio::time::sleep(LAST_WORDS).await;
        }
        info!("stopping: detaching the programs and draining the rings");
        tracing.detach();
        let joined = readers.stop().await;
        if let Some(recorder) = recorder {
            let again = outcome.as_ref().is_err_and(anyhow::Error::is::<BeginAnew>);
            recorder.finish(outcome.is_err() || joined.is_err(), again).await;
        }
        if let Err(stalled) = publisher.look() {
            warn!("{stalled}");
        }
        drop(stop_http);
        http.await?;
        // Nothing begins anew that was told to stop, before that or meanwhile.
        match (outcome, joined) {
            (Ok(()), Err(error)) if error.is::<BeginAnew>() => warn!("{error}"),
            (Err(error), _) if error.is::<BeginAnew>() => {
                tokio::select! {
                    biased;
                    name = signals.next() => info!("{name}"),
                    () = std::future::ready(()) => return Err(error),
                }
            }
            (outcome, joined) => outcome.and(joined)?,
        }
        info!("stopped");
        Ok(())
    })
}

/// Starts the readers and what shows their findings. Each reader has its end of what connects it with the
/// auditor, the governor and the publisher.
fn read(
    config: &Arc<Config>,
    plan: &Plan,
    tracing: &mut Tracing,
    (auditor, mut helpers): (Auditor, Vec<Helper>),
    ends: Vec<((Auditee, Samples), Arc<Mailbox>)>,
    recorder: Option<&Recorder>,
) -> anyhow::Result<(Readers, Publisher, watch::Receiver<Arc<View>>)> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut mailboxes = Vec::new();
    let mut handles = Vec::new();
    let unseen = Unseen::default();
    let surroundings = Surroundings {
        config: Arc::clone(config),
        places: Places::default(),
        sequenced: tracing.layout.disk_diskseq != ABSENT,
        probe: PROBE,
        herald: auditor.herald(),
    };
    for ((index, rings), ((auditee, samples), mailbox)) in plan.readers.iter().enumerate().zip(ends)
    {
        let (lookout, scouts) =
            Lookout::start(index, surroundings.clone()).context("cannot start a lookout thread")?;
        helpers.extend(scouts);
        let reader = Reader {
            sources: tracing.sources(rings),
            tick: plan.tick(),
            counters: tracing.counters(rings)?,
            memory: tracing.rereader(index)?,
            recorded: Recorded::new(
                EngineConfig {
                    flavor: tracing.flavor,
                    layout: tracing.layout,
                    limits: Limits {
                        stuck_after: config.stuck_after.as_nanos() as u64,
                        slow_flush_after: config.slow_flush_after.as_nanos() as u64,
                    },
                    attached: tracing.attached,
                    tick: tracing.tick,
                    starts: tracing.starts,
                    second_programs: tracing.second_programs,
                    rings: rings.clone(),
                    index,
                    engines: plan.readers.len(),
                },
                recorder.map(|recorder| recorder.track(index)),
            ),
            lookout,
            samples,
            auditee,
            mailbox: Arc::clone(&mailbox),
            stop: Arc::clone(&stop),
            fault: config.fault,
        };
        let spawned = match config.fault {
            Some(Fault::UnseenCompletion) => reader.spawn_without(&unseen, index),
            Some(Fault::ReaderPanic | Fault::ReaderStall | Fault::TwoWriters) | None => {
                reader.spawn(index)
            }
        };
        handles.push(spawned.context("cannot start a reader thread")?);
        mailboxes.push(mailbox);
    }
    let status = Status {
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        attached: clock::anchor().wall_time(tracing.attached),
        start_up: tracing.start_up.clone(),
        programs: tracing.programs.clone(),
        transport: plan.transport.name(),
        transport_reason: plan.because.clone(),
        ring_bytes: plan.ring_bytes(),
        readers: Vec::new(),
        audits: AuditStatus::default(),
        not_ready: None,
        notes: tracing.notes.clone(),
        limits: config.selection().into_iter().collect(),
        process: process::status(process::start()),
        cost: CostStatus::new(None),
    };
    let rings = plan.readers.iter().map(Vec::len).collect();
    let progress = recorder.map(Recorder::progress);
    let (publisher, view) = Publisher::new(mailboxes, rings, (auditor, helpers), status, progress);
    Ok((Readers::new(handles, stop), publisher, view))
}

/// Serves HTTP until the sender is dropped.
fn serve(
    listener: tokio::net::TcpListener,
    view: watch::Receiver<Arc<View>>,
) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let stopped = async {
            // Either way the sender is gone.
            stopped.await.unwrap_or_default();
        };
        http::serve(listener, http::router(view), http::Limits::default(), stopped).await;
    });
    (stop, task)
}

/// Publishes until a signal comes or a reader ends, which is an error.
async fn watch_over(
    signals: &mut Signals,
    readers: &mut Readers,
    publisher: &mut Publisher,
    thrift: &Thrift,
) -> anyhow::Result<()> {
    // What there is at first is shown at once.
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            name = signals.next() => {
                info!("{name}");
                return Ok(());
            }
            () = publisher.reader_begins() => {}
            () = tokio::time::sleep(pause) => {}
        }
        readers.check()?;
        if let Some(cost) = thrift.take() {
            publisher.show_cost(cost);
        }
        pause = publisher.look()?;
    }
}
