//! Finds the Python that runs a project.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::child::ChildSpec;
use crate::environment::{self, Environment};
use crate::problem::Problem;
use crate::tool::{failure, run_tool};

pub const VARIABLE: &str = "EXECGO_PYTHON";
const PROBE_LIMIT: Duration = Duration::from_secs(30);
const SHELL_LIMIT: Duration = Duration::from_secs(5);
const MARK: &str = "__execgo_path__";
#[cfg(windows)]
const NAMES: [&str; 2] = ["python.exe", "python3.exe"];
#[cfg(not(windows))]
const NAMES: [&str; 2] = ["python3", "python"];
#[cfg(windows)]
const OF_VENV: &str = "Scripts/python.exe";
#[cfg(not(windows))]
const OF_VENV: &str = "bin/python";

/// Where a Python was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "bindings.ts")]
pub enum InterpreterSource {
    Setting,
    Variable,
    Venv,
    Path,
}

/// A Python that may run the project. `version` is that of pytest-execgo; `problem` says why it cannot be
/// used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "bindings.ts")]
pub struct Interpreter {
    pub path: PathBuf,
    pub source: InterpreterSource,
    pub version: Option<String>,
    pub problem: Option<Problem>,
}

/// Every Python that was found. `chosen` runs the project; without one, `problem` says why.
#[derive(Debug, Clone, Serialize, TS)]
#[ts(export, export_to = "bindings.ts")]
pub struct Interpreters {
    pub found: Vec<Interpreter>,
    pub chosen: Option<PathBuf>,
    pub problem: Option<Problem>,
}

/// The places to look at, in order: the setting, `EXECGO_PYTHON`, `.venv` of the project, `PATH`. Only
/// the first two are named even if there is no such file, because the user chose them.
pub fn candidates(
    setting: Option<&Path>,
    variable: Option<&OsStr>,
    root: &Path,
    path: Option<&OsStr>,
) -> Vec<(PathBuf, InterpreterSource)> {
    let asked = [
        (setting.map(Path::to_owned), InterpreterSource::Setting),
        (variable.filter(|one| !one.is_empty()).map(PathBuf::from), InterpreterSource::Variable),
    ];
    let mut found: Vec<_> = asked
        .into_iter()
        .filter_map(|(place, source)| place.map(|place| (root.join(place), source)))
        .collect();
    let venv = root.join(".venv").join(OF_VENV);
    if venv.is_file() {
        found.push((venv, InterpreterSource::Venv));
    }
    let folders = path.map(env::split_paths).into_iter().flatten();
    let on_path =
        folders.flat_map(|folder| NAMES.map(|name| folder.join(name))).find(|file| file.is_file());
    found.extend(on_path.map(|file| (file, InterpreterSource::Path)));
    found
}

/// Whether a Python has the plugin, and in which version.
pub fn probe(
    python: PathBuf,
    source: InterpreterSource,
    root: &Path,
    environment: &Environment,
) -> Interpreter {
    let (version, problem) = match version_of(&python, root, environment) {
        Ok(version) => (Some(version), None),
        Err(problem) => (None, Some(problem)),
    };
    Interpreter { path: python, source, version, problem }
}

fn version_of(python: &Path, root: &Path, environment: &Environment) -> Result<String, Problem> {
    let spec = ChildSpec {
        program: python.to_owned(),
        arguments: ["-m", "pytest_execgo", "--version"].map(str::to_owned).into(),
        folder: root.to_owned(),
        environment: environment.clone(),
    };
    let output = run_tool(&spec, PROBE_LIMIT, |_| ())?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim().strip_prefix("pytest-execgo ") {
        Some(version) if output.code == 0 => Ok(version.to_owned()),
        _ if output.code == 0 => Err(Problem::new(format!("{} is not a Python", python.display()))
            .hint("choose the Python of the project in Settings")),
        _ => Err(failure(python, &output.stderr, output.code)),
    }
}

/// All candidates, and the one to use: the first that works.
pub fn find(
    setting: Option<&Path>,
    root: &Path,
    environment: &Environment,
) -> (Vec<Interpreter>, Result<PathBuf, Problem>) {
    let variable = env::var_os(VARIABLE);
    let path = environment.get(OsStr::new("PATH"));
    let found: Vec<_> =
        candidates(setting, variable.as_deref(), root, path.map(OsString::as_os_str))
            .into_iter()
            .map(|(python, source)| probe(python, source, root, environment))
            .collect();
    let chosen = choose(&found, root);
    (found, chosen)
}

/// The first that works. One that the user asked for is not passed over.
fn choose(found: &[Interpreter], root: &Path) -> Result<PathBuf, Problem> {
    let asked = |one: &&Interpreter| {
        matches!(one.source, InterpreterSource::Setting | InterpreterSource::Variable)
    };
    let chosen =
        found.iter().find(asked).or_else(|| found.iter().find(|one| one.problem.is_none()));
    match chosen.or_else(|| found.first()) {
        None => Err(Problem::new(format!("no Python was found for {}", root.display())).hint(
            format!("install Python 3.11 or newer, or choose one in Settings, or set {VARIABLE}"),
        )),
        Some(Interpreter { path, problem: None, .. }) => Ok(path.clone()),
        Some(Interpreter { problem: Some(problem), .. }) => Err(problem.clone()),
    }
}

/// `PATH` as a terminal of the user has it. A program that is started from a menu of macOS or Linux has a
/// shorter one. The login shell is asked once, with a limit; `None` if it does not answer.
#[cfg(unix)]
pub fn login_path() -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt;

    let shell = env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let spec = ChildSpec {
        program: shell.into(),
        arguments: vec![
            "-l".into(),
            "-c".into(),
            format!("printf '%s%s%s' {MARK} \"$PATH\" {MARK}"),
        ],
        folder: env::temp_dir(),
        environment: environment::for_children(None, &[]),
    };
    let output = run_tool(&spec, SHELL_LIMIT, |_| ()).ok()?;
    // What the user's profile prints is around the marks.
    let text = output.stdout;
    let begin = position(&text, MARK.as_bytes())? + MARK.len();
    let end = begin + position(&text[begin..], MARK.as_bytes())?;
    (end > begin).then(|| OsString::from_vec(text[begin..end].to_vec()))
}

/// Programs of Windows have the `PATH` of the user.
#[cfg(not(unix))]
pub fn login_path() -> Option<OsString> {
    let _ = (SHELL_LIMIT, MARK, environment::for_children(None, &[]));
    None
}

#[cfg(unix)]
fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn plain_environment() -> Environment {
        environment::for_children(Some(OsStr::new("/usr/bin:/bin")), &[])
    }

    #[test]
    fn the_setting_comes_before_variable_venv_and_path() {
        let root = tempfile::tempdir().unwrap();
        let venv = root.path().join(".venv/bin/python");
        program(&venv, "true");
        program(&root.path().join("bin/python3"), "true");
        let path = root.path().join("bin").into_os_string();
        let found = candidates(
            Some(Path::new("/opt/python")),
            Some(OsStr::new("mine")),
            root.path(),
            Some(&path),
        );
        let expected = [
            (PathBuf::from("/opt/python"), InterpreterSource::Setting),
            (root.path().join("mine"), InterpreterSource::Variable),
            (venv, InterpreterSource::Venv),
            (root.path().join("bin/python3"), InterpreterSource::Path),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_first_python_with_the_plugin_is_used() {
        let root = tempfile::tempdir().unwrap();
        let without = root.path().join("a/python3");
        program(&without, "echo 'python3: No module named pytest_execgo' >&2; exit 1");
        let with = root.path().join("b/python3");
        program(&with, "echo pytest-execgo 1.2.3");
        let found = [
            probe(without.clone(), InterpreterSource::Venv, root.path(), &plain_environment()),
            probe(with.clone(), InterpreterSource::Path, root.path(), &plain_environment()),
        ];
        assert_eq!(found[1].version.as_deref(), Some("1.2.3"));
        let problem = found[0].problem.clone().unwrap();
        assert_eq!(
            problem.message,
            format!("pytest-execgo is not installed for {}", without.display())
        );
        assert_eq!(problem.hint, format!("{} -m pip install pytest-execgo", without.display()));
        assert_eq!(choose(&found, root.path()), Ok(with));
        assert_eq!(choose(&found[..1], root.path()), Err(problem));
    }

    #[test]
    fn a_python_that_the_user_asked_for_is_not_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let gone = root.path().join("gone");
        let asked = probe(gone, InterpreterSource::Setting, root.path(), &plain_environment());
        let with = root.path().join("b/python3");
        program(&with, "echo pytest-execgo 1.2.3");
        let other = probe(with, InterpreterSource::Path, root.path(), &plain_environment());
        let problem = choose(&[asked, other], root.path()).unwrap_err();
        assert!(problem.message.contains("gone: no such file or directory"), "{problem}");
    }

    #[test]
    fn no_python_at_all_says_what_to_do() {
        let problem = choose(&[], Path::new("/p")).unwrap_err();
        assert_eq!(problem.message, "no Python was found for /p");
        assert!(problem.hint.contains(VARIABLE));
    }

    #[test]
    fn the_login_shell_is_asked_for_the_path() {
        assert!(login_path().is_some_and(|path| !path.is_empty()));
    }
}
