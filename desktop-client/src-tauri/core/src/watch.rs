//! Notices runs that something else started or ended in the folder of reports.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use crate::problem::Problem;

/// Changes within this time are one.
const QUIET: Duration = Duration::from_millis(400);
/// A file system that reports no changes, such as a network share, is looked at this often.
const LOOK: Duration = Duration::from_secs(5);

/// Watches a folder until it is dropped.
pub struct ReportsWatch {
    _watcher: RecommendedWatcher,
}

impl ReportsWatch {
    /// Call `on_change` after each change of the entries of `reports`, and now and then without one. The
    /// folder need not exist yet: its parent is watched as well.
    pub fn start(reports: &Path, on_change: impl Fn() + Send + 'static) -> Result<Self, Problem> {
        let (sender, changes) = channel();
        let failed = |error: notify::Error| {
            Problem::new(format!("cannot watch {}: {error}", reports.display()))
                .hint("the list of runs is updated every few seconds only")
        };
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if event.is_ok_and(|event| !event.kind.is_access()) {
                    let _ = sender.send(());
                }
            })
            .map_err(failed)?;
        if let Some(folder) = existing(reports) {
            watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(failed)?;
        }
        thread::spawn(move || {
            loop {
                match changes.recv_timeout(LOOK) {
                    Ok(()) => {
                        thread::sleep(QUIET);
                        while changes.try_recv().is_ok() {}
                        on_change();
                    }
                    Err(RecvTimeoutError::Timeout) => on_change(),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        });
        Ok(Self { _watcher: watcher })
    }
}

/// The folder if it is there, else the nearest one above it.
fn existing(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|one| one.is_dir()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_new_run_is_noticed_and_the_watch_ends_with_its_owner() {
        let reports = tempfile::tempdir().unwrap();
        let (sender, noticed) = mpsc::channel();
        let watch = ReportsWatch::start(reports.path(), move || {
            let _ = sender.send(());
        })
        .unwrap();
        fs::create_dir(reports.path().join("run")).unwrap();
        noticed.recv_timeout(Duration::from_secs(20)).unwrap();
        drop(watch);
        // The channel ends when the thread of the watch does.
        while noticed.recv_timeout(Duration::from_secs(20)).is_ok() {}
        assert_eq!(noticed.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
