//! Threads with fewer capabilities than root: in Linux each thread has its own.

const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// `struct __user_cap_header_struct` of version 3.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`; version 3 takes two, for 64 capabilities.
#[repr(C)]
#[derive(Clone, Copy)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Runs this in a thread that has no capability at all.
pub(crate) fn without(run: impl FnOnce() + Send) {
    with(0, run);
}

/// Runs this in a thread that has no capabilities but the two that iotruth asks for.
pub(crate) fn only_bpf_and_perfmon(run: impl FnOnce() + Send) {
    with(1 << CAP_BPF | 1 << CAP_PERFMON, run);
}

fn with(set: u64, run: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                restrict(set);
                run();
            })
            .join()
            .unwrap();
    });
}

fn restrict(set: u64) {
    let header = Header { version: 0x2008_0522, pid: 0 };
    let half = |bits: u32| Data { effective: bits, permitted: bits, inheritable: 0 };
    let data = [half(set as u32), half((set >> 32) as u32)];
    // SAFETY: the kernel reads a header and two elements, as version 3 says; the call changes
    // nothing but this thread.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    assert_eq!(result, 0);
}
