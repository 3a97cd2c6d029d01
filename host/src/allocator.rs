//! The allocator of every program made of this library. A login is thousands of small blocks that are often freed by
//! another thread than took them, which the C library's allocator pays dearly for.
#![allow(unsafe_code, reason = "neither an option of the allocator nor advice to the system has a safe form")]

use std::mem::MaybeUninit;

use mimalloc::MiMalloc;
use rustix::mm::{Advice, madvise};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_arena_max_object_size` of mimalloc 3, in KiB.
const ARENA_OBJECT_KIB_MAX: libmimalloc_sys::mi_option_t = 45;
const KIB: std::ffi::c_long = 1024;

/// From now on larger blocks than 1 MiB, such as the memory of a password hash, come from the system itself and go
/// back to it at once. Kept for later use, they would be most of what an idle host holds. Before any other thread starts.
pub fn give_large_blocks_back() {
    // SAFETY: it stores a number in a table of the allocator; the caller is the first to run, alone.
    unsafe { libmimalloc_sys::mi_option_set(ARENA_OBJECT_KIB_MAX, KIB) };
}

/// Asks the system to give this memory, which nothing was written to yet, in huge pages. A password hash reads all of it
/// in no order, and of small pages it would have thousands to be given and found again.
pub fn prefer_huge_pages<T>(memory: &mut [MaybeUninit<T>]) {
    let page = rustix::param::page_size();
    let start = memory.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(page);
    let Some(whole) = size_of_val(memory).checked_sub(skipped).map(|bytes| bytes / page * page) else { return };
    // SAFETY: the range lies within `memory`; the advice changes neither what is there nor who may use it.
    // A system without huge pages refuses, and small ones do.
    let _ = unsafe { madvise(start.wrapping_add(skipped).cast(), whole, Advice::LinuxHugepage) };
}
