//! The menu of the window. An item sends its id to the front end, which opens the view of that name.

use tauri::menu::{Menu, MenuItem, PredefinedMenuItem, Submenu};
use tauri::{AppHandle, Emitter, Runtime};

use crate::texts::{self, Text};

pub const EVENT: &str = "menu";
/// An item of our own: that of the system would end the client without ending its runs in order.
pub const QUIT: &str = "quit";
const VIEWS: [(&str, Text, &str); 6] = [
    ("home", texts::HOME, "CmdOrCtrl+1"),
    ("compose", texts::COMPOSE, "CmdOrCtrl+2"),
    ("runs", texts::RUNS, "CmdOrCtrl+3"),
    ("library", texts::LIBRARY, "CmdOrCtrl+4"),
    ("doctor", texts::DOCTOR, "CmdOrCtrl+5"),
    ("settings", texts::SETTINGS, "CmdOrCtrl+,"),
];

/// Put the menu in the language of the user into the window.
pub fn set<R: Runtime>(app: &AppHandle<R>, chinese: bool) -> tauri::Result<()> {
    let item = |id: &str, text: Text, keys: &str| {
        MenuItem::with_id(app, id, text.of(chinese), true, Some(keys))
    };
    let open = item("open_project", texts::OPEN_PROJECT, "CmdOrCtrl+O")?;
    let quit = item(QUIT, texts::QUIT, "CmdOrCtrl+Q")?;
    let separator = PredefinedMenuItem::separator(app)?;
    let file =
        Submenu::with_items(app, texts::FILE.of(chinese), true, &[&open, &separator, &quit])?;
    // On macOS the keys for the clipboard work only with these items.
    let edit = Submenu::with_items(
        app,
        texts::EDIT.of(chinese),
        true,
        &[
            &PredefinedMenuItem::cut(app, None)?,
            &PredefinedMenuItem::copy(app, None)?,
            &PredefinedMenuItem::paste(app, None)?,
            &PredefinedMenuItem::select_all(app, None)?,
        ],
    )?;
    let view = Submenu::new(app, texts::VIEW.of(chinese), true)?;
    for (id, text, keys) in VIEWS {
        view.append(&item(id, text, keys)?)?;
    }
    app.set_menu(Menu::with_items(app, &[&file, &edit, &view])?)?;
    Ok(())
}

/// Pass the choice of an item on to the front end.
pub fn chosen<R: Runtime>(app: &AppHandle<R>, id: &str) {
    let _ = app.emit(EVENT, id);
}
