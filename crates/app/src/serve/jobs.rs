//! Answers being worked out: each on a thread of its own, so that a long one holds up no short one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::broadcast;
use views::Progress;

/// Jobs that run at once; more wait.
const AT_ONCE: usize = 12;
/// Jobs that are remembered after they ended.
const REMEMBERED: usize = 500;
/// Between two reports of progress.
const INTERVAL: Duration = Duration::from_millis(100);

/// What a job is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
}

impl State {
    fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// A job as the page is told of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Job {
    pub(super) id: u64,
    /// The key of the artifact that it makes.
    pub(super) key: String,
    pub(super) state: State,
    done: u64,
    of: u64,
    /// What there is of the answer's text so far.
    text: String,
    error: Option<String>,
    /// Counts changes of all jobs.
    #[serde(skip)]
    pub(super) change: u64,
    /// Who waits for it.
    #[serde(skip)]
    tabs: BTreeSet<String>,
    #[serde(skip)]
    cancelled: Arc<AtomicBool>,
}

impl Job {
    pub(super) fn is_for(&self, tab: &str) -> bool {
        self.tabs.contains(tab)
    }
}

type Work = Box<dyn FnOnce(&Line) -> anyhow::Result<()> + Send>;

#[derive(Default)]
struct Inner {
    jobs: BTreeMap<u64, Job>,
    waiting: Vec<(u64, Work)>,
    running: usize,
    last: u64,
    changes: u64,
}

/// All jobs of this server.
pub(super) struct Jobs {
    inner: Mutex<Inner>,
    events: broadcast::Sender<Job>,
}

/// From a job to whoever waits for it.
pub(super) struct Line {
    jobs: Arc<Jobs>,
    id: u64,
    cancelled: Arc<AtomicBool>,
    told: Mutex<Instant>,
}

impl Jobs {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), events: broadcast::channel(1024).0 })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes of all jobs from now on.
    pub(super) fn events(&self) -> broadcast::Receiver<Job> {
        self.events.subscribe()
    }

    /// The jobs that a tab waits for.
    pub(super) fn of(&self, tab: &str) -> Vec<Job> {
        self.lock().jobs.values().filter(|job| job.is_for(tab)).cloned().collect()
    }

    /// A job for work that makes the artifact of a key: the one that is at it, if there is one. Where the artifact is
    /// there already, a job that is done.
    pub(super) fn add(self: &Arc<Self>, key: &str, tab: &str, is_there: bool, work: Work) -> Job {
        let mut inner = self.lock();
        let at_it = inner.jobs.values_mut().find(|job| job.key == key && !job.state.has_ended());
        if let Some(job) = at_it.filter(|job| !job.cancelled.load(Ordering::Relaxed)) {
            job.tabs.insert(tab.to_owned());
            return job.clone();
        }
        inner.last += 1;
        inner.changes += 1;
        let (id, change) = (inner.last, inner.changes);
        let job = Job {
            id,
            key: key.to_owned(),
            state: if is_there { State::Done } else { State::Queued },
            done: 0,
            of: 0,
            text: String::new(),
            error: None,
            change,
            tabs: BTreeSet::from([tab.to_owned()]),
            cancelled: Arc::default(),
        };
        inner.jobs.insert(id, job.clone());
        let ended: Vec<u64> = inner.jobs.values().filter(|job| job.state.has_ended()).map(|job| job.id).collect();
        for old in ended.iter().take(ended.len().saturating_sub(REMEMBERED)) {
            inner.jobs.remove(old);
        }
        if !is_there {
            inner.waiting.push((id, work));
        }
        drop(inner);
        self.start();
        job
    }

    /// Starts what waits, as far as there is room.
    fn start(self: &Arc<Self>) {
        let mut inner = self.lock();
        while inner.running < AT_ONCE && !inner.waiting.is_empty() {
            let (id, work) = inner.waiting.remove(0);
            let Some(job) = inner.jobs.get(&id).filter(|job| !job.state.has_ended()) else { continue };
            let line =
                Line { jobs: self.clone(), id, cancelled: job.cancelled.clone(), told: Mutex::new(Instant::now()) };
            inner.running += 1;
            let jobs = self.clone();
            thread::spawn(move || {
                line.change(|job| job.state = State::Running);
                // A defect ends this job alone; the hook has told of it.
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&line)));
                line.change(|job| match result {
                    Ok(Ok(())) => job.state = State::Done,
                    _ if line.cancelled.load(Ordering::Relaxed) => job.state = State::Cancelled,
                    Ok(Err(error)) => {
                        job.state = State::Failed;
                        job.error = Some(format!("{error:#}"));
                    }
                    Err(_) => {
                        job.state = State::Failed;
                        job.error = Some("this is a defect of the program; its terminal says more".into());
                    }
                });
                jobs.lock().running -= 1;
                jobs.start();
            });
        }
    }

    /// A tab no longer waits for a job; when nobody does, it ends. Whether there is such a job.
    pub(super) fn cancel(&self, id: u64, tab: Option<&str>) -> bool {
        let mut inner = self.lock();
        inner.changes += 1;
        let change = inner.changes;
        let Some(job) = inner.jobs.get_mut(&id) else { return false };
        // The last who waits stays listed, to be told that it ended.
        let last = tab.is_none_or(|tab| job.tabs.iter().all(|known| known == tab));
        if last && !job.state.has_ended() {
            job.cancelled.store(true, Ordering::Relaxed);
            if job.state == State::Queued {
                job.state = State::Cancelled;
            }
            job.change = change;
            let _ = self.events.send(job.clone());
        } else if let Some(tab) = tab.filter(|_| !last) {
            job.tabs.remove(tab);
        }
        true
    }

    /// Ends everything.
    pub(super) fn end(&self) {
        let ids: Vec<u64> = self.lock().jobs.keys().copied().collect();
        for id in ids {
            self.cancel(id, None);
        }
    }
}

impl Line {
    fn change(&self, change: impl FnOnce(&mut Job)) {
        let mut inner = self.jobs.lock();
        inner.changes += 1;
        let number = inner.changes;
        let Some(job) = inner.jobs.get_mut(&self.id) else { return };
        change(job);
        job.change = number;
        let _ = self.jobs.events.send(job.clone());
    }

    /// Changes now, or silently where the last report is just out.
    fn report(&self, change: impl FnOnce(&mut Job)) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= INTERVAL {
            *told = Instant::now();
            self.change(change);
        } else if let Some(job) = self.jobs.lock().jobs.get_mut(&self.id) {
            change(job);
        }
    }
}

impl Progress for Line {
    fn tick(&self, done: u64, of: u64) -> bool {
        self.report(|job| (job.done, job.of) = (done, of));
        !self.cancelled.load(Ordering::Relaxed)
    }

    fn show(&self, text: &str) {
        self.report(|job| job.text.push_str(text));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn until(jobs: &Jobs, id: u64, state: State) -> Job {
        for _ in 0..2000 {
            let found = jobs.lock().jobs[&id].clone();
            if found.state == state {
                return found;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{:?} instead of {state:?}", jobs.lock().jobs[&id].state);
    }

    #[test]
    fn one_key_is_worked_out_once_and_a_long_job_holds_up_no_short_one() {
        let jobs = Jobs::new();
        let (go, wait) = mpsc::channel::<()>();
        let long = jobs.add("a", "tab1", false, Box::new(move |_| Ok(wait.recv()?)));
        let same = jobs.add("a", "tab2", false, Box::new(|_| panic!("a second time")));
        assert_eq!(long.id, same.id);
        let short = jobs.add("b", "tab1", false, Box::new(|_| Ok(())));
        until(&jobs, short.id, State::Done);
        assert_eq!((jobs.of("tab1").len(), jobs.of("tab2").len()), (2, 1));
        go.send(()).unwrap();
        until(&jobs, long.id, State::Done);
        assert_eq!(jobs.add("a", "tab1", true, Box::new(|_| panic!("it is there"))).state, State::Done);
    }

    #[test]
    fn a_job_ends_when_nobody_waits_for_it_any_more() {
        let jobs = Jobs::new();
        let turn = |line: &Line| {
            while line.tick(1, 10) {
                thread::sleep(Duration::from_millis(1));
            }
            anyhow::bail!("asked to end")
        };
        let job = jobs.add("a", "one", false, Box::new(turn));
        jobs.add("a", "two", false, Box::new(turn));
        assert!(jobs.cancel(job.id, Some("one")) && !jobs.cancel(99, None));
        until(&jobs, job.id, State::Running);
        assert!(jobs.cancel(job.id, Some("two")));
        assert_eq!(until(&jobs, job.id, State::Cancelled).error, None);
    }

    #[test]
    fn failures_and_defects_are_told() {
        let jobs = Jobs::new();
        let failed = jobs.add("a", "", false, Box::new(|_| anyhow::bail!("no such head")));
        assert_eq!(until(&jobs, failed.id, State::Failed).error.as_deref(), Some("no such head"));
        let defect = jobs.add("b", "", false, Box::new(|_| panic!("a defect, on purpose")));
        assert!(until(&jobs, defect.id, State::Failed).error.is_some_and(|why| why.contains("defect")));
    }

    #[test]
    fn what_has_no_room_waits() {
        let jobs = Jobs::new();
        let (go, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        let hold =
            |wait: Arc<Mutex<mpsc::Receiver<()>>>| -> Work { Box::new(move |_| Ok(wait.lock().unwrap().recv()?)) };
        let all: Vec<Job> = (0..AT_ONCE + 2).map(|i| jobs.add(&i.to_string(), "", false, hold(wait.clone()))).collect();
        assert!(jobs.cancel(all[AT_ONCE + 1].id, None));
        until(&jobs, all[AT_ONCE + 1].id, State::Cancelled);
        assert_eq!(jobs.lock().jobs[&all[AT_ONCE].id].state, State::Queued);
        (0..=AT_ONCE).for_each(|_| go.send(()).unwrap());
        until(&jobs, all[AT_ONCE].id, State::Done);
    }
}
