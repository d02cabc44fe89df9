//! How many requests a tracer says that it saw.

/// Where a tracer says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// Nobody knows how to read its output.
    Unknown,
    /// In the metrics of iotruth.
    Metrics,
    /// In the rows of its histograms, as it prints them at its end.
    Histograms,
    /// In its file, which perf itself has to count.
    PerfFile,
}

/// The sum of all counts in histograms as the peers print them:
/// `    64 -> 127   : 5   |***  |` and `[64, 128)   5 |@@@  |`.
pub(super) fn in_histograms(text: &str) -> u64 {
    text.lines().filter_map(row).sum()
}

fn row(line: &str) -> Option<u64> {
    let (before, bar) = line.split_once('|')?;
    if !bar.trim_end().ends_with('|') {
        return None;
    }
    before.split_whitespace().next_back()?.parse().ok()
}

/// The requests of all devices in the metrics of iotruth.
pub(super) fn in_metrics(text: &str) -> u64 {
    sum(text, "iotruth_requests_total{")
}

/// The events that iotruth says it lost, for any reason.
pub(super) fn lost_in_metrics(text: &str) -> u64 {
    sum(text, "iotruth_events_lost_total{")
}

fn sum(text: &str, name: &str) -> u64 {
    let values = text.lines().filter(|line| line.starts_with(name));
    values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}

/// The samples of completions that perf says are in its file: the last event of its statistics.
pub(super) fn in_perf_statistics(text: &str) -> Option<u64> {
    let event = text.split_once("block:block_rq_complete stats:")?.1;
    let line = event.lines().find_map(|line| line.trim().strip_prefix("SAMPLE events:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{in_histograms, in_metrics, in_perf_statistics, lost_in_metrics};

    #[test]
    fn both_forms_of_histograms_are_summed() {
        let libbpf = "Tracing block device I/O... Hit Ctrl-C to end.\n\
            \x20    usecs               : count    distribution\n\
            \x20        0 -> 1          : 7        |**      |\n\
            \x20        2 -> 3          : 101      |********|\n";
        assert_eq!(in_histograms(libbpf), 108);
        let bpftrace = "Attaching 2 probes...\n\n@usecs: \n\
            [4, 8)                 9 |@@@@              |\n\
            [1K, 2K)              20 |@@@@@@@@@@@@@@@@@@|\n";
        assert_eq!(in_histograms(bpftrace), 29);
        assert_eq!(in_histograms("nothing | here"), 0);
    }

    #[test]
    fn metrics_are_summed_over_their_labels() {
        let text = "# TYPE iotruth_requests_total counter\n\
            iotruth_requests_total{device=\"sda\",op=\"read\"} 5\n\
            iotruth_requests_total{device=\"loop0\",op=\"read\"} 70\n\
            iotruth_events_lost_total{reason=\"ring_full\"} 3\n";
        assert_eq!((in_metrics(text), lost_in_metrics(text)), (75, 3));
    }

    #[test]
    fn perf_counts_each_event_apart() {
        let text = "Aggregated stats:\n  SAMPLE events:  9  (90%)\n\
            block:block_rq_issue stats:\n  SAMPLE events:  5\n\
            block:block_rq_complete stats:\n  SAMPLE events:  4\n";
        assert_eq!(in_perf_statistics(text), Some(4));
        assert_eq!(in_perf_statistics(""), None);
    }
}
