//! The kernel's numbers, from its enumerators: one line for each.
//!
//! Enumerators are looked up by name over all enums, because the enums themselves were renamed
//! (`req_opf`, `req_op`) or have no name at all (`RQF_*` in 6.12).

use super::{error::BtfError, index::Index};
use crate::engine::flavor::{CommandFlagBits, Flavor, OperationNumbers, RequestFlagBits};

/// How the names begin that are kept in the one pass over all types.
pub(super) const PREFIXES: [&str; 5] = ["__REQ_", "__RQF_", "REQ_OP_", "MQ_RQ_", TASK_HELPER];

const TASK_HELPER: &str = "BPF_FUNC_get_current_task_btf";

/// `request.state` as every supported kernel numbers it; records carry it as it is.
const STATES: [(&str, u64); 3] = [("MQ_RQ_IDLE", 0), ("MQ_RQ_IN_FLIGHT", 1), ("MQ_RQ_COMPLETE", 2)];

/// Whether the kernel has the helper `bpf_get_current_task_btf`.
pub(super) fn task_helper(index: &Index<'_>) -> Result<bool, BtfError> {
    Ok(index.enumerator(TASK_HELPER)?.is_some())
}

/// Resolves all numbers; how a status is passed comes from the arguments of the completion.
pub(super) fn resolve(index: &Index<'_>, status_is_errno: bool) -> Result<Flavor, BtfError> {
    check_states(index)?;
    let bit = |name| bit(index, name);
    let flag = |name| Ok::<_, BtfError>(bit(name)?.unwrap_or(0));
    let needed_flag = |name| bit(name)?.ok_or(BtfError::EnumeratorMissing(name));
    let operation = |name| operation(index, name);
    let needed = |name| operation(name)?.ok_or(BtfError::EnumeratorMissing(name));
    Ok(Flavor {
        rqf: request_flags(index)?,
        req: CommandFlagBits {
            sync: flag("__REQ_SYNC")?,
            meta: flag("__REQ_META")?,
            prio: flag("__REQ_PRIO")?,
            idle: flag("__REQ_IDLE")?,
            fua: needed_flag("__REQ_FUA")?,
            preflush: needed_flag("__REQ_PREFLUSH")?,
            rahead: flag("__REQ_RAHEAD")?,
            background: flag("__REQ_BACKGROUND")?,
            nowait: flag("__REQ_NOWAIT")?,
            // Called HIPRI until polling moved from requests to bios.
            polled: match bit("__REQ_POLLED")? {
                Some(mask) => mask,
                None => flag("__REQ_HIPRI")?,
            },
            swap: flag("__REQ_SWAP")?,
            drv: flag("__REQ_DRV")?,
        },
        operations: OperationNumbers {
            read: needed("REQ_OP_READ")?,
            write: needed("REQ_OP_WRITE")?,
            flush: needed("REQ_OP_FLUSH")?,
            discard: needed("REQ_OP_DISCARD")?,
            secure_erase: operation("REQ_OP_SECURE_ERASE")?,
            write_zeroes: operation("REQ_OP_WRITE_ZEROES")?,
            zone: [
                operation("REQ_OP_ZONE_OPEN")?,
                operation("REQ_OP_ZONE_CLOSE")?,
                operation("REQ_OP_ZONE_FINISH")?,
                operation("REQ_OP_ZONE_APPEND")?,
                operation("REQ_OP_ZONE_RESET")?,
                operation("REQ_OP_ZONE_RESET_ALL")?,
            ],
            // 5.10 has passthrough of its own for SCSI, numbered just below the general one.
            driver_in: match operation("REQ_OP_SCSI_IN")? {
                Some(scsi) => scsi.min(needed("REQ_OP_DRV_IN")?),
                None => needed("REQ_OP_DRV_IN")?,
            },
        },
        status_is_errno,
        // Statuses are macros, which BTF does not have; this enumerator came with the renumbering.
        statuses_of_6_12: index.enumerator("__RQF_ZONE_WRITE_PLUGGING")?.is_some(),
    })
}

/// `RQF_*`: enumerators since 6.12, before that macros whose numbers never changed.
fn request_flags(index: &Index<'_>) -> Result<RequestFlagBits, BtfError> {
    const FLUSH_SEQ: &str = "__RQF_FLUSH_SEQ";
    const TIMED_OUT: &str = "__RQF_TIMED_OUT";
    const IO_STAT: &str = "__RQF_IO_STAT";
    match (bit(index, FLUSH_SEQ)?, bit(index, TIMED_OUT)?, bit(index, IO_STAT)?) {
        (None, None, None) => {
            Ok(RequestFlagBits { flush_seq: 1 << 4, timed_out: 1 << 21, io_stat: 1 << 13 })
        }
        (Some(flush_seq), Some(timed_out), Some(io_stat)) => {
            Ok(RequestFlagBits { flush_seq, timed_out, io_stat })
        }
        (None, _, _) => Err(BtfError::EnumeratorMissing(FLUSH_SEQ)),
        (Some(_), None, _) => Err(BtfError::EnumeratorMissing(TIMED_OUT)),
        (Some(_), Some(_), None) => Err(BtfError::EnumeratorMissing(IO_STAT)),
    }
}

fn check_states(index: &Index<'_>) -> Result<(), BtfError> {
    for (name, expected) in STATES {
        let found = index.enumerator(name)?.ok_or(BtfError::EnumeratorMissing(name))?;
        if found != expected {
            return Err(BtfError::EnumeratorValue { name, expected: expected.to_string(), found });
        }
    }
    Ok(())
}

/// The mask of a flag whose enumerator is its bit number.
fn bit(index: &Index<'_>, name: &'static str) -> Result<Option<u32>, BtfError> {
    let Some(found) = index.enumerator(name)? else { return Ok(None) };
    match u32::try_from(found).ok().and_then(|bit| 1_u32.checked_shl(bit)) {
        Some(mask) => Ok(Some(mask)),
        None => Err(BtfError::EnumeratorValue { name, expected: "a bit below 32".into(), found }),
    }
}

/// The number of an operation, which has 8 bits.
fn operation(index: &Index<'_>, name: &'static str) -> Result<Option<u8>, BtfError> {
    let Some(found) = index.enumerator(name)? else { return Ok(None) };
    match u8::try_from(found) {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(BtfError::EnumeratorValue { name, expected: "below 256".into(), found }),
    }
}
