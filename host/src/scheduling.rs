//! How the system divides the processors between this program and others. Requests come in crowds, and each wakes threads
//! of the host and its workers: by default the one woken takes the processor from the one at work, thousands of times a second.
#![allow(unsafe_code, reason = "the policy of a thread has no safe form")]

/// From now on whoever has begun a piece of work may end it before the next is let in (`SCHED_BATCH`, sched(7)). Threads
/// and workers that start later do the same. Where the system refuses, all is as it was.
pub fn prefer_throughput() {
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: the system reads a number for as long as the call takes; 0 is the calling thread.
    let _ = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const priority) };
}
