//! The environment of child processes: that of the user, without what the packaging of this client added.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

pub type Environment = BTreeMap<OsString, OsString>;

/// Set by the runtime of an AppImage, and about the AppImage itself.
const OF_APPIMAGE: [&str; 4] = ["APPDIR", "APPIMAGE", "ARGV0", "OWD"];
/// Set by the AppImage so that its own programs find its own files. A Python with these would load the
/// libraries and modules of the AppImage.
const REPLACED_BY_APPIMAGE: [&str; 4] =
    ["PYTHONHOME", "PYTHONPATH", "LD_LIBRARY_PATH", "LD_PRELOAD"];
/// Set by this client for its window.
const OF_WINDOW: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// The environment for children, with `path` as `PATH` if it is given. `added` are variables of the user,
/// such as the key of a model.
pub fn for_children(path: Option<&OsStr>, added: &[(String, String)]) -> Environment {
    let mut found = cleaned(env::vars_os());
    if let Some(path) = path {
        found.insert("PATH".into(), path.into());
    }
    found.extend(added.iter().map(|(name, value)| (name.into(), value.into())));
    found
}

fn cleaned(variables: impl Iterator<Item = (OsString, OsString)>) -> Environment {
    let mut found: Environment = variables.collect();
    if found.remove(OsStr::new("EXECGO_DESKTOP_SET_DMABUF")).is_some() {
        found.remove(OsStr::new(OF_WINDOW));
    }
    let Some(mounted) = found.get(OsStr::new("APPDIR")).cloned() else { return found };
    for name in OF_APPIMAGE.iter().chain(&REPLACED_BY_APPIMAGE) {
        found.remove(OsStr::new(name));
    }
    let mounted = Path::new(&mounted);
    let inside: Vec<(OsString, OsString)> = found
        .iter()
        .filter(|(_, value)| env::split_paths(value).any(|path| path.starts_with(mounted)))
        .map(|(name, value)| (name.clone(), without(value, mounted)))
        .collect();
    for (name, value) in inside {
        if value.is_empty() {
            found.remove(&name);
        } else {
            found.insert(name, value);
        }
    }
    found
}

/// A list of paths without those inside of a folder.
fn without(value: &OsStr, folder: &Path) -> OsString {
    let kept = env::split_paths(value).filter(|path| !path.starts_with(folder));
    env::join_paths(kept).unwrap_or_default()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        cleaned(pairs.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn nothing_of_an_appimage_reaches_a_child() {
        let found = environment(&[
            ("APPDIR", "/tmp/.mount_x"),
            ("APPIMAGE", "/home/u/x.AppImage"),
            ("PYTHONHOME", "/tmp/.mount_x/usr"),
            ("PYTHONPATH", "/tmp/.mount_x/usr/lib"),
            ("LD_LIBRARY_PATH", "/tmp/.mount_x/usr/lib:/opt/lib"),
            ("GTK_PATH", "/tmp/.mount_x/usr/lib/gtk-3.0"),
            ("PATH", "/tmp/.mount_x/usr/bin:/usr/bin:/bin"),
            ("HOME", "/home/u"),
        ]);
        let expected = [("HOME", "/home/u"), ("PATH", "/usr/bin:/bin")];
        assert_eq!(found, expected.map(|(name, value)| (name.into(), value.into())).into());
    }

    #[test]
    fn without_an_appimage_the_environment_is_the_users() {
        let given = [("PYTHONPATH", "/home/u/lib"), ("PATH", "/usr/bin")];
        assert_eq!(
            environment(&given),
            given.map(|(name, value)| (name.into(), value.into())).into()
        );
    }

    #[test]
    fn what_the_window_needs_is_left_out_only_if_this_client_set_it() {
        let by_user = environment(&[(OF_WINDOW, "1")]);
        assert_eq!(by_user.len(), 1);
        assert!(environment(&[(OF_WINDOW, "1"), ("EXECGO_DESKTOP_SET_DMABUF", "1")]).is_empty());
    }
}
