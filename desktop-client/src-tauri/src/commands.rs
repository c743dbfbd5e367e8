//! What the window can ask for. Each command is short: the work is in `backend` and in `client`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use backend::interpreter::Interpreters;
use backend::problem::Problem;
use backend::reports::{self, RunSummary};
use backend::runs::{RunBatch, StartedRun};
use backend::settings::{Beginning, Settings};
use backend::stream::PROTOCOL;
use serde_json::Value;
use tauri::ipc::{Channel, Response};
use tauri::{AppHandle, Emitter, Manager, Runtime, State};
use tauri_plugin_dialog::DialogExt;
use tauri_plugin_notification::NotificationExt;
use tauri_plugin_opener::OpenerExt;

use crate::client::Client;
use crate::{menu, secrets, texts};

pub const REPORTS_CHANGED: &str = "reports-changed";

#[tauri::command]
pub fn begin(client: State<'_, Client>) -> Beginning {
    Beginning {
        version: env!("CARGO_PKG_VERSION").into(),
        protocol: PROTOCOL,
        settings: client.settings(),
        project: client.root().ok(),
        problem: client.take_settings_problem(),
    }
}

/// Open a project: the folder that is given, or else the one that the user chooses. `None`: the user chose
/// none.
#[tauri::command(async)]
pub fn choose_project<R: Runtime>(
    app: AppHandle<R>,
    client: State<'_, Client>,
    folder: Option<PathBuf>,
) -> Result<Option<PathBuf>, Problem> {
    let chosen = folder.or_else(|| {
        let chinese = texts::is_chinese(client.settings().language);
        let dialog = app.dialog().file().set_title(texts::CHOOSE_FOLDER.of(chinese));
        dialog.blocking_pick_folder().and_then(|place| place.into_path().ok())
    });
    chosen.map(|folder| client.open(&folder)).transpose()
}

#[tauri::command(async)]
pub fn save_settings<R: Runtime>(
    app: AppHandle<R>,
    client: State<'_, Client>,
    settings: Settings,
) -> Result<(), Problem> {
    let chinese = texts::is_chinese(settings.language);
    client.save(settings)?;
    let _ = menu::set(&app, chinese);
    Ok(())
}

#[tauri::command(async)]
pub fn interpreters(client: State<'_, Client>) -> Result<Interpreters, Problem> {
    let (found, chosen) = client.interpreters()?;
    Ok(match chosen {
        Ok(python) => Interpreters { found, chosen: Some(python), problem: None },
        Err(problem) => Interpreters { found, chosen: None, problem: Some(problem) },
    })
}

#[tauri::command(async)]
pub fn describe<R: Runtime>(
    app: AppHandle<R>,
    client: State<'_, Client>,
) -> Result<Value, Problem> {
    client.describe(move || {
        let _ = app.emit(REPORTS_CHANGED, ());
    })
}

/// `arguments` are options of `run`, such as `--chaos=all`.
#[tauri::command(async)]
pub fn estimate(client: State<'_, Client>, arguments: Vec<String>) -> Result<Value, Problem> {
    client.json(words(&["estimate", "--json"]).chain(arguments), &[0])
}

#[tauri::command(async)]
pub fn doctor(client: State<'_, Client>) -> Result<Value, Problem> {
    client.json(words(&["doctor", "--json"]), &[0, 1])
}

/// Check the files of all scenarios, or of all chaos profiles.
#[tauri::command(async)]
pub fn validate(client: State<'_, Client>, kind: &str) -> Result<Value, Problem> {
    let kind = if kind == "chaos" { "chaos" } else { "scenario" };
    client.json(words(&[kind, "validate", "--json"]), &[0, 2])
}

/// Start a run with these options; returns its key.
#[tauri::command(async)]
pub fn start_run<R: Runtime>(
    app: AppHandle<R>,
    client: State<'_, Client>,
    arguments: Vec<String>,
) -> Result<u32, Problem> {
    start(&app, &client, words(&["run", "--events", "-", "--stop-with-parent"]).chain(arguments))
}

/// Run the trials again that the rerun command of a report names: `pytest scenarios/…`.
#[tauri::command(async)]
pub fn rerun<R: Runtime>(
    app: AppHandle<R>,
    client: State<'_, Client>,
    command: &str,
) -> Result<u32, Problem> {
    let arguments = rerun_arguments(command)?;
    let before = words(&["run", "--events", "-", "--stop-with-parent", "--"]);
    start(&app, &client, before.chain(arguments))
}

/// Run the trials of a run that have no result yet.
#[tauri::command(async)]
pub fn resume_run<R: Runtime>(
    app: AppHandle<R>,
    client: State<'_, Client>,
    run: String,
) -> Result<u32, Problem> {
    let before = words(&["run", "--events", "-", "--stop-with-parent"]);
    start(&app, &client, before.chain([format!("--resume={run}")]))
}

/// Send everything that a run has reported, and from then on each batch.
#[tauri::command(async)]
pub fn follow_run(
    client: State<'_, Client>,
    key: u32,
    channel: Channel<RunBatch>,
) -> Result<(), Problem> {
    client.runs.follow(key, Box::new(move |batch| channel.send(batch.clone()).is_ok()))
}

#[tauri::command]
pub fn stop_run(client: State<'_, Client>, key: u32) -> Result<(), Problem> {
    client.runs.stop(key)
}

#[tauri::command]
pub fn started_runs(client: State<'_, Client>) -> Vec<StartedRun> {
    client.runs.list()
}

#[tauri::command(async)]
pub fn list_runs(client: State<'_, Client>) -> Result<Vec<RunSummary>, Problem> {
    reports::list_runs(&client.reports()?, SystemTime::now())
}

/// One document of a run's page, as bytes of JSON: `index`, or the id of a trial.
#[tauri::command(async)]
pub fn read_piece(client: State<'_, Client>, run: &str, name: &str) -> Result<Response, Problem> {
    let page = reports::run_folder(&client.reports()?, run)?.join("index.html");
    Ok(Response::new(reports::read_piece(&page, name)?))
}

/// As [`read_piece`], of the page of the last comparison.
#[tauri::command(async)]
pub fn read_compared(client: State<'_, Client>, name: &str) -> Result<Response, Problem> {
    Ok(Response::new(reports::read_piece(&client.compared_page(), name)?))
}

/// Write one page of several runs, the newest last.
#[tauri::command(async)]
pub fn compare_runs(client: State<'_, Client>, runs: Vec<String>) -> Result<(), Problem> {
    let folder = client.reports()?;
    let places = runs
        .iter()
        .map(|run| Ok(reports::run_folder(&folder, run)?.to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>, Problem>>()?;
    let page = client.compared_page().to_string_lossy().into_owned();
    client.run(words(&["report", "html"]).chain(places).chain(["-o".into(), page]), &[0])
}

/// A text file in the folder of reports, such as `RUN/benchmark.md`.
#[tauri::command(async)]
pub fn read_text(client: State<'_, Client>, path: &Path) -> Result<String, Problem> {
    reports::read_text(&client.reports()?, path)
}

/// Write the reports of a run anew, also of one that was killed. `budget` is the most that the page may
/// hold, in MiB.
#[tauri::command(async)]
pub fn write_reports(
    client: State<'_, Client>,
    run: &str,
    budget: Option<u32>,
) -> Result<(), Problem> {
    let place = reports::run_folder(&client.reports()?, run)?.to_string_lossy().into_owned();
    let more = budget.map(|mib| format!("--html-budget={mib}"));
    // 2: some results cannot be read; the page names them. 11: a gate blocks.
    client.run(words(&["report"]).chain([place]).chain(more), &[0, 2, 11])
}

/// The text of a scenario or chaos profile.
#[tauri::command(async)]
pub fn read_source(client: State<'_, Client>, path: &Path) -> Result<String, Problem> {
    let place = client.allowed(path)?;
    std::fs::read_to_string(&place).map_err(|error| Problem::of_io("cannot read", &place, &error))
}

/// Open a scenario, a chaos profile, or a file or folder of the reports in the program for it.
#[tauri::command(async)]
pub fn open_place<R: Runtime>(
    app: AppHandle<R>,
    client: State<'_, Client>,
    path: &Path,
) -> Result<(), Problem> {
    let place = client.allowed(path)?;
    let opened = app.opener().open_path(place.to_string_lossy(), None::<&str>);
    opened.map_err(|error| Problem::new(format!("cannot open {}: {error}", place.display())))
}

#[tauri::command(async)]
pub fn set_secret(client: State<'_, Client>, name: String, value: &str) -> Result<(), Problem> {
    secrets::set(&name, value)?;
    let mut settings = client.settings();
    if !settings.secrets.contains(&name) {
        settings.secrets.push(name);
    }
    client.save(settings)
}

#[tauri::command(async)]
pub fn forget_secret(client: State<'_, Client>, name: &str) -> Result<(), Problem> {
    let mut settings = client.settings();
    settings.secrets.retain(|one| one != name);
    client.save(settings)?;
    secrets::forget(name)
}

fn words(words: &[&str]) -> impl Iterator<Item = String> {
    words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>().into_iter()
}

fn start<R: Runtime>(
    app: &AppHandle<R>,
    client: &Client,
    arguments: impl Iterator<Item = String>,
) -> Result<u32, Problem> {
    let spec = client.command(arguments)?;
    let app = app.clone();
    client.runs.start(&spec, move |run| notify(&app, run))
}

/// Tell the user that a run has ended, unless the window is in front.
fn notify<R: Runtime>(app: &AppHandle<R>, run: &StartedRun) {
    let focused =
        app.get_webview_window("main").is_some_and(|one| one.is_focused().unwrap_or(false));
    let Some(end) = run.ended.as_ref().filter(|end| !end.stopped && !focused) else { return };
    let chinese = texts::is_chinese(app.state::<Client>().settings().language);
    let text = match end.code {
        Some(0) => texts::EXIT_PASSED,
        Some(1) => texts::EXIT_FAILED,
        _ => texts::EXIT_OTHER,
    };
    let title = texts::RUN_ENDED.of(chinese);
    let _ = app.notification().builder().title(title).body(text.of(chinese)).show();
}

/// The arguments for pytest in a rerun command. A shell never sees it.
fn rerun_arguments(command: &str) -> Result<Vec<String>, Problem> {
    let refused = || {
        Problem::new(format!("this is not a rerun command: {command}"))
            .hint("a rerun command begins with pytest; copy the one of the trial")
    };
    let mut found = backend::tool::split_command(command).ok_or_else(refused)?;
    if found.first().map(String::as_str) != Some("pytest") {
        return Err(refused());
    }
    Ok(found.split_off(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rerun_command_becomes_arguments_without_a_shell() {
        let found = rerun_arguments("pytest 'a b/scenario.yaml::x-r0' --execgo-seed 7; rm -rf x");
        let expected = ["a b/scenario.yaml::x-r0", "--execgo-seed", "7;", "rm", "-rf", "x"];
        assert_eq!(found.unwrap(), expected);
        assert!(rerun_arguments("rm -rf x").is_err());
        assert!(rerun_arguments("pytest 'open").is_err());
        assert!(rerun_arguments("").is_err());
    }
}
