//! fio, for as long as the clock runs.

use crate::{
    clock::Clock,
    harness::{fio::Fio, loop_device::LoopDevice},
};

pub(super) fn run(device: &LoopDevice, options: &[&str], clock: &Clock) {
    let runtime = format!("--runtime={}ms", clock.left().as_millis());
    let fio = Fio::start(device.path(), &[options, &["--time_based", &runtime]].concat());
    clock.pause(clock.left());
    // Otherwise it is killed.
    if !clock.cut_short() {
        fio.finish();
    }
}
