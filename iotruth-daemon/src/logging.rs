//! The log: lines on standard error, as people, journald or a collector want them.

use std::{
    env, fmt,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
};

use thiserror::Error;
use tracing::{Event, Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry,
    fmt::{
        FmtContext, FormatEvent, FormatFields, MakeWriter,
        format::{Format, Full, Writer},
    },
    layer::SubscriberExt as _,
    registry::LookupSpan,
};

use crate::config::{LogFormat, LogLevel};

/// Somebody has set up the log of this process before.
#[derive(Debug, Error)]
#[error("the log is set up already; this is a bug of iotruth, please report it")]
pub struct LoggingError;

/// Who reads standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// journald, which has time, host and process itself, and takes the priority from `<N>`.
    Journal,
    /// Anything else; with colours where it is a terminal.
    Other { colours: bool },
}

/// Begins to log to standard error.
pub fn start(format: LogFormat, level: LogLevel) -> Result<(), LoggingError> {
    let subscriber = subscriber(format, level, reader(), std::io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError)
}

fn reader() -> Reader {
    let stderr = fs::metadata("/proc/self/fd/2").ok();
    let journal = env::var("JOURNAL_STREAM").ok();
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // https://no-color.org
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stderr.is_some_and(|stderr| is_journal(journal.as_deref(), &stderr)) {
        Reader::Journal
    } else {
        Reader::Other { colours: terminal && !refused }
    }
}

/// Whether `JOURNAL_STREAM` is about this very stream: children inherit the variable, also those
/// whose standard error goes elsewhere (systemd.exec(5)).
fn is_journal(journal: Option<&str>, stream: &Metadata) -> bool {
    journal == Some(format!("{}:{}", stream.dev(), stream.ino()).as_str())
}

fn subscriber<W>(
    format: LogFormat,
    level: LogLevel,
    reader: Reader,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match (format, reader) {
        (LogFormat::Json, Reader::Journal) => {
            layer.json().flatten_event(true).without_time().boxed()
        }
        (LogFormat::Json, Reader::Other { .. }) => layer.json().flatten_event(true).boxed(),
        (LogFormat::Text, Reader::Journal) => layer
            .with_ansi(false)
            .event_format(Priority(Format::default().without_time().with_level(false)))
            .boxed(),
        (LogFormat::Text, Reader::Other { colours }) => layer.with_ansi(colours).boxed(),
    };
    let filter = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    tracing_subscriber::registry().with(layer.with_filter(filter))
}

/// Puts the priority of syslog before each line, as sd-daemon(3) has it.
struct Priority(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for Priority
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::{
        fs,
        io::{self, Write},
        os::unix::fs::MetadataExt as _,
        sync::{Arc, Mutex},
    };

    use super::{LogFormat, LogLevel, Reader, is_journal, subscriber};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: LogLevel, reader: Reader) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, level, reader, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("broken");
            tracing::info!(rings = 4, "attached");
            tracing::debug!("detail");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_journal_gets_priorities_and_no_times() {
        let text = logged(LogFormat::Text, LogLevel::Info, Reader::Journal);
        assert_eq!(
            text,
            "<3>iotruth::logging::tests: broken\n<6>iotruth::logging::tests: attached rings=4\n"
        );
        let json = logged(LogFormat::Json, LogLevel::Error, Reader::Journal);
        let object: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&object["message"], &object["level"]), (&"broken".into(), &"ERROR".into()));
        assert_eq!(object.get("timestamp"), None);
    }

    #[test]
    fn others_get_times_and_only_terminals_get_colours() {
        let text = logged(LogFormat::Text, LogLevel::Debug, Reader::Other { colours: false });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.starts_with("20") && line.contains("Z ")), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        let text = logged(LogFormat::Text, LogLevel::Error, Reader::Other { colours: true });
        assert!(text.contains('\u{1b}') && text.lines().count() == 1, "{text}");
        let json = logged(LogFormat::Json, LogLevel::Info, Reader::Other { colours: false });
        for line in json.lines() {
            let object: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(object["timestamp"].is_string(), "{line}");
        }
        assert!(json.contains("\"rings\":4"), "{json}");
    }

    #[test]
    fn an_inherited_variable_is_not_believed() {
        let stream = fs::metadata("/dev/null").unwrap();
        let ours = format!("{}:{}", stream.dev(), stream.ino());
        assert!(is_journal(Some(&ours), &stream));
        assert!(!is_journal(Some("8:12345"), &stream));
        assert!(!is_journal(None, &stream));
    }
}
