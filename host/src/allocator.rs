//! The allocator of every program made of this library. A login is thousands of small blocks that are often freed by
//! another thread than took them, which the C library's allocator pays dearly for.
#![allow(unsafe_code, reason = "an option of the allocator has no safe form")]

use mimalloc::MiMalloc;

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
