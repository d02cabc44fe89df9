//! The eBPF programs of iotruth: one small record for each event of a block request.
//!
//! Each tracepoint has programs of its own, because the kernel skips a program that is already
//! running on the CPU; a second one where it may be skipped for long. A program reads the fields that
//! user space cannot read later, puts them into a ring and does nothing else: joining, judging and
//! counting by device are the daemon's.
//!
//! For the host this crate is only ever checked, never run: everything that exists for eBPF alone
//! (assembly, panic handler) is behind `target_arch = "bpf"`.
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(asm_experimental_arch))]
#![expect(
    clippy::inline_always,
    reason = "a call would hide types and constants from the verifier: each program is one function"
)]

mod argument;
mod constant;
mod emit;
mod field;
mod maps;
mod mark;
mod per_cpu;
mod probe;
mod reread;
mod ring_buffer;
mod submit;

/// Several helpers are reserved to programs with a licence that the kernel takes for GPL.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// No path of a program panics; the language wants a handler all the same.
#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[cfg(not(target_arch = "bpf"))]
fn main() {}
