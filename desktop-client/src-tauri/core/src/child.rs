//! One child process in a process group of its own. It never outlives this client: its standard input is
//! a pipe that the operating system closes when this client ends, by `kill -9` as well, and
//! `--stop-with-parent` ends the run then.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

#[cfg(windows)]
use process_wrap::std::JobObject;
#[cfg(unix)]
use process_wrap::std::ProcessGroup;
use process_wrap::std::{ChildWrapper, CommandWrap};

use crate::environment::Environment;
use crate::problem::Problem;

/// How often the end of a child is checked.
const POLL: Duration = Duration::from_millis(20);

/// What to start: a program with a list of arguments; no shell reads them.
#[derive(Debug, Clone)]
pub struct ChildSpec {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub folder: PathBuf,
    pub environment: Environment,
}

/// How a child ended. `code` is null if a signal ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

/// How long each step of a stop waits for the next one.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub interrupt: Duration,
    pub terminate: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { interrupt: Duration::from_secs(10), terminate: Duration::from_secs(5) }
    }
}

/// A running child. Dropping it kills its whole process group.
pub struct Child {
    inner: Arc<Mutex<Box<dyn ChildWrapper>>>,
    stdin: Option<ChildStdin>,
    readers: Vec<JoinHandle<()>>,
    id: u32,
}

impl Child {
    /// Start a child. `on_stdout` and `on_stderr` get its output as it comes, each on a thread of its own,
    /// and nothing (`&[]`) at its end.
    pub fn start(
        spec: &ChildSpec,
        on_stdout: impl FnMut(&[u8]) + Send + 'static,
        on_stderr: impl FnMut(&[u8]) + Send + 'static,
    ) -> Result<Self, Problem> {
        let mut command = CommandWrap::with_new(&spec.program, |command| {
            command
                .args(&spec.arguments)
                .current_dir(&spec.folder)
                .env_clear()
                .envs(&spec.environment)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
        });
        #[cfg(unix)]
        command.wrap(ProcessGroup::leader());
        #[cfg(windows)]
        command.wrap(JobObject);
        let mut inner = command.spawn().map_err(|error| not_started(spec, &error))?;
        let stdin = inner.stdin().take();
        let readers = [
            inner.stdout().take().map(|pipe| reader(pipe, on_stdout)),
            inner.stderr().take().map(|pipe| reader(pipe, on_stderr)),
        ];
        let id = inner.id();
        Ok(Self {
            inner: Arc::new(Mutex::new(inner)),
            stdin,
            readers: readers.into_iter().flatten().collect(),
            id,
        })
    }

    pub fn id(&self) -> u32 {
        self.id
    }

    /// A handle that can end the child while another thread waits for it.
    pub fn stopper(&self) -> Stopper {
        Stopper { inner: Arc::clone(&self.inner) }
    }

    /// Wait for the end. What the child leaves in its process group is killed, and its output is read to
    /// the end. `None` if `limit` passes first; then the child still runs.
    pub fn wait(&mut self, limit: Option<Duration>) -> Option<Ending> {
        let began = Instant::now();
        let ending = loop {
            if let Some(ending) = self.stopper().ended() {
                break ending;
            }
            if limit.is_some_and(|limit| began.elapsed() >= limit) {
                return None;
            }
            thread::sleep(POLL);
        };
        self.stopper().kill();
        self.stdin = None;
        for reader in self.readers.drain(..) {
            // A process that left the group may hold the pipe open; its output is not ours.
            let until = Instant::now() + Duration::from_secs(2);
            while !reader.is_finished() && Instant::now() < until {
                thread::sleep(POLL);
            }
        }
        Some(ending)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stopper().kill();
    }
}

/// Ends a child in steps.
#[derive(Clone)]
pub struct Stopper {
    inner: Arc<Mutex<Box<dyn ChildWrapper>>>,
}

impl Stopper {
    /// Interrupt, terminate, kill: each if the child has not ended by then. Returns when it has ended.
    pub fn stop(&self, patience: Patience) {
        #[cfg(unix)]
        for (signal, limit) in
            [(libc::SIGINT, patience.interrupt), (libc::SIGTERM, patience.terminate)]
        {
            if self.ended().is_some() {
                return;
            }
            let _ = self.lock().signal(signal);
            if self.ends_within(limit) {
                return;
            }
        }
        #[cfg(not(unix))]
        let _ = self.ends_within(patience.interrupt);
        self.kill();
        self.ends_within(Duration::from_secs(5));
    }

    /// Kill the whole process group at once.
    pub fn kill(&self) {
        let _ = self.lock().start_kill();
    }

    fn ends_within(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if self.ended().is_some() {
                return true;
            }
            thread::sleep(POLL);
        }
        self.ended().is_some()
    }

    /// How the child ended; `None` while it runs.
    pub fn ended(&self) -> Option<Ending> {
        match self.lock().try_wait() {
            Ok(status) => status.map(ending_of),
            Err(_) => Some(Ending { code: None, signal: None }),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Box<dyn ChildWrapper>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ending_of(status: ExitStatus) -> Ending {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal = None;
    Ending { code: status.code(), signal }
}

fn reader(
    mut pipe: impl Read + Send + 'static,
    mut each: impl FnMut(&[u8]) + Send + 'static,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => each(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        each(&[]);
    })
}

fn not_started(spec: &ChildSpec, error: &io::Error) -> Problem {
    let what: &Path = if spec.folder.is_dir() { &spec.program } else { &spec.folder };
    Problem::of_io("cannot start", what, error)
        .hint("choose a Python in Settings, or check that the folder of the project is still there")
}
