//! Synthetic proof: streams that the block layer could write, and what must be told of them.
//!
//! A case is a world (kernel version, disks, clocks, rings) and a list of plans. The grammar in
//! [`steps`] makes events of each plan, the machine plays all of them against each other on shared
//! request addresses, hardware queues, rings and CPUs, and keeps the true history of every life.
//! [`rules`] says what is to be told of a history. What the engine makes of the records, with none
//! missing or with many, is held against that.

mod case;
mod events;
mod expected;
mod flushing;
mod history;
mod machine;
mod plan;
mod properties;
mod reading;
mod rules;
mod steps;
mod trial;
mod world;
