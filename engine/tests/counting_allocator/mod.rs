//! An allocator that counts what a thread asks of it while it is watched, freeing included: either
//! may wait for a lock, and a sound card does not wait. Whoever declares this module runs on it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    if WATCHED.get() {
        CALLS.set(CALLS.get() + 1);
    }
}

// SAFETY: everything is passed on to the system's allocator unchanged; counting touches two
// thread-local cells, which are initialised at compile time and so do not allocate themselves.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps `alloc`'s contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: `pointer` came from `System` with this layout, as `alloc` above passes everything
        // on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Does something; returns with it how often it called the allocator.
pub(crate) fn watched<T>(of: impl FnOnce() -> T) -> (T, usize) {
    CALLS.set(0);
    WATCHED.set(true);
    let value = of();
    WATCHED.set(false);
    (value, CALLS.get())
}

#[test]
fn the_allocator_counts() {
    assert_eq!(watched(|| drop(std::hint::black_box(Box::new(1)))).1, 2);
}
