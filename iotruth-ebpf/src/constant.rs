//! Constants that the daemon writes into the instructions: where the fields of this kernel are, and how
//! the programs shall work.

/// A constant of the daemon, extended to 64 bits with its sign.
///
/// Give its number in [`iotruth_common::constant`].
macro_rules! constant {
    ($number:expr) => {{
        #[cfg(target_arch = "bpf")]
        {
            let value: u64;
            // SAFETY: moves a number into a register, and nothing else.
            unsafe {
                core::arch::asm!(
                    "{value} = {number}",
                    value = lateout(reg) value,
                    number = const { iotruth_common::constant::NUMBER + $number },
                    options(pure, nomem, nostack),
                );
            }
            value
        }
        #[cfg(not(target_arch = "bpf"))]
        {
            u64::from(const { iotruth_common::constant::NUMBER + $number })
        }
    }};
}
pub(crate) use constant;

/// The number of a field of [`Layout`](iotruth_common::layout::Layout).
macro_rules! layout {
    ($field:ident) => {
        iotruth_common::constant::of_layout(core::mem::offset_of!(
            iotruth_common::layout::Layout,
            $field
        ))
    };
}
pub(crate) use layout;

/// The value of a field of [`Tuning`](iotruth_common::tuning::Tuning).
macro_rules! tuning {
    ($field:ident) => {
        $crate::constant::constant!(iotruth_common::constant::of_tuning(core::mem::offset_of!(
            iotruth_common::tuning::Tuning,
            $field
        )))
    };
}
pub(crate) use tuning;

/// Loads what is at this offset of the daemon's, and so many words of eight bytes beyond, from a pointer
/// to where the verifier lets the program read.
///
/// In one instruction, which the compiler cannot take apart: the verifier refuses a context that was added
/// to.
macro_rules! load_at {
    ($type:ty, $base:expr, $number:expr) => {
        $crate::constant::load_at!($type, $base, $number, 0)
    };
    ($type:ty, $base:expr, $number:expr, $words:literal) => {{
        let base: *const core::ffi::c_void = $base;
        #[cfg(target_arch = "bpf")]
        {
            use $crate::constant::load;
            match const { core::mem::size_of::<$type>() } {
                1 => load!("u8", base, $number, $words) as $type,
                2 => load!("u16", base, $number, $words) as $type,
                4 => load!("u32", base, $number, $words) as $type,
                _ => load!("u64", base, $number, $words) as $type,
            }
        }
        #[cfg(not(target_arch = "bpf"))]
        {
            let offset = const { $number + 8 * $words } as usize;
            // SAFETY: never run.
            unsafe { base.wrapping_byte_add(offset).cast::<$type>().read() }
        }
    }};
}
pub(crate) use load_at;

/// The instruction, for a load of this width.
#[cfg(target_arch = "bpf")]
macro_rules! load {
    ($width:literal, $base:expr, $number:expr, $words:literal) => {{
        let value: u64;
        // SAFETY: the verifier refuses the program if it may not read there.
        unsafe {
            core::arch::asm!(
                concat!("{value} = *(", $width, " *)({base} + {offset})"),
                value = lateout(reg) value,
                base = in(reg) $base,
                offset = const {
                    iotruth_common::constant::OFFSET
                        + iotruth_common::constant::OFFSET_WORD * $words
                        + $number
                },
                options(pure, readonly, nostack),
            );
        }
        value
    }};
}
#[cfg(target_arch = "bpf")]
pub(crate) use load;

/// What [`ABSENT`](iotruth_common::layout::ABSENT) is as a constant.
const ABSENT: u64 = iotruth_common::layout::ABSENT as i32 as u64;

/// Whether this kernel has a field that is at this offset.
#[inline(always)]
pub(crate) const fn exists(offset: u64) -> bool {
    offset != ABSENT
}
