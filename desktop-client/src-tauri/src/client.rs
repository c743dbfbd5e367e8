//! The state of the client: settings, the open project, its Python, and the runs of this session.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use backend::child::ChildSpec;
use backend::environment::{self, Environment};
use backend::interpreter::{self, Interpreter};
use backend::problem::Problem;
use backend::project::root_of;
use backend::reports;
use backend::runs::Runs;
use backend::settings::Settings;
use backend::tool::{failure, run_json_tool, run_tool};
use backend::watch::ReportsWatch;
use serde_json::Value;

use crate::secrets;

/// `doctor` starts a fleet, and imports of a project may be slow.
const TOOL_LIMIT: Duration = Duration::from_secs(180);

pub struct Client {
    pub runs: Runs,
    /// Of the settings, and of the page of the last comparison.
    config: PathBuf,
    settings: Mutex<Settings>,
    settings_problem: Mutex<Option<Problem>>,
    login_path: OnceLock<Option<OsString>>,
    python: Mutex<Option<PathBuf>>,
    described: Mutex<Option<Described>>,
    watch: Mutex<Option<ReportsWatch>>,
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
        let (mut settings, problem) = Settings::load(&config);
        settings.projects.retain(|project| project.is_dir());
        Self {
            runs: Runs::default(),
            config,
            settings: Mutex::new(settings),
            settings_problem: Mutex::new(problem),
            login_path: OnceLock::new(),
            python: Mutex::default(),
            described: Mutex::default(),
            watch: Mutex::default(),
        }
    }

    pub fn settings(&self) -> Settings {
        lock(&self.settings).clone()
    }

    /// What was wrong with the file of the settings; once.
    pub fn take_settings_problem(&self) -> Option<Problem> {
        lock(&self.settings_problem).take()
    }

    pub fn save(&self, settings: Settings) -> Result<(), Problem> {
        settings.save(&self.config)?;
        let mut current = lock(&self.settings);
        if current.interpreter != settings.interpreter || current.projects != settings.projects {
            lock(&self.python).take();
            lock(&self.described).take();
            lock(&self.watch).take();
        }
        *current = settings;
        Ok(())
    }

    /// Open the project that a folder belongs to; returns its root.
    pub fn open(&self, folder: &Path) -> Result<PathBuf, Problem> {
        let root = root_of(folder)?;
        let mut settings = self.settings();
        settings.open(root.clone());
        self.save(settings)?;
        Ok(root)
    }

    pub fn root(&self) -> Result<PathBuf, Problem> {
        self.settings().projects.first().cloned().ok_or_else(|| {
            Problem::new("no project is open").hint("choose the folder of a project on Home")
        })
    }

    pub fn environment(&self) -> Result<Environment, Problem> {
        let path = self.login_path.get_or_init(interpreter::login_path);
        Ok(environment::for_children(path.as_deref(), &secrets::all(&self.settings().secrets)?))
    }

    /// Every Python that was found, and the one that runs the project.
    pub fn interpreters(&self) -> Result<(Vec<Interpreter>, Result<PathBuf, Problem>), Problem> {
        let setting = self.settings().interpreter;
        let found = interpreter::find(setting.as_deref(), &self.root()?, &self.environment()?);
        *lock(&self.python) = found.1.clone().ok();
        Ok(found)
    }

    /// A command of `python -u -m pytest_execgo` in the project.
    pub fn command(
        &self,
        arguments: impl IntoIterator<Item = String>,
    ) -> Result<ChildSpec, Problem> {
        let known = lock(&self.python).clone();
        let program = match known {
            Some(python) => python,
            None => self.interpreters()?.1?,
        };
        let before = ["-u", "-m", "pytest_execgo"].map(str::to_owned);
        Ok(ChildSpec {
            program,
            arguments: before.into_iter().chain(arguments).collect(),
            folder: self.root()?,
            environment: self.environment()?,
        })
    }

    /// The document that a command prints.
    pub fn json(
        &self,
        arguments: impl IntoIterator<Item = String>,
        accepted: &[i32],
    ) -> Result<Value, Problem> {
        run_json_tool(&self.command(arguments)?, TOOL_LIMIT, accepted)
    }

    /// Run a command that prints no document.
    pub fn run(
        &self,
        arguments: impl IntoIterator<Item = String>,
        accepted: &[i32],
    ) -> Result<(), Problem> {
        let spec = self.command(arguments)?;
        let output = run_tool(&spec, TOOL_LIMIT)?;
        if accepted.contains(&output.code) {
            return Ok(());
        }
        Err(failure(&spec.program, &output.stderr, output.code))
    }

    /// What can be run in the project. From then on, its folder of reports is watched.
    pub fn describe(&self, on_change: impl Fn() + Send + 'static) -> Result<Value, Problem> {
        let found = self.json(["describe", "--json"].map(str::to_owned), &[0])?;
        let text = |value: &Value| value.as_str().map(PathBuf::from);
        let sources = ["scenarios", "profiles"]
            .iter()
            .filter_map(|list| found[list].as_array())
            .flatten()
            .filter_map(|entry| text(&entry["path"]))
            .collect();
        let reports = text(&found["reports_folder"]).unwrap_or_else(|| PathBuf::from("reports"));
        let mut watch = lock(&self.watch);
        if watch.is_none() {
            // Without a watch, the window asks for the list again when it is shown.
            *watch = ReportsWatch::start(&reports, on_change).ok();
        }
        *lock(&self.described) = Some(Described { reports, sources });
        Ok(found)
    }

    /// The folder of reports; without a description, the default one.
    pub fn reports(&self) -> Result<PathBuf, Problem> {
        match lock(&self.described).as_ref() {
            Some(described) => Ok(described.reports.clone()),
            None => Ok(self.root()?.join("reports")),
        }
    }

    /// A place that the user may see or open: a scenario, a chaos profile, or something in the reports.
    pub fn allowed(&self, place: &Path) -> Result<PathBuf, Problem> {
        let described = lock(&self.described).clone();
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
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
