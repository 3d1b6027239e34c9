//! The threads that share the work of an operation.
//!
//! An operation of a small model takes tens of microseconds, less than waking a sleeping thread does. So workers that
//! run out of work look for more for a while before they sleep, the caller takes part in its own work, and work is
//! handed out by one atomic counter. Any number of threads may call at the same time, and tasks may call again: a
//! caller never waits for anything but tasks that are already running.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::{env, hint, thread};

/// How often an idle worker looks for work before it sleeps: a fraction of a millisecond.
const SPINS: u32 = 20_000;
/// How often a caller looks whether its helpers are done before it lets other threads run.
const CALLER_SPINS: u32 = 2_000;
/// More threads than this are never started.
const MOST_THREADS: usize = 256;

/// How many threads an operation called from this thread may use: what [`with_threads`] says, else the environment
/// variable `PELLUCID_THREADS`, else the number of processors this process may use.
pub fn threads() -> usize {
    FORCED.get().unwrap_or_else(default_threads)
}

fn default_threads() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| {
        let wanted = env::var("PELLUCID_THREADS").ok().and_then(|s| s.parse().ok());
        wanted.unwrap_or_else(processors).clamp(1, MOST_THREADS)
    })
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

thread_local! {
    static FORCED: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Runs `f`, in which operations called from this thread use at most `threads` threads, this one included. Results
/// do not depend on it.
pub fn with_threads<R>(threads: usize, f: impl FnOnce() -> R) -> R {
    struct Restore(Option<usize>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FORCED.set(self.0);
        }
    }
    let _restore = Restore(FORCED.replace(Some(threads.clamp(1, MOST_THREADS))));
    f()
}

/// Calls `task(0)` to `task(tasks - 1)`, each once, in any order, on several threads. A panic in a task stops tasks
/// that have not begun and goes on in the caller.
pub(super) fn run(tasks: usize, task: impl Fn(usize) + Sync) {
    let helpers = threads().min(tasks).saturating_sub(1);
    if helpers == 0 {
        (0..tasks).for_each(task);
        return;
    }
    let task: &(dyn Fn(usize) + Sync) = &task;
    // SAFETY: only the lifetime is changed. `Job` is unlisted, and no worker is inside it, before `run` returns.
    let task = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(task) };
    let job = Job {
        task,
        tasks,
        next: AtomicUsize::new(0),
        places: AtomicUsize::new(helpers),
        working: AtomicUsize::new(0),
        panic: Mutex::new(None),
    };
    POOL.add(&job, helpers);
    job.work();
    POOL.remove(&job);
    job.wait();
    if let Some(payload) = job.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
        resume_unwind(payload);
    }
}

/// One call of [`run`], on its caller's stack.
struct Job {
    task: &'static (dyn Fn(usize) + Sync),
    tasks: usize,
    /// The next task that nobody has taken.
    next: AtomicUsize,
    /// How many more workers may join.
    places: AtomicUsize,
    /// How many workers have joined and not left.
    working: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Job {
    fn work(&self) {
        loop {
            let i = self.next.fetch_add(1, Ordering::Relaxed);
            if i >= self.tasks {
                return;
            }
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| (self.task)(i))) {
                self.next.store(self.tasks, Ordering::Relaxed);
                lock(&self.panic).get_or_insert(payload);
            }
        }
    }

    fn wait(&self) {
        let mut spins = 0;
        while self.working.load(Ordering::Acquire) != 0 {
            if spins < CALLER_SPINS {
                spins += 1;
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }
}

static POOL: Pool = Pool {
    open: Mutex::new(Open { jobs: Vec::new(), workers: 0, asleep: 0 }),
    added: AtomicUsize::new(0),
    wake: Condvar::new(),
    crowded: AtomicBool::new(false),
};

struct Pool {
    open: Mutex<Open>,
    /// Jobs ever added: idle workers watch it without the lock.
    added: AtomicUsize,
    wake: Condvar,
    /// Whether there are more threads than processors, so that spinning would take time from work.
    crowded: AtomicBool,
}

struct Open {
    jobs: Vec<Listed>,
    workers: usize,
    asleep: usize,
}

/// A job that workers may join as long as it is listed.
struct Listed(*const Job);

// SAFETY: `Job` is shared between threads only through atomics, a mutex and a `Sync` function.
unsafe impl Send for Listed {}

/// A worker's part in a job, ended when dropped.
struct Joined(*const Job);

impl Joined {
    fn job(&self) -> &Job {
        // SAFETY: the job counts this worker in `working`, and its owner waits until that is zero.
        unsafe { &*self.0 }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.job().working.fetch_sub(1, Ordering::Release);
    }
}

impl Pool {
    fn add(&'static self, job: &Job, helpers: usize) {
        let mut open = lock(&self.open);
        while open.workers < helpers {
            let name = format!("kernels-{}", open.workers + 1);
            if thread::Builder::new().name(name).spawn(|| self.serve()).is_err() {
                break;
            }
            open.workers += 1;
            self.crowded.store(open.workers >= processors(), Ordering::Relaxed);
        }
        open.jobs.push(Listed(job));
        self.added.fetch_add(1, Ordering::Release);
        for _ in 0..open.asleep.min(helpers) {
            self.wake.notify_one();
        }
    }

    fn remove(&self, job: &Job) {
        lock(&self.open).jobs.retain(|listed| !std::ptr::eq(listed.0, job));
    }

    /// The life of a worker.
    fn serve(&self) {
        loop {
            let seen = self.added.load(Ordering::Acquire);
            let joined = Self::join(&mut lock(&self.open));
            if let Some(joined) = joined {
                joined.job().work();
                continue;
            }
            let spins = if self.crowded.load(Ordering::Relaxed) { 0 } else { SPINS };
            if (0..spins).any(|_| {
                hint::spin_loop();
                self.added.load(Ordering::Relaxed) != seen
            }) {
                continue;
            }
            let mut open = lock(&self.open);
            while self.added.load(Ordering::Acquire) == seen {
                open.asleep += 1;
                open = self.wake.wait(open).unwrap_or_else(PoisonError::into_inner);
                open.asleep -= 1;
            }
        }
    }

    /// Joins a listed job that has room and tasks left.
    fn join(open: &mut Open) -> Option<Joined> {
        open.jobs.iter().find_map(|listed| {
            // SAFETY: a listed job is alive: its owner unlists it, under the lock held here, before it goes.
            let job = unsafe { &*listed.0 };
            let useful = job.places.load(Ordering::Relaxed) > 0 && job.next.load(Ordering::Relaxed) < job.tasks;
            useful.then(|| {
                job.places.fetch_sub(1, Ordering::Relaxed);
                job.working.fetch_add(1, Ordering::Relaxed);
                Joined(listed.0)
            })
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Cuts `out` into pieces of `piece` elements (the last may be shorter) and calls `f(index, piece)` for each, on
/// several threads.
pub(super) fn pieces<T: Send>(out: &mut [T], piece: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if out.is_empty() {
        return;
    }
    let shared = Shared::new(out);
    let len = out.len();
    run(len.div_ceil(piece), |i| {
        let start = i * piece;
        // SAFETY: pieces do not overlap, each is handed out once, and `out` is borrowed until `run` returns.
        f(i, unsafe { shared.slice(start, piece.min(len - start)) });
    });
}

/// A slice whose parts several tasks write, each its own.
#[derive(Clone, Copy)]
pub(super) struct Shared<T> {
    start: *mut T,
    len: usize,
}

// SAFETY: it gives access only through `slice` and `at`, whose callers promise that parts do not overlap.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<T> {}

impl<T> Shared<T> {
    pub(super) fn new(slice: &mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len() }
    }

    /// Elements `start..start + len`.
    ///
    /// # Safety
    /// Nothing else may use any of them, nor may the slice's borrow end, while the result lives.
    #[expect(clippy::mut_from_ref, reason = "callers promise that no two results overlap")]
    pub(super) unsafe fn slice(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.len && len <= self.len - start);
        // SAFETY: in bounds as asserted; exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }

    /// The address of element `i`, from where up to `len` elements may be used under the terms of
    /// [`slice`](Self::slice).
    pub(super) fn at(&self, i: usize, len: usize) -> *mut T {
        assert!(i <= self.len && len <= self.len - i);
        // SAFETY: in bounds as asserted.
        unsafe { self.start.add(i) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once() {
        for threads in 1..5 {
            for tasks in [0, 1, 2, 7, 1000] {
                let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                with_threads(threads, || run(tasks, |i| _ = counts[i].fetch_add(1, Ordering::Relaxed)));
                assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn many_callers_and_nested_calls_all_finish() {
        let total = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    with_threads(3, || {
                        for _ in 0..50 {
                            run(4, |_| with_threads(3, || run(5, |_| _ = total.fetch_add(1, Ordering::Relaxed))));
                        }
                    });
                });
            }
        });
        assert_eq!(total.into_inner(), 6 * 50 * 4 * 5);
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_lives_on() {
        for bad in [0, 5, 99] {
            let caught = catch_unwind(|| with_threads(3, || run(100, |i| assert_ne!(i, bad, "task {i}"))));
            let message = caught.expect_err("the task panicked");
            assert!(message.downcast_ref::<String>().is_some_and(|m| m.contains(&format!("task {bad}"))));
        }
        let sum = AtomicUsize::new(0);
        with_threads(3, || run(10, |i| _ = sum.fetch_add(i, Ordering::Relaxed)));
        assert_eq!(sum.into_inner(), 45);
    }

    #[test]
    fn pieces_cover_a_slice() {
        let mut out = vec![0; 1003];
        with_threads(2, || pieces(&mut out, 10, |i, piece| piece.fill(i)));
        assert!(out.iter().enumerate().all(|(i, &x)| x == i / 10));
    }

    #[test]
    fn forced_threads_end_with_the_closure() {
        let before = threads();
        let inside = with_threads(before + 1, threads);
        assert_eq!((inside, threads()), (before + 1, before));
    }
}
