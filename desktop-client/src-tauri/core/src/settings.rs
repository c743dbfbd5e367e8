//! The settings of this client, in one file of the user. It never holds a secret.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::problem::Problem;

const FILE: &str = "settings.json";
const MOST_PROJECTS: usize = 10;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "bindings.ts")]
pub enum Language {
    #[default]
    System,
    En,
    Zh,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "bindings.ts")]
pub enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

/// Choices of *Compose* under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "bindings.ts")]
pub struct Preset {
    pub name: String,
    pub arguments: Vec<String>,
}

/// `projects`: the folders that were opened, the newest first; the first one is open. `interpreters`: the
/// Python that the user chose, by project. `secrets`: names of environment variables whose values are in the
/// keychain of the operating system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(default)]
#[ts(export, export_to = "bindings.ts")]
pub struct Settings {
    pub language: Language,
    pub theme: Theme,
    pub interpreters: BTreeMap<PathBuf, PathBuf>,
    pub projects: Vec<PathBuf>,
    pub presets: Vec<Preset>,
    pub secrets: Vec<String>,
}

/// What the window shows first. `project`: the root of the open project, null without one. `problem`: what
/// was wrong with the file of the settings.
#[derive(Debug, Clone, Serialize, TS)]
#[ts(export, export_to = "bindings.ts")]
pub struct Beginning {
    pub version: String,
    pub protocol: u32,
    pub settings: Settings,
    pub project: Option<PathBuf>,
    pub problem: Option<Problem>,
}

impl Settings {
    /// The settings in a folder; the defaults if there are none. A file that cannot be read is kept under
    /// another name, and the problem says so.
    pub fn load(folder: &Path) -> (Self, Option<Problem>) {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return (Self::default(), None);
            }
            Err(error) => {
                return (Self::default(), Some(Problem::of_io("cannot read", &path, &error)));
            }
        };
        match serde_json::from_str(&text) {
            Ok(settings) => (settings, None),
            Err(error) => {
                let kept = folder.join("settings.damaged.json");
                let where_ = match fs::rename(&path, &kept) {
                    Ok(()) => format!("; it is kept as {}", kept.display()),
                    Err(_) => String::new(),
                };
                let message = format!("{}: {error}; the defaults are used{where_}", path.display());
                (Self::default(), Some(Problem::new(message)))
            }
        }
    }

    /// Write the settings; the file is replaced at once, so it is never half written.
    pub fn save(&self, folder: &Path) -> Result<(), Problem> {
        let path = folder.join(FILE);
        let of_io = |error: io::Error| Problem::of_io("cannot write", &path, &error);
        fs::create_dir_all(folder).map_err(of_io)?;
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(of_io)?;
        let text = serde_json::to_string_pretty(self).map_err(io::Error::other).map_err(of_io)?;
        file.write_all(text.as_bytes()).map_err(of_io)?;
        file.persist(&path).map_err(|error| of_io(error.error))?;
        Ok(())
    }

    /// The Python that the user chose for the open project.
    pub fn python(&self) -> Option<&Path> {
        self.interpreters.get(self.projects.first()?).map(PathBuf::as_path)
    }

    /// Put a project first.
    pub fn open(&mut self, project: PathBuf) {
        self.projects.retain(|one| *one != project);
        self.projects.insert(0, project);
        self.projects.truncate(MOST_PROJECTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were_saved() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings { theme: Theme::Dark, ..Settings::default() };
        settings.open("/a".into());
        settings.open("/b".into());
        settings.open("/a".into());
        settings.save(folder.path()).unwrap();
        assert_eq!(settings.projects, [PathBuf::from("/a"), PathBuf::from("/b")]);
        assert_eq!(Settings::load(folder.path()), (settings, None));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn each_project_has_a_python_of_its_own() {
        let mut settings = Settings::default();
        settings.interpreters.insert("/a".into(), "/a/.venv/bin/python".into());
        assert_eq!(settings.python(), None);
        settings.open("/a".into());
        assert_eq!(settings.python(), Some(Path::new("/a/.venv/bin/python")));
        settings.open("/b".into());
        assert_eq!(settings.python(), None);
    }

    #[test]
    fn settings_of_another_version_keep_what_is_known() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "{\"theme\":\"dark\",\"new\":1}").unwrap();
        let (settings, problem) = Settings::load(folder.path());
        assert_eq!((settings.theme, problem), (Theme::Dark, None));
    }

    #[test]
    fn a_damaged_file_is_kept_and_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "{\"theme\":").unwrap();
        let (settings, problem) = Settings::load(folder.path());
        assert_eq!(settings, Settings::default());
        assert!(problem.unwrap().message.contains("settings.damaged.json"));
        assert!(folder.path().join("settings.damaged.json").is_file());
    }
}
