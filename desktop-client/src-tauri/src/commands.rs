//! What the window can ask for. Each command is short: the work is in `backend` and in `client`.

use std::path::{Path, PathBuf};

use backend::interpreter::Interpreters;
use backend::problem::Problem;
use backend::reports::{self, RunSummary};
use backend::runs::{RunBatch, StartedRun};
use backend::settings::{Beginning, Settings};
use backend::stream::PROTOCOL;
use serde_json::Value;
use tauri::async_runtime::spawn_blocking;
use tauri::ipc::{Channel, Response};
use tauri::{AppHandle, Emitter, Manager, State};
use tauri_plugin_dialog::DialogExt;
use tauri_plugin_notification::NotificationExt;
use tauri_plugin_opener::OpenerExt;

use crate::client::Client;
use crate::{menu, secrets, texts};

pub const REPORTS_CHANGED: &str = "reports-changed";
const RUN: [&str; 4] = ["run", "--events", "-", "--stop-with-parent"];

/// Do work that waits for a child or a disk on a thread of its own, so that other commands go on.
async fn blocking<T: Send + 'static>(
    app: AppHandle,
    work: impl FnOnce(&AppHandle, &Client) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = spawn_blocking(move || work(&app, &app.state::<Client>())).await;
    done.map_err(|error| Problem::new(format!("the client failed: {error}")))?
}

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
#[tauri::command]
pub async fn choose_project(
    app: AppHandle,
    folder: Option<PathBuf>,
) -> Result<Option<PathBuf>, Problem> {
    blocking(app, |app, client| {
        let chosen = folder.or_else(|| {
            let chinese = texts::is_chinese(client.settings().language);
            let dialog = app.dialog().file().set_title(texts::CHOOSE_FOLDER.of(chinese));
            dialog.blocking_pick_folder().and_then(|place| place.into_path().ok())
        });
        chosen.map(|folder| client.open(&folder)).transpose()
    })
    .await
}

#[tauri::command]
pub async fn save_settings(app: AppHandle, settings: Settings) -> Result<(), Problem> {
    blocking(app, |app, client| {
        let saved = client.update(|current| *current = settings)?;
        let _ = menu::set(app, texts::is_chinese(saved.language));
        Ok(())
    })
    .await
}

#[tauri::command]
pub async fn interpreters(app: AppHandle) -> Result<Interpreters, Problem> {
    blocking(app, |_, client| {
        let (found, chosen) = client.interpreters()?;
        Ok(match chosen {
            Ok(python) => Interpreters { found, chosen: Some(python), problem: None },
            Err(problem) => Interpreters { found, chosen: None, problem: Some(problem) },
        })
    })
    .await
}

#[tauri::command]
pub async fn describe(app: AppHandle) -> Result<Value, Problem> {
    blocking(app, |app, client| {
        let app = app.clone();
        client.describe(move || {
            let _ = app.emit(REPORTS_CHANGED, ());
        })
    })
    .await
}

/// `arguments` are options of `run`, such as `--chaos=all`.
#[tauri::command]
pub async fn estimate(app: AppHandle, arguments: Vec<String>) -> Result<Value, Problem> {
    blocking(app, |_, client| client.estimate(words(&["estimate", "--json"]).chain(arguments)))
        .await
}

#[tauri::command]
pub async fn doctor(app: AppHandle) -> Result<Value, Problem> {
    blocking(app, |_, client| client.json(words(&["doctor", "--json"]), &[0, 1])).await
}

/// Check the files of all scenarios, or of all chaos profiles.
#[tauri::command]
pub async fn validate(app: AppHandle, kind: String) -> Result<Value, Problem> {
    let kind = if kind == "chaos" { "chaos" } else { "scenario" };
    blocking(app, move |_, client| client.json(words(&[kind, "validate", "--json"]), &[0, 2])).await
}

/// Start a run with these options; returns its key.
#[tauri::command]
pub async fn start_run(app: AppHandle, arguments: Vec<String>) -> Result<u32, Problem> {
    blocking(app, |app, client| start(app, client, words(&RUN).chain(arguments))).await
}

/// Run the trials again that the rerun command of a report names: `pytest scenarios/…`.
#[tauri::command]
pub async fn rerun(app: AppHandle, command: String) -> Result<u32, Problem> {
    let arguments = rerun_arguments(&command)?;
    let all = words(&RUN).chain(["--".to_owned()]).chain(arguments);
    blocking(app, |app, client| start(app, client, all)).await
}

/// Run the trials of a run that have no result yet.
#[tauri::command]
pub async fn resume_run(app: AppHandle, run: String) -> Result<u32, Problem> {
    let all = words(&RUN).chain([format!("--resume={run}")]);
    blocking(app, |app, client| start(app, client, all)).await
}

/// Send everything that a run has reported, and from then on each batch.
#[tauri::command]
pub async fn follow_run(
    app: AppHandle,
    key: u32,
    channel: Channel<RunBatch>,
) -> Result<(), Problem> {
    let follower = Box::new(move |batch: &RunBatch| channel.send(batch.clone()).is_ok());
    blocking(app, move |_, client| client.runs.follow(key, follower)).await
}

#[tauri::command]
pub fn stop_run(client: State<'_, Client>, key: u32) -> Result<(), Problem> {
    client.runs.stop(key)
}

#[tauri::command]
pub fn started_runs(client: State<'_, Client>) -> Vec<StartedRun> {
    client.runs.list()
}

#[tauri::command]
pub async fn list_runs(app: AppHandle) -> Result<Vec<RunSummary>, Problem> {
    blocking(app, |_, client| reports::list_runs(&client.reports()?)).await
}

/// One document of a run's page, as bytes of JSON: `index`, or the id of a trial.
#[tauri::command]
pub async fn read_piece(app: AppHandle, run: String, name: String) -> Result<Response, Problem> {
    blocking(app, move |_, client| {
        let page = reports::run_folder(&client.reports()?, &run)?.join("index.html");
        Ok(Response::new(reports::read_piece(&page, &name)?))
    })
    .await
}

/// As [`read_piece`], of the page of the last comparison.
#[tauri::command]
pub async fn read_compared(app: AppHandle, name: String) -> Result<Response, Problem> {
    blocking(app, move |_, client| {
        Ok(Response::new(reports::read_piece(&client.compared_page(), &name)?))
    })
    .await
}

/// Write one page of several runs, the newest last.
#[tauri::command]
pub async fn compare_runs(app: AppHandle, runs: Vec<String>) -> Result<(), Problem> {
    blocking(app, move |_, client| {
        let folder = client.reports()?;
        let places = runs
            .iter()
            .map(|run| Ok(reports::run_folder(&folder, run)?.to_string_lossy().into_owned()))
            .collect::<Result<Vec<_>, Problem>>()?;
        let page = client.compared_page().to_string_lossy().into_owned();
        client.run(words(&["report", "html"]).chain(places).chain(["-o".into(), page]), &[0])
    })
    .await
}

/// Write the reports of a run anew, also of one that was killed. `budget` is the most that the page may
/// hold, in MiB.
#[tauri::command]
pub async fn write_reports(
    app: AppHandle,
    run: String,
    budget: Option<u32>,
) -> Result<(), Problem> {
    blocking(app, move |_, client| {
        let place = reports::run_folder(&client.reports()?, &run)?.to_string_lossy().into_owned();
        let more = budget.map(|mib| format!("--html-budget={mib}"));
        // 2: some results cannot be read; the page names them. 11: a gate blocks.
        client.run(words(&["report"]).chain([place]).chain(more), &[0, 2, 11])
    })
    .await
}

/// The text of a scenario or chaos profile.
#[tauri::command]
pub async fn read_source(app: AppHandle, path: PathBuf) -> Result<String, Problem> {
    blocking(app, move |_, client| {
        let place = client.allowed(&path)?;
        std::fs::read_to_string(&place)
            .map_err(|error| Problem::of_io("cannot read", &place, &error))
    })
    .await
}

/// Open a scenario, a chaos profile, or a file or folder of the reports in the program for it.
#[tauri::command]
pub async fn open_place(app: AppHandle, path: PathBuf) -> Result<(), Problem> {
    blocking(app, move |app, client| {
        let place = client.allowed(&path)?;
        let opened = app.opener().open_path(place.to_string_lossy(), None::<&str>);
        opened.map_err(|error| Problem::new(format!("cannot open {}: {error}", shown(&place))))
    })
    .await
}

#[tauri::command]
pub async fn set_secret(app: AppHandle, name: String, value: String) -> Result<(), Problem> {
    blocking(app, move |_, client| {
        secrets::set(&name, &value)?;
        client.update(|settings| {
            if !settings.secrets.contains(&name) {
                settings.secrets.push(name);
            }
        })?;
        Ok(())
    })
    .await
}

#[tauri::command]
pub async fn forget_secret(app: AppHandle, name: String) -> Result<(), Problem> {
    blocking(app, move |_, client| {
        client.update(|settings| settings.secrets.retain(|one| *one != name))?;
        secrets::forget(&name)
    })
    .await
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.display()
}

fn words(words: &[&str]) -> impl Iterator<Item = String> + use<> {
    words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>().into_iter()
}

fn start(
    app: &AppHandle,
    client: &Client,
    arguments: impl Iterator<Item = String>,
) -> Result<u32, Problem> {
    if client.is_closing() {
        return Err(Problem::new("the window closes, so no run is started"));
    }
    let spec = client.command(arguments)?;
    let app = app.clone();
    client.runs.start(&spec, move |run| notify(&app, run))
}

/// Tell the user that a run has ended, unless the window is in front.
fn notify(app: &AppHandle, run: &StartedRun) {
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
