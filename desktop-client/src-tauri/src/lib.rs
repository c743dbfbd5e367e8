//! The desktop client of pytest-execgo: a window over `python -m pytest_execgo` as a child process.

mod client;
// Tauri hands over states and handles by value.
#[expect(clippy::needless_pass_by_value)]
mod commands;
mod menu;
mod secrets;
mod texts;

use std::thread;

use backend::child::Patience;
use client::Client;
use tauri::{AppHandle, Emitter, Manager, RunEvent, WindowEvent};

const CLOSING: &str = "closing";

/// Open the window, and return when it is closed.
///
/// # Panics
///
/// If the operating system offers no window.
pub fn run() {
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(|app, _, _| to_front(app)))
        .plugin(tauri_plugin_window_state::Builder::default().build())
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_notification::init())
        .plugin(tauri_plugin_opener::init())
        .setup(|app| {
            let client = Client::new(app.path().app_config_dir()?);
            let chinese = texts::is_chinese(client.settings().language);
            app.manage(client);
            menu::set(app.handle(), chinese)?;
            Ok(())
        })
        .on_menu_event(|app, event| match event.id().as_ref() {
            menu::QUIT if may_close(app) => app.exit(0),
            menu::QUIT => {}
            id => menu::chosen(app, id),
        })
        .invoke_handler(tauri::generate_handler![
            commands::begin,
            commands::choose_project,
            commands::compare_runs,
            commands::describe,
            commands::doctor,
            commands::estimate,
            commands::follow_run,
            commands::forget_secret,
            commands::interpreters,
            commands::list_runs,
            commands::open_place,
            commands::read_compared,
            commands::read_piece,
            commands::read_source,
            commands::rerun,
            commands::resume_run,
            commands::save_settings,
            commands::set_secret,
            commands::start_run,
            commands::started_runs,
            commands::stop_run,
            commands::validate,
            commands::write_reports,
        ])
        .build(tauri::generate_context!())
        .expect("a window can be opened");
    app.run(|app, event| match event {
        RunEvent::WindowEvent { event: WindowEvent::CloseRequested { api, .. }, .. }
            if !may_close(app) =>
        {
            api.prevent_close();
        }
        RunEvent::ExitRequested { api, code: None, .. } if !may_close(app) => api.prevent_exit(),
        RunEvent::Exit => {
            app.state::<Client>().runs.kill_all();
            backend::tool::kill_all();
        }
        _ => {}
    });
}

/// Whether no run goes on. If one does, all runs are ended in order, and then the client ends; asking a
/// second time kills them.
fn may_close(app: &AppHandle) -> bool {
    let client = app.state::<Client>();
    if client.runs.running() == 0 {
        return true;
    }
    if !client.begin_to_close() {
        client.runs.kill_all();
        return true;
    }
    let _ = app.emit(CLOSING, client.runs.running());
    let app = app.clone();
    thread::spawn(move || {
        let runs = &app.state::<Client>().runs;
        // A run may have been about to start.
        while runs.running() > 0 {
            runs.stop_all(Patience::default());
        }
        app.exit(0);
    });
    false
}

/// A second start of the client shows the window of the first one.
fn to_front(app: &AppHandle) {
    if let Some(window) = app.get_webview_window("main") {
        let _ = window.unminimize();
        let _ = window.show();
        let _ = window.set_focus();
    }
}
