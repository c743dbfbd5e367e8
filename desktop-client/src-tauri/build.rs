use tauri_build::{AppManifest, Attributes};

/// The commands of `src/commands.rs`. A window can call those that its capability file allows.
const COMMANDS: &[&str] = &[
    "begin",
    "choose_project",
    "compare_runs",
    "describe",
    "doctor",
    "estimate",
    "follow_run",
    "forget_secret",
    "interpreters",
    "list_runs",
    "open_place",
    "read_compared",
    "read_piece",
    "read_source",
    "rerun",
    "resume_run",
    "save_settings",
    "set_secret",
    "start_run",
    "started_runs",
    "stop_run",
    "validate",
    "write_reports",
];

fn main() {
    let manifest = AppManifest::new().commands(COMMANDS);
    tauri_build::try_build(Attributes::new().app_manifest(manifest))
        .expect("tauri.conf.json is valid");
}
