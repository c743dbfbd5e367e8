//! The runs that this client started, and what they have reported so far.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde::Serialize;
use ts_rs::TS;

use crate::batch::{Mailbox, Pending, SHORTEST_PAUSE};
use crate::child::{Child, ChildSpec, Ending, Patience, Stopper};
use crate::problem::Problem;
use crate::stream::{Handshake, Line, Lines, StreamEvent, parse_line};
use crate::tail::{Tail, shortened};
use crate::tool::{failure, shown_command};

const STDERR_BYTES: usize = 64 << 10;
const LONGEST_LOG_LINE: usize = 4 << 10;
/// A run of 50,000 trials has about as many events.
const MOST_EVENTS: usize = 500_000;

/// News of a run. `log` are the last lines of standard error, without the `passed_over` ones before them;
/// `garbage` counts the lines of standard output that are no events; `ended` comes once, in the last batch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, TS)]
#[ts(export, export_to = "bindings.ts")]
pub struct RunBatch {
    pub events: Vec<StreamEvent>,
    pub log: Vec<String>,
    pub passed_over: u32,
    pub garbage: u32,
    pub ended: Option<RunEnd>,
}

/// How a run ended. `code` is the exit code of pytest-execgo; null after a signal. `stopped`: this client
/// ended it. `problem`: why the run has no result; null if it has one.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "bindings.ts")]
pub struct RunEnd {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stopped: bool,
    pub problem: Option<Problem>,
}

/// A run of this session. `command` is its command line, `project` the folder in which it was started;
/// `folder` is known once the run has begun.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export, export_to = "bindings.ts")]
pub struct StartedRun {
    pub key: u32,
    pub command: String,
    pub project: PathBuf,
    pub run_id: Option<String>,
    pub folder: Option<PathBuf>,
    pub ended: Option<RunEnd>,
}

/// Gets the batches of a run; false if it wants no more.
pub type Follower = Box<dyn Fn(&RunBatch) -> bool + Send>;

#[derive(Default)]
struct Reported {
    events: Vec<StreamEvent>,
    log: Tail,
    garbage: u32,
    ended: Option<RunEnd>,
    run_id: Option<String>,
    folder: Option<PathBuf>,
    followers: Vec<Follower>,
}

struct Run {
    command: String,
    project: PathBuf,
    stopper: Stopper,
    stopped: AtomicBool,
    news: Mailbox<StreamEvent, RunEnd>,
    reported: Mutex<Reported>,
    stderr: Mutex<Tail>,
    handshake: Mutex<Handshake>,
    refused: Mutex<Option<Problem>>,
}

/// All runs of this session. Several may run at once.
#[derive(Default)]
pub struct Runs {
    next: AtomicU32,
    all: Mutex<BTreeMap<u32, Arc<Run>>>,
}

impl Runs {
    /// Start a run; returns its key. `on_end` is called after the last batch.
    pub fn start(
        &self,
        spec: &ChildSpec,
        on_end: impl FnOnce(&StartedRun) + Send + 'static,
    ) -> Result<u32, Problem> {
        let slot: Arc<Mutex<Option<Arc<Run>>>> = Arc::default();
        let mut child =
            Child::start(spec, stdout_reader(Arc::clone(&slot)), stderr_reader(Arc::clone(&slot)))?;
        let run = Arc::new(Run {
            command: shown_command(&spec.program, &spec.arguments),
            project: spec.folder.clone(),
            stopper: child.stopper(),
            stopped: AtomicBool::new(false),
            news: Mailbox::default(),
            reported: Mutex::default(),
            stderr: Mutex::new(Tail::new(STDERR_BYTES)),
            handshake: Mutex::default(),
            refused: Mutex::default(),
        });
        *lock(&slot) = Some(Arc::clone(&run));
        let key = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        lock(&self.all).insert(key, Arc::clone(&run));

        let delivering = Arc::clone(&run);
        thread::spawn(move || {
            delivering.news.deliver(SHORTEST_PAUSE, |news| delivering.deliver(news));
            on_end(&delivering.started(key));
        });
        let python = spec.program.clone();
        thread::spawn(move || {
            let ending = child.wait(None).unwrap_or(Ending { code: None, signal: None });
            run.news.end(run.end(ending, &python));
        });
        Ok(key)
    }

    /// Get everything that a run has reported, in one batch, and then each new batch.
    pub fn follow(&self, key: u32, follower: Follower) -> Result<(), Problem> {
        let run = self.find(key)?;
        let mut reported = lock(&run.reported);
        let so_far = RunBatch {
            events: reported.events.clone(),
            log: reported.log.text().lines().map(str::to_owned).collect(),
            passed_over: 0,
            garbage: reported.garbage,
            ended: reported.ended.clone(),
        };
        if follower(&so_far) && so_far.ended.is_none() {
            reported.followers.push(follower);
        }
        Ok(())
    }

    /// Begin to stop a run: interrupt, terminate, kill. Returns at once.
    pub fn stop(&self, key: u32) -> Result<(), Problem> {
        let run = self.find(key)?;
        if run.stopper.ended().is_none() {
            run.stopped.store(true, Ordering::SeqCst);
            thread::spawn(move || run.stopper.stop(Patience::default()));
        }
        Ok(())
    }

    /// Stop all runs at once, and wait until they have ended.
    pub fn stop_all(&self, patience: Patience) {
        let running: Vec<Arc<Run>> = lock(&self.all).values().cloned().collect();
        let stopping: Vec<_> = running
            .into_iter()
            .filter(|run| lock(&run.reported).ended.is_none())
            .map(|run| {
                // One that has ended by itself is about to report its end.
                let stopped = run.stopper.ended().is_none();
                run.stopped.fetch_or(stopped, Ordering::SeqCst);
                thread::spawn(move || run.stopper.stop(patience))
            })
            .collect();
        for thread in stopping {
            let _ = thread.join();
        }
    }

    /// Kill what still runs, without waiting.
    pub fn kill_all(&self) {
        for run in lock(&self.all).values() {
            if lock(&run.reported).ended.is_none() {
                run.stopper.kill();
            }
        }
    }

    /// The runs of this session, the newest first.
    pub fn list(&self) -> Vec<StartedRun> {
        lock(&self.all).iter().rev().map(|(key, run)| run.started(*key)).collect()
    }

    /// How many have not ended.
    pub fn running(&self) -> usize {
        lock(&self.all).values().filter(|run| lock(&run.reported).ended.is_none()).count()
    }

    fn find(&self, key: u32) -> Result<Arc<Run>, Problem> {
        lock(&self.all)
            .get(&key)
            .cloned()
            .ok_or_else(|| Problem::new(format!("there is no run {key} in this session")))
    }
}

impl Run {
    fn started(&self, key: u32) -> StartedRun {
        let reported = lock(&self.reported);
        StartedRun {
            key,
            command: self.command.clone(),
            project: self.project.clone(),
            run_id: reported.run_id.clone(),
            folder: reported.folder.clone(),
            ended: reported.ended.clone(),
        }
    }

    /// Take in news and pass them on.
    fn deliver(&self, news: Pending<StreamEvent, RunEnd>) {
        let batch = RunBatch {
            events: news.items,
            log: news.lines.into(),
            passed_over: news.passed_over,
            garbage: news.garbage,
            ended: news.end,
        };
        let mut reported = lock(&self.reported);
        for event in &batch.events {
            if let StreamEvent::RunStarted { run_id, folder, .. } = event {
                reported.run_id = Some(run_id.clone());
                reported.folder = Some(folder.into());
            }
        }
        let room = MOST_EVENTS.saturating_sub(reported.events.len());
        let kept = batch.events.iter().take(room).cloned();
        reported.events.extend(kept);
        for line in &batch.log {
            reported.log.add(line);
        }
        reported.garbage += batch.garbage;
        reported.ended.clone_from(&batch.ended);
        reported.followers.retain(|follower| follower(&batch));
    }

    fn end(&self, ending: Ending, python: &std::path::Path) -> RunEnd {
        let stopped = self.stopped.load(Ordering::SeqCst);
        let refused = lock(&self.refused).take();
        let problem = if refused.is_some() {
            refused
        } else if stopped {
            None
        } else {
            self.why(ending, python)
        };
        RunEnd { code: ending.code, signal: ending.signal, stopped, problem }
    }

    /// Why a run that was not stopped has no result; `None` if it has one.
    fn why(&self, ending: Ending, python: &std::path::Path) -> Option<Problem> {
        let stderr = lock(&self.stderr).text();
        let handshake = lock(&self.handshake);
        let (began, garbage) = handshake.outcome();
        match (ending.code, ending.signal) {
            (_, Some(signal)) => Some(
                Problem::new(format!("the run was ended by signal {signal}"))
                    .hint("its finished trials are kept; resume it to run the others")
                    .detail(stderr),
            ),
            (Some(0), _) if !began => {
                let printed =
                    garbage.map_or_else(String::new, |text| format!("; it printed: {text}"));
                Some(
                    Problem::new(format!("the run ended without an event{printed}")).detail(stderr),
                )
            }
            (Some(code), _) if !began || matches!(code, 2..=4) => {
                Some(failure(python, &stderr, code))
            }
            _ => None,
        }
    }

    fn refuse(&self, problem: Problem) {
        let mut refused = lock(&self.refused);
        if refused.is_none() {
            *refused = Some(problem);
            let stopper = self.stopper.clone();
            thread::spawn(move || stopper.stop(Patience::default()));
        }
    }
}

fn stdout_reader(slot: Arc<Mutex<Option<Arc<Run>>>>) -> impl FnMut(&[u8]) + Send + 'static {
    let mut lines = Lines::default();
    move |bytes| {
        let run = wait_for(&slot);
        lines.feed_or_finish(bytes, |line| {
            let Some(line) = parse_line(line) else { return };
            if let Err(problem) = lock(&run.handshake).check(&line) {
                run.refuse(problem);
            }
            match line {
                Line::Event(event) => run.news.item(event),
                Line::Garbage(_) => run.news.garbage(),
            }
        });
    }
}

fn stderr_reader(slot: Arc<Mutex<Option<Arc<Run>>>>) -> impl FnMut(&[u8]) + Send + 'static {
    let mut lines = Lines::default();
    move |bytes| {
        let run = wait_for(&slot);
        lines.feed_or_finish(bytes, |line| {
            let text = shortened(&String::from_utf8_lossy(line), LONGEST_LOG_LINE);
            lock(&run.stderr).add(&text);
            run.news.line(text);
        });
    }
}

/// The run of a reader; its child may print before the run is in its slot.
fn wait_for(slot: &Mutex<Option<Arc<Run>>>) -> Arc<Run> {
    loop {
        if let Some(run) = lock(slot).as_ref() {
            return Arc::clone(run);
        }
        thread::yield_now();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
