//! What reading the kernel's layout costs: time and peak of the heap.
//!
//! `cargo run --release --no-default-features --example btf_cost [FILE]`; without a file it takes
//! the machine's own BTF. Prints the facts too, so that kernels can be compared.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Instant,
};

use anyhow::Context as _;

/// Rounds of which the fastest and the median are shown.
const ROUNDS: usize = 21;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, with a count of what is in use.
struct Counting;

// SAFETY: every request is passed on to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(IN_USE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`, and `alloc` took it from the system.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/sys/kernel/btf/vmlinux".into());
    let start = Instant::now();
    let blob = std::fs::read(&path).with_context(|| format!("reading {path}"))?;
    let read = start.elapsed();
    let before = IN_USE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let facts = iotruth::engine::btf::resolve(&blob).with_context(|| format!("in {path}"))?;
    let peak = PEAK.load(Relaxed) - before;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        std::hint::black_box(iotruth::engine::btf::resolve(std::hint::black_box(&blob))?);
        rounds.push(start.elapsed());
    }
    rounds.sort_unstable();
    println!("{facts:#?}");
    println!("{path}: {} bytes, read in {read:?}", blob.len());
    println!("resolve: fastest {:?}, median {:?} of {ROUNDS}", rounds[0], rounds[ROUNDS / 2]);
    println!("heap at the peak: {peak} bytes on top of the blob");
    Ok(())
}
