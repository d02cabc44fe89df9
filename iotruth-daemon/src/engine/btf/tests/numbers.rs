//! Numbers from enumerators.

use super::kernel::Kernel;
use crate::engine::{
    btf::BtfError,
    flavor::{Flavor, RequestFlagBits},
};

fn flavor(kernel: &Kernel) -> Flavor {
    kernel.resolve().unwrap().flavor
}

#[test]
fn a_6_12_kernel_has_the_numbers_of_6_12() {
    assert_eq!(flavor(&Kernel::modern()), Flavor::linux_6_12());
}

#[test]
fn enums_of_64_bits_are_read_too() {
    let mut kernel = Kernel::modern();
    kernel.wide = true;
    assert_eq!(flavor(&kernel), Flavor::linux_6_12());
}

#[test]
fn without_enumerators_request_flags_have_their_old_numbers() {
    let mut kernel = Kernel::modern();
    kernel.remove_enumerators("__RQF_");
    let old = flavor(&kernel);
    assert_eq!(
        old.rqf,
        RequestFlagBits { flush_seq: 1 << 4, timed_out: 1 << 21, io_stat: 1 << 13 }
    );
    assert!(!old.statuses_of_6_12);
}

#[test]
fn half_a_set_of_request_flags_is_refused() {
    let mut kernel = Kernel::modern();
    kernel.remove_enumerators("__RQF_TIMED_OUT");
    assert_eq!(kernel.resolve(), Err(BtfError::EnumeratorMissing("__RQF_TIMED_OUT")));
}

#[test]
fn polling_was_called_high_priority() {
    let mut kernel = Kernel::modern();
    kernel.remove_enumerators("__REQ_POLLED");
    assert_eq!(flavor(&kernel).req.polled, 0);
    kernel.enums.push(vec![("__REQ_HIPRI", 25)]);
    assert_eq!(flavor(&kernel).req.polled, 1 << 25);
}

#[test]
fn scsi_passthrough_of_5_10_is_passthrough() {
    let mut kernel = Kernel::modern();
    kernel.enums.push(vec![("REQ_OP_SCSI_IN", 32), ("REQ_OP_SCSI_OUT", 33)]);
    assert_eq!(flavor(&kernel).operations.driver_in, 32);
}

#[test]
fn flags_and_operations_that_a_kernel_lacks_are_off() {
    let mut kernel = Kernel::modern();
    kernel.remove_enumerators("__REQ_SWAP");
    kernel.remove_enumerators("REQ_OP_ZONE_APPEND");
    kernel.remove_enumerators("BPF_FUNC_");
    assert_eq!(flavor(&kernel).req.swap, 0);
    assert_eq!(flavor(&kernel).operations.zone[3], None);
    assert!(!kernel.resolve().unwrap().task_btf_helper);
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    for (name, value) in [("__REQ_FUA", 32), ("REQ_OP_READ", 256), ("MQ_RQ_COMPLETE", 3)] {
        let mut kernel = Kernel::modern();
        kernel.remove_enumerators(name);
        assert_eq!(kernel.resolve(), Err(BtfError::EnumeratorMissing(name)));
        kernel.enums.push(vec![(name, value)]);
        let error = kernel.resolve().unwrap_err().to_string();
        assert!(error.starts_with(&format!("enumerator {name} is {value}, expected")), "{error}");
    }
}

#[test]
fn one_name_with_two_numbers_is_refused() {
    let mut kernel = Kernel::modern();
    kernel.enums.push(vec![("__REQ_FUA", 17)]);
    kernel.resolve().unwrap();
    kernel.enums.push(vec![("__REQ_FUA", 16)]);
    let error = BtfError::Ambiguous("enumerator __REQ_FUA".into());
    assert_eq!(kernel.resolve(), Err(error));
}
