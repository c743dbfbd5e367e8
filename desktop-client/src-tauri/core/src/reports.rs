//! Reads the folder of reports: the list of runs, and single documents of a run, as bytes.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde::Serialize;
use ts_rs::TS;

use crate::problem::Problem;
use crate::stream::{Line, StreamEvent, parse_line};

const EVENTS: &str = "events.ndjson";
const PAGE: &str = "index.html";
/// The first and the last lines of a run's events are within this many bytes.
const HEAD: u64 = 64 << 10;
/// A page holds at most 24 MiB by default; an option allows more.
const LARGEST_PAGE: u64 = 512 << 20;
/// Whether all trials of a run have ended. `Running`: a process writes its events now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export, export_to = "bindings.ts")]
pub enum RunState {
    Finished,
    Running,
    Unfinished,
}

/// A run in the folder of reports. Times are UTC as RFC 3339. `passed` is null if the run has no result.
/// `has_page`: there is an `index.html` to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export, export_to = "bindings.ts")]
pub struct RunSummary {
    pub id: String,
    pub state: RunState,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
    pub trials: Option<u32>,
    pub passed: Option<u32>,
    pub has_page: bool,
}

/// The runs in a folder of reports, the newest first. A folder that is not there has none; entries that
/// are not runs are passed over.
pub fn list_runs(reports: &Path) -> Result<Vec<RunSummary>, Problem> {
    let entries = match fs::read_dir(reports) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Problem::of_io("cannot read", reports, &error)),
    };
    let mut found: Vec<RunSummary> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| summary(&entry.path()))
        .collect();
    found.sort_by(|one, other| (&other.started_at, &other.id).cmp(&(&one.started_at, &one.id)));
    Ok(found)
}

fn summary(folder: &Path) -> Option<RunSummary> {
    if !folder.join("request.json").is_file() {
        return None;
    }
    let id = folder.file_name()?.to_str()?.to_owned();
    let mut found = RunSummary {
        id,
        state: RunState::Unfinished,
        started_at: None,
        finished_at: None,
        trials: None,
        passed: None,
        has_page: folder.join(PAGE).is_file(),
    };
    let Ok((head, tail, in_use)) = ends_of(&folder.join(EVENTS)) else { return Some(found) };
    for event in events_of(&head) {
        if let StreamEvent::RunStarted { at, trials, .. } = event {
            found.started_at = Some(at);
            found.trials = Some(trials);
            break;
        }
    }
    let last = events_of(&tail).into_iter().last();
    if let Some(StreamEvent::RunFinished { at, passed, not_run, .. }) = last {
        let complete = not_run.is_none_or(|count| count == 0);
        found.state = if complete { RunState::Finished } else { RunState::Unfinished };
        found.finished_at = Some(at);
        found.passed = passed;
    }
    if in_use {
        found.state = RunState::Running;
    }
    Some(found)
}

/// The first and the last bytes of a file, and whether a process has locked it.
fn ends_of(path: &Path) -> io::Result<(Vec<u8>, Vec<u8>, bool)> {
    let mut file = File::open(path)?;
    let facts = file.metadata()?;
    let in_use = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let mut head = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(facts.len().saturating_sub(HEAD)))?;
    let mut tail = Vec::new();
    file.take(HEAD).read_to_end(&mut tail)?;
    Ok((head, tail, in_use))
}

/// The events of whole lines; a line that is cut is passed over.
fn events_of(bytes: &[u8]) -> Vec<StreamEvent> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| match parse_line(line) {
            Some(Line::Event(event)) => Some(event),
            _ => None,
        })
        .collect()
}

/// The folder of a run. A name that leads out of the reports is refused.
pub fn run_folder(reports: &Path, id: &str) -> Result<PathBuf, Problem> {
    inside(reports, Path::new(id))
}

/// A place inside of a folder, links resolved; a problem if it is elsewhere or absent.
pub fn inside(folder: &Path, relative: &Path) -> Result<PathBuf, Problem> {
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    let refused = || {
        Problem::new(format!("{} is not inside of {}", relative.display(), folder.display()))
            .hint("only files of the reports are shown")
    };
    if !plain || relative.as_os_str().is_empty() {
        return Err(refused());
    }
    let base =
        folder.canonicalize().map_err(|error| Problem::of_io("cannot open", folder, &error))?;
    let place = base.join(relative);
    let found =
        place.canonicalize().map_err(|error| Problem::of_io("cannot open", &place, &error))?;
    if found.starts_with(&base) { Ok(found) } else { Err(refused()) }
}

/// One document of a page that pytest-execgo wrote: `index`, or the id of a trial. JSON, as bytes.
pub fn read_piece(page: &Path, name: &str) -> Result<Vec<u8>, Problem> {
    let text = read_bounded(page, LARGEST_PAGE)?;
    let damaged = |what: &str| {
        Problem::new(format!("{}: {what}", page.display()))
            .hint("write the page anew: python -m pytest_execgo report RUN")
    };
    let piece =
        piece_of(&text, name).ok_or_else(|| damaged(&format!("it does not hold {name}")))?;
    let packed =
        STANDARD.decode(piece).map_err(|_| damaged(&format!("{name} is cut or damaged")))?;
    let mut found = Vec::new();
    GzDecoder::new(packed.as_slice())
        .take(LARGEST_PAGE)
        .read_to_end(&mut found)
        .map_err(|_| damaged(&format!("{name} is cut or damaged")))?;
    Ok(found)
}

/// The text of `<script type="text/plain" data-piece="NAME">`. Python writes each on one line.
fn piece_of<'a>(page: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mark = format!("<script type=\"text/plain\" data-piece=\"{name}\">");
    let line = page.split(|byte| *byte == b'\n').find(|line| line.starts_with(mark.as_bytes()))?;
    line[mark.len()..].strip_suffix(b"</script>")
}

fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, Problem> {
    let of_io = |error: io::Error| Problem::of_io("cannot read", path, &error);
    let file = File::open(path).map_err(of_io)?;
    let size = file.metadata().map_err(of_io)?.len();
    if size > most {
        return Err(Problem::new(format!("{} is larger than {} MiB", path.display(), most >> 20)));
    }
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(of_io)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn run(reports: &Path, id: &str, events: &str) -> PathBuf {
        let folder = reports.join(id);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("request.json"), "{}").unwrap();
        fs::write(folder.join(EVENTS), events).unwrap();
        folder
    }

    fn started(at: &str) -> String {
        format!(
            "{{\"event\":\"run_started\",\"at\":\"{at}\",\"run_id\":\"r\",\"folder\":\"/f\",\
             \"seed\":7,\"trials\":5}}\n"
        )
    }

    const FINISHED: &str =
        "{\"event\":\"run_finished\",\"at\":\"t9\",\"run_id\":\"r\",\"passed\":4}\n";

    #[test]
    fn runs_are_listed_with_what_their_events_tell() {
        let reports = tempfile::tempdir().unwrap();
        run(reports.path(), "old", &(started("t1") + FINISHED));
        run(reports.path(), "new", &(started("t2") + "{\"event\":\"trial_sta"));
        let stopped = FINISHED.replace("\"passed\":4", "\"passed\":1,\"not_run\":4");
        run(reports.path(), "older", &(started("t0") + &stopped));
        fs::create_dir(reports.path().join("notes")).unwrap();
        fs::write(reports.path().join("old/index.html"), "").unwrap();
        let found = list_runs(reports.path()).unwrap();
        let ids: Vec<_> = found.iter().map(|one| (one.id.as_str(), one.state)).collect();
        let expected = [
            ("new", RunState::Unfinished),
            ("old", RunState::Finished),
            ("older", RunState::Unfinished),
        ];
        assert_eq!(ids, expected);
        assert_eq!((found[1].trials, found[1].passed, found[1].has_page), (Some(5), Some(4), true));
        let file =
            fs::OpenOptions::new().append(true).open(reports.path().join("new/events.ndjson"));
        let file = file.unwrap();
        file.lock().unwrap();
        assert_eq!(list_runs(reports.path()).unwrap()[0].state, RunState::Running);
        drop(file);
        assert_eq!(list_runs(reports.path()).unwrap()[0].state, RunState::Unfinished);
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_runs() {
        assert_eq!(list_runs(Path::new("/no/such")), Ok(vec![]));
    }

    #[cfg(unix)]
    #[test]
    fn nothing_outside_of_the_reports_is_read() {
        let base = tempfile::tempdir().unwrap();
        let reports = base.path().join("reports");
        let folder = run(&reports, "one", "");
        fs::write(base.path().join("secret"), "key").unwrap();
        std::os::unix::fs::symlink(base.path().join("secret"), folder.join("link")).unwrap();
        for place in ["../secret", "/etc/passwd", "one/../../secret", "one/link", "", "."] {
            let problem = inside(&reports, Path::new(place)).unwrap_err();
            assert!(problem.message.contains("is not inside of"), "{place}: {problem}");
        }
        let found = inside(&reports, Path::new("one/request.json")).unwrap();
        assert_eq!(fs::read(found).unwrap(), b"{}");
    }

    fn page(folder: &Path, pieces: &[(&str, &str)]) -> PathBuf {
        let mut text = String::from("<!doctype html>\n");
        for (name, content) in pieces {
            let mut packed = GzEncoder::new(Vec::new(), Compression::default());
            packed.write_all(content.as_bytes()).unwrap();
            let piece = STANDARD.encode(packed.finish().unwrap());
            text.push_str("<script type=\"text/plain\" data-piece=\"");
            text.push_str(&[name, "\">", &piece, "</script>\n"].concat());
        }
        let path = folder.join(PAGE);
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_piece_of_a_page_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let path = page(folder.path(), &[("index", "{\"a\":1}"), ("trial-r0", "{\"b\":2}")]);
        assert_eq!(read_piece(&path, "trial-r0").unwrap(), b"{\"b\":2}");
        let problem = read_piece(&path, "other").unwrap_err();
        assert!(problem.message.ends_with("it does not hold other"), "{problem}");
    }

    #[test]
    fn a_page_that_is_half_written_is_one_clear_problem() {
        let folder = tempfile::tempdir().unwrap();
        let path = page(folder.path(), &[("index", &"x".repeat(10_000))]);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 30]).unwrap();
        assert!(read_piece(&path, "index").unwrap_err().message.contains("it does not hold index"));
        let text = String::from_utf8(whole).unwrap().replace("</script>", "=*</script>");
        fs::write(&path, text).unwrap();
        let problem = read_piece(&path, "index").unwrap_err();
        assert!(problem.message.ends_with("index is cut or damaged"), "{problem}");
    }
}
