//! Huge pages, where they are quick to get.
//!
//! They make the first touch of memory several times cheaper. But where the system is a virtual machine whose host
//! has taken back the memory that lay free, a huge page has to be fetched from the host piece by piece, at many times
//! the cost of small pages, which come from memory used a moment ago. Nothing tells beforehand; so the first of every
//! few pages is touched at once, and when that takes too long no more are asked for.

use std::ptr::NonNull;

pub(super) const HUGE_PAGE: usize = 2 << 20;

/// Asks for huge pages for fresh memory that is all zero, from a multiple of [`HUGE_PAGE`] on.
#[cfg(target_os = "linux")]
pub(super) fn ask_for(start: NonNull<u8>, bytes: usize) {
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Memory that one page's touch stands for.
    const TRIED: usize = 8 * HUGE_PAGE;
    /// Seconds that a touch may take: what 512 small pages take, with a margin.
    const TOO_LONG: f64 = 1e-3;
    static QUICK: AtomicBool = AtomicBool::new(true);

    for offset in (0..bytes).step_by(TRIED) {
        if !QUICK.load(Ordering::Relaxed) {
            return;
        }
        // SAFETY: the offset is inside the memory that the caller just got. Advice changes how it is mapped, not what
        // it holds; where the system has no huge pages it fails and nothing is lost. What is written is what is
        // there; volatile, or the compiler would leave it out.
        unsafe {
            let page = start.add(offset);
            let advise = |advice| libc::madvise(page.as_ptr().cast(), TRIED.min(bytes - offset), advice);
            advise(libc::MADV_HUGEPAGE);
            let before = processor_seconds();
            page.write_volatile(0);
            if processor_seconds() - before > TOO_LONG {
                advise(libc::MADV_NOHUGEPAGE);
                QUICK.store(false, Ordering::Relaxed);
            }
        }
    }
}

/// Processor time of this thread, which other processes' use of the processor does not change.
#[cfg(target_os = "linux")]
fn processor_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

/// Other systems give large pages of their own accord or not at all.
#[cfg(not(target_os = "linux"))]
pub(super) fn ask_for(_start: NonNull<u8>, _bytes: usize) {}
