//! Edge-triggered polling, as the readers do it.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use iotruth::kernel::Ring;

pub(crate) struct Edge(OwnedFd);

impl Edge {
    pub(crate) fn new(ring: &Ring) -> Self {
        // SAFETY: the call has no preconditions.
        let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        assert!(epoll >= 0);
        // SAFETY: a new descriptor that nobody else owns.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll) };
        let mut event =
            libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 0 };
        let ring = ring.wake().expect("a BPF ring buffer wakes its reader").as_raw_fd();
        // SAFETY: both descriptors are open, and the event is only read.
        let added = unsafe {
            libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, ring, &raw mut event)
        };
        assert_eq!(added, 0);
        Self(epoll)
    }

    pub(crate) fn woken(&self) -> bool {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: there is room for one event, and the call does not wait.
        unsafe { libc::epoll_wait(self.0.as_raw_fd(), &raw mut event, 1, 0) == 1 }
    }
}
