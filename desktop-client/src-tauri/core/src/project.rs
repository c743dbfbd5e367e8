//! The folder in which runs are started.

use std::path::{Path, PathBuf};

use crate::problem::Problem;

/// Files that make a folder the root of a project, as for pytest.
const SETTINGS: [&str; 5] = ["pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "setup.py"];

/// The root of the project that `folder` is in: the nearest folder with a settings file, up to the one of
/// the repository; else `folder` itself.
pub fn root_of(folder: &Path) -> Result<PathBuf, Problem> {
    let folder =
        folder.canonicalize().map_err(|error| Problem::of_io("cannot open", folder, &error))?;
    if !folder.is_dir() {
        return Err(Problem::new(format!("{} is not a folder", folder.display()))
            .hint("choose the folder of a project"));
    }
    for candidate in folder.ancestors() {
        if SETTINGS.iter().any(|name| candidate.join(name).is_file()) {
            return Ok(candidate.to_owned());
        }
        if candidate.join(".git").exists() {
            break;
        }
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_nearest_folder_with_settings_is_the_root() {
        let top = tempfile::tempdir().unwrap();
        let base = top.path().canonicalize().unwrap();
        let inner = base.join("package/scenarios/one");
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(root_of(&inner).unwrap(), inner);
        fs::write(base.join("package/pytest.ini"), "").unwrap();
        fs::write(base.join("pyproject.toml"), "").unwrap();
        assert_eq!(root_of(&inner).unwrap(), base.join("package"));
    }

    #[test]
    fn the_search_ends_at_the_repository() {
        let top = tempfile::tempdir().unwrap();
        let base = top.path().canonicalize().unwrap();
        let inner = base.join("repository/inner");
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir(base.join("repository/.git")).unwrap();
        fs::write(base.join("pyproject.toml"), "").unwrap();
        assert_eq!(root_of(&inner).unwrap(), inner);
    }

    #[test]
    fn a_folder_that_is_gone_is_one_line() {
        let problem = root_of(Path::new("/no/such/folder")).unwrap_err();
        assert_eq!(problem.message, "cannot open /no/such/folder: no such file or directory");
    }
}
