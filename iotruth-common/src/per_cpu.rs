//! Rings of one CPU and one program each, in memory that both sides map.
//!
//! From Linux 6.1 on no program runs on a CPU where it is running already. So each of these rings has
//! one writer at a time: it takes no lock, no atomic operation and no call into the kernel to write
//! a record. The slots of all rings whose records are of the same length are one array.

use core::mem::{offset_of, size_of};

/// Where the two sides of a ring are; one for each CPU and program, at `cpu * PROGRAMS + program`.
///
/// Both count slots for ever and never wrap. Each is on lines of its own, two of them, since
/// processors fetch lines in pairs.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Cursors {
    /// Slots that were written, counted after the last byte of the record. Written by the program.
    pub head: u64,
    /// Always 0.
    pub padding: [u64; 15],
    /// Slots that were read and may be written again. Written by the reader.
    pub tail: u64,
    /// Always 0.
    pub more_padding: [u64; 15],
}

const _: () = assert!(size_of::<Cursors>() == 256);
const _: () = assert!(offset_of!(Cursors, tail) == 128);

/// Where the rings of one program are within their array: the one of a CPU starts at
/// `cpu * stride + first`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "user", derive(bytemuck::Pod, bytemuck::Zeroable))]
#[repr(C)]
pub struct Lane {
    /// Slots of all rings of one CPU in that array.
    pub stride: u32,
    /// Slots of that CPU before this ring.
    pub first: u32,
    /// Slots of this ring less one; their number is a power of two.
    pub mask: u32,
}
