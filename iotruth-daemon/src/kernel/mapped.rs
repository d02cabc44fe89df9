//! Memory that is shared with the programs.

use std::{io, ptr::NonNull, slice, sync::atomic::AtomicU64};

use rustix::mm::{MapFlags, ProtFlags, munmap};

/// A mapping; it outlives the descriptor that it was made from.
#[derive(Debug)]
pub(super) struct Mapped {
    address: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread.
unsafe impl Send for Mapped {}
// SAFETY: words are atomic, and whoever wants bytes answers for it that nobody writes them.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps the values of an array that was made for that (`BPF_F_MMAPABLE`).
    #[cfg(feature = "kernel")]
    pub(super) fn array(map: std::os::fd::BorrowedFd<'_>, bytes: usize) -> io::Result<Self> {
        // SAFETY: the kernel chooses where there is room.
        let address = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                map,
                0,
            )?
        };
        Self::new(address.cast(), bytes)
    }

    /// Zeroed memory that is shared with nobody.
    #[cfg(test)]
    pub(super) fn anonymous(bytes: usize) -> io::Result<Self> {
        // SAFETY: as above.
        let address = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )?
        };
        Self::new(address.cast(), bytes)
    }

    fn new(address: *mut u8, bytes: usize) -> io::Result<Self> {
        let address = NonNull::new(address).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { address, bytes })
    }

    /// The word at this offset, which others may write at any time.
    #[inline]
    pub(super) fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(
            offset.is_multiple_of(8) && offset + 8 <= self.bytes,
            "there is no word at {offset} of {} bytes",
            self.bytes
        );
        // SAFETY: it was just checked that the word is within the mapping.
        let word = unsafe { self.address.add(offset) };
        // SAFETY: the mapping starts at a page, so the word is aligned; it is initialised, and lives
        // as long as this value.
        unsafe { AtomicU64::from_ptr(word.as_ptr().cast()) }
    }

    /// So many bytes from this offset on.
    ///
    /// # Safety
    ///
    /// Nobody writes them for as long as the slice is there.
    #[inline]
    pub(super) unsafe fn bytes(&self, offset: usize, length: usize) -> &[u8] {
        assert!(
            offset + length <= self.bytes,
            "{length} bytes from {offset} on are not within {} bytes",
            self.bytes
        );
        // SAFETY: it was just checked that the bytes are within the mapping.
        let first = unsafe { self.address.add(offset) };
        // SAFETY: they are initialised, live as long as this value, and the caller says that nobody
        // writes them.
        unsafe { slice::from_raw_parts(first.as_ptr(), length) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nobody can have a reference into it any more.
        // That it cannot be taken back would be no reason to do anything else.
        let _ = unsafe { munmap(self.address.as_ptr().cast(), self.bytes) };
    }
}
