//! The allocator of every program made of this library. A login is thousands of small blocks that are often freed by
//! another thread than took them, which the C library's allocator pays dearly for.
#![allow(unsafe_code, reason = "neither an allocator nor advice to the system has a safe form")]

use std::{
    alloc::{GlobalAlloc, Layout},
    mem::MaybeUninit,
};

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_option_set, mi_option_t, mi_realloc, mi_realloc_aligned, mi_zalloc,
    mi_zalloc_aligned,
};
use rustix::mm::{Advice, madvise};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// mimalloc 3. It is told of an alignment only where a block would not have it by itself: whenever a page is used up,
/// its aligned allocation takes a larger block than it was asked for, and a longer way to it.
struct MiMalloc;

/// What every block of at least this size is aligned to: C's `max_align_t`.
const ALIGNED_BY_ITSELF: usize = 16;

fn is_aligned_by_itself(bytes: usize, alignment: usize) -> bool {
    alignment <= ALIGNED_BY_ITSELF && alignment <= bytes
}

// SAFETY: blocks are as large and as aligned as asked for, stay until they are freed, and null says that there is none.
unsafe impl GlobalAlloc for MiMalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (bytes, alignment) = (layout.size(), layout.align());
        if is_aligned_by_itself(bytes, alignment) {
            // SAFETY: it asks nothing of its caller.
            unsafe { mi_malloc(bytes).cast() }
        } else {
            // SAFETY: the alignment is a power of two.
            unsafe { mi_malloc_aligned(bytes, alignment).cast() }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (bytes, alignment) = (layout.size(), layout.align());
        if is_aligned_by_itself(bytes, alignment) {
            // SAFETY: it asks nothing of its caller.
            unsafe { mi_zalloc(bytes).cast() }
        } else {
            // SAFETY: the alignment is a power of two.
            unsafe { mi_zalloc_aligned(bytes, alignment).cast() }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the block is one of this allocator's, which the caller vouches for.
        unsafe { mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        if is_aligned_by_itself(bytes, layout.align()) {
            // SAFETY: the block is one of this allocator's, which the caller vouches for.
            unsafe { mi_realloc(block.cast(), bytes).cast() }
        } else {
            // SAFETY: as above; the alignment is a power of two.
            unsafe { mi_realloc_aligned(block.cast(), bytes, layout.align()).cast() }
        }
    }
}

/// `mi_option_arena_max_object_size` of mimalloc 3, in KiB.
const ARENA_OBJECT_KIB_MAX: mi_option_t = 45;
const KIB: std::ffi::c_long = 1024;

/// From now on larger blocks than 1 MiB, such as the memory of a password hash, come from the system itself and go
/// back to it at once. Kept for later use, they would be most of what an idle host holds. Before any other thread starts.
pub fn give_large_blocks_back() {
    // SAFETY: it stores a number in a table of the allocator; the caller is the first to run, alone.
    unsafe { mi_option_set(ARENA_OBJECT_KIB_MAX, KIB) };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_the_alignment_they_were_asked_for_also_after_they_grew_and_shrank() {
        for alignment in (0..=13).map(|power| 1 << power) {
            for bytes in (1..=300).chain([1000, 1025, 4095, 70_000, 1 << 20, (1 << 20) + 1, 3 << 20]) {
                let layout = Layout::from_size_align(bytes, alignment).unwrap();
                // SAFETY: each block is freed once, with the layout it has by then, and read within its bounds.
                unsafe {
                    let block = ALLOCATOR.alloc_zeroed(layout);
                    assert!(!block.is_null() && block.addr().is_multiple_of(alignment), "{layout:?}");
                    assert!(std::slice::from_raw_parts(block, bytes).iter().all(|byte| *byte == 0), "{layout:?}");
                    block.add(bytes - 1).write(7);
                    let larger = bytes * 3 + 1;
                    let grown = ALLOCATOR.realloc(block, layout, larger);
                    assert!(grown.addr().is_multiple_of(alignment), "{layout:?}");
                    assert_eq!(grown.add(bytes - 1).read(), 7);
                    let larger = Layout::from_size_align(larger, alignment).unwrap();
                    let shrunk = ALLOCATOR.realloc(grown, larger, bytes);
                    assert!(shrunk.addr().is_multiple_of(alignment), "{layout:?}");
                    assert_eq!(shrunk.add(bytes - 1).read(), 7);
                    ALLOCATOR.dealloc(shrunk, layout);
                    let uncleared = ALLOCATOR.alloc(layout);
                    assert!(uncleared.addr().is_multiple_of(alignment), "{layout:?}");
                    ALLOCATOR.dealloc(uncleared, layout);
                }
            }
        }
    }
}
