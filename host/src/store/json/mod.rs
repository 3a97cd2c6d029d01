//! The engine on JSON files: snapshot and journal in `.storage/`, all records in memory, one thread that writes.

mod backup;
mod batch;
mod check;
mod compaction;
mod files;
mod frame;
mod handle;
mod journal;
mod line;
mod memory;
mod opening;
mod recovery;
mod repair;
mod request;
mod restore;
mod salvage;
mod shared;
mod staging;
mod table;
mod walk;
mod writer;

#[cfg(test)]
mod tests;

pub use handle::Store;
