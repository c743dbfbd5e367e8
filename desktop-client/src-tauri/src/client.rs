//! The state of the client: settings, the open project, its Python, and the runs of this session.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use backend::child::{ChildSpec, Stopper};
use backend::environment::{self, Environment};
use backend::interpreter::{self, Interpreter};
use backend::problem::Problem;
use backend::project::root_of;
use backend::reports;
use backend::runs::Runs;
use backend::settings::Settings;
use backend::tool::{failure, parsed, run_tool};
use backend::watch::ReportsWatch;
use serde_json::Value;

use crate::secrets;

/// `doctor` starts a fleet, and imports of a project may be slow.
const TOOL_LIMIT: Duration = Duration::from_secs(180);

pub struct Client {
    pub runs: Runs,
    /// Of the settings, and of the page of the last comparison.
    config: PathBuf,
    state: Mutex<State>,
    login_path: OnceLock<Option<OsString>>,
    estimate: Mutex<Option<Stopper>>,
    closing: AtomicBool,
}

/// Behind one lock, so that no two of them are of different projects.
struct State {
    settings: Settings,
    settings_problem: Option<Problem>,
    /// Rises with each change of the project or its Python. An answer to an earlier question is dropped.
    generation: u64,
    python: Option<PathBuf>,
    described: Option<Described>,
    watch: Option<ReportsWatch>,
}

/// The parts of `describe --json` that decide what may be read and opened.
#[derive(Clone)]
struct Described {
    reports: PathBuf,
    sources: Vec<PathBuf>,
}

impl Client {
    /// Settings are in `config`. A project that is gone is not opened.
    pub fn new(config: PathBuf) -> Self {
        let (mut settings, settings_problem) = Settings::load(&config);
        settings.projects.retain(|project| project.is_dir());
        let state = State {
            settings,
            settings_problem,
            generation: 0,
            python: None,
            described: None,
            watch: None,
        };
        Self {
            runs: Runs::default(),
            config,
            state: Mutex::new(state),
            login_path: OnceLock::new(),
            estimate: Mutex::default(),
            closing: AtomicBool::new(false),
        }
    }

    pub fn settings(&self) -> Settings {
        self.lock().settings.clone()
    }

    /// What was wrong with the file of the settings; once.
    pub fn take_settings_problem(&self) -> Option<Problem> {
        self.lock().settings_problem.take()
    }

    /// Change the settings and write them; if they cannot be written, nothing changes.
    pub fn update(&self, change: impl FnOnce(&mut Settings)) -> Result<Settings, Problem> {
        let mut state = self.lock();
        let mut settings = state.settings.clone();
        change(&mut settings);
        settings.save(&self.config)?;
        if settings.python() != state.settings.python()
            || settings.projects.first() != state.settings.projects.first()
        {
            state.generation += 1;
            state.python = None;
            state.described = None;
            state.watch = None;
        }
        state.settings = settings.clone();
        Ok(settings)
    }

    /// Open the project that a folder belongs to; returns its root.
    pub fn open(&self, folder: &Path) -> Result<PathBuf, Problem> {
        let root = root_of(folder)?;
        self.update(|settings| settings.open(root.clone()))?;
        Ok(root)
    }

    pub fn root(&self) -> Result<PathBuf, Problem> {
        root_in(&self.lock().settings)
    }

    /// Every Python that was found, and the one that runs the project.
    pub fn interpreters(&self) -> Result<(Vec<Interpreter>, Result<PathBuf, Problem>), Problem> {
        let (generation, settings) = {
            let state = self.lock();
            (state.generation, state.settings.clone())
        };
        let environment = self.environment(&settings)?;
        let found = interpreter::find(settings.python(), &root_in(&settings)?, &environment);
        let mut state = self.lock();
        if state.generation == generation {
            state.python = found.1.clone().ok();
        }
        Ok(found)
    }

    /// A command of `python -u -m pytest_execgo` in the project.
    pub fn command(
        &self,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<ChildSpec, Problem> {
        let (settings, known) = {
            let state = self.lock();
            (state.settings.clone(), state.python.clone())
        };
        let program = match known {
            Some(python) => python,
            None => self.interpreters()?.1?,
        };
        let before = ["-u", "-m", "pytest_execgo"].map(str::to_owned);
        Ok(ChildSpec {
            program,
            arguments: before.into_iter().chain(arguments).collect(),
            folder: root_in(&settings)?,
            environment: self.environment(&settings)?,
        })
    }

    /// The document that a command prints.
    pub fn json(
        &self,
        arguments: impl IntoIterator<Item = String>,
        accepted: &[i32],
    ) -> Result<Value, Problem> {
        let spec = self.command(arguments)?;
        parsed(&spec, &run_tool(&spec, TOOL_LIMIT, |_| ())?, accepted)
    }

    /// As [`Client::json`] for an estimate; the one before it is ended, because its
    /// result is not used.
    pub fn estimate(&self, arguments: impl IntoIterator<Item = String>) -> Result<Value, Problem> {
        let spec = self.command(arguments)?;
        let output = run_tool(&spec, TOOL_LIMIT, |stopper| {
            let mut current = self.estimate.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(earlier) = current.replace(stopper) {
                earlier.kill();
            }
        })?;
        parsed(&spec, &output, &[0])
    }

    /// Run a command that prints no document.
    pub fn run(
        &self,
        arguments: impl IntoIterator<Item = String>,
        accepted: &[i32],
    ) -> Result<(), Problem> {
        let spec = self.command(arguments)?;
        let output = run_tool(&spec, TOOL_LIMIT, |_| ())?;
        if accepted.contains(&output.code) {
            return Ok(());
        }
        Err(failure(&spec.program, &output.stderr, output.code))
    }

    /// What can be run in the project. From then on, its folder of reports is watched.
    pub fn describe(&self, on_change: impl Fn() + Send + 'static) -> Result<Value, Problem> {
        let generation = self.lock().generation;
        let found = self.json(["describe", "--json"].map(str::to_owned), &[0])?;
        let text = |value: &Value| value.as_str().map(PathBuf::from);
        let sources = ["scenarios", "profiles"]
            .iter()
            .filter_map(|list| found[list].as_array())
            .flatten()
            .filter_map(|entry| text(&entry["path"]))
            .collect();
        let reports = text(&found["reports_folder"]).unwrap_or_else(|| PathBuf::from("reports"));
        let mut state = self.lock();
        if state.generation == generation {
            // Without a watch, the window asks for the list again when it is shown.
            state.watch = ReportsWatch::start(&reports, on_change).ok();
            state.described = Some(Described { reports, sources });
        }
        Ok(found)
    }

    /// The folder of reports; without a description, the default one.
    pub fn reports(&self) -> Result<PathBuf, Problem> {
        let state = self.lock();
        match &state.described {
            Some(described) => Ok(described.reports.clone()),
            None => Ok(root_in(&state.settings)?.join("reports")),
        }
    }

    /// A place that the user may see or open: a scenario, a chaos profile, or something in the reports.
    pub fn allowed(&self, place: &Path) -> Result<PathBuf, Problem> {
        let described = self.lock().described.clone();
        if described.is_some_and(|known| known.sources.iter().any(|source| source == place)) {
            return Ok(place.to_owned());
        }
        let reports = self.reports()?;
        let relative = place.strip_prefix(&reports).unwrap_or(place);
        reports::inside(&reports, relative)
    }

    pub fn compared_page(&self) -> PathBuf {
        self.config.join("compared.html")
    }

    /// Whether this is the first time that the client is asked to close. No run starts after that.
    pub fn begin_to_close(&self) -> bool {
        !self.closing.swap(true, Ordering::SeqCst)
    }

    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    fn environment(&self, settings: &Settings) -> Result<Environment, Problem> {
        let path = self.login_path.get_or_init(interpreter::login_path);
        Ok(environment::for_children(path.as_deref(), &secrets::all(&settings.secrets)?))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn root_in(settings: &Settings) -> Result<PathBuf, Problem> {
    settings.projects.first().cloned().ok_or_else(|| {
        Problem::new("no project is open").hint("choose the folder of a project on Home")
    })
}
