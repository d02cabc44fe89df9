//! `/status` says how long the start took, and what of it each part.

use serde_json::Value;

use crate::harness::{daemon::Daemon, turn::turn};

#[test]
fn the_parts_of_the_start_are_no_more_than_the_whole() {
    let _turn = turn();
    let daemon = Daemon::start(&[]);
    let status: Value = serde_json::from_str(&daemon.get("/status")).unwrap();
    let start = &status["start_up"];
    let part =
        |of: &Value, name: &str| of[name].as_f64().unwrap_or_else(|| panic!("no {name}: {of}"));
    let parts = ["types_us", "object_us", "verifier_us", "attach_us"].map(|name| part(start, name));
    assert!(parts.iter().all(|part| *part > 0.0), "{start}");
    assert!(parts.iter().sum::<f64>() <= part(start, "total_us"), "{start}");

    // One for each program that is attached, and none took longer than all of them together.
    let programs = start["programs"].as_array().unwrap();
    let attached = status["programs"].as_array().unwrap();
    let count = |which: &str| attached.iter().filter(|one| one[which] == true).count();
    assert_eq!(programs.len(), count("attached") + count("second"), "{start}");
    for program in programs {
        let took = part(program, "verifier_us");
        assert!(took > 0.0 && took <= part(start, "verifier_us"), "{program}");
    }
}
