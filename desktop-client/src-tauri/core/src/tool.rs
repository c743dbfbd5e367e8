//! Commands of `python -m pytest_execgo` that answer with one document and end, such as `describe --json`.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::child::{Child, ChildSpec, Patience, Stopper};
use crate::problem::Problem;
use crate::tail::Tail;

const LARGEST_OUTPUT: usize = 64 << 20;
const STDERR_BYTES: usize = 8 << 10;

/// What a command printed, and its exit code.
#[derive(Debug)]
pub struct ToolOutput {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// The commands that run now, by their process ids.
static RUNNING: Mutex<Vec<(u32, Stopper)>> = Mutex::new(Vec::new());

/// Kill all commands that run now: this client ends.
pub fn kill_all() {
    for (_, stopper) in RUNNING.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        stopper.kill();
    }
}

/// Run a command to its end; `on_start` gets what can end it. A problem if it cannot be started, takes
/// longer than `limit`, prints more than 64 MB, or is ended by a signal.
pub fn run_tool(
    spec: &ChildSpec,
    limit: Duration,
    on_start: impl FnOnce(Stopper),
) -> Result<ToolOutput, Problem> {
    let stdout = Arc::new(Mutex::new(Vec::new()));
    let stderr = Arc::new(Mutex::new(Tail::new(STDERR_BYTES)));
    let (out, err) = (Arc::clone(&stdout), Arc::clone(&stderr));
    let mut lines = crate::stream::Lines::default();
    let mut child = Child::start(
        spec,
        move |bytes| {
            let mut kept = out.lock().unwrap_or_else(PoisonError::into_inner);
            let room = (LARGEST_OUTPUT + 1).saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        },
        move |bytes| {
            let mut tail = err.lock().unwrap_or_else(PoisonError::into_inner);
            lines.feed_or_finish(bytes, |line| tail.add(&String::from_utf8_lossy(line)));
        },
    )?;
    let id = child.id();
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).push((id, child.stopper()));
    on_start(child.stopper());
    let ending = child.wait(Some(limit));
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).retain(|(one, _)| *one != id);
    if ending.is_none() {
        let short = Duration::from_secs(2);
        child.stopper().stop(Patience { interrupt: short, terminate: short });
    }
    let stderr = stderr.lock().unwrap_or_else(PoisonError::into_inner).text();
    let stdout = std::mem::take(&mut *stdout.lock().unwrap_or_else(PoisonError::into_inner));
    let name = shown_command(&spec.program, &spec.arguments);
    let Some(ending) = ending else {
        return Err(Problem::new(format!("{name} did not end within {} s", limit.as_secs()))
            .hint("run it in a terminal to see what it waits for")
            .detail(stderr));
    };
    let Some(code) = ending.code else {
        return Err(Problem::new(format!("{name} was ended by a signal")).detail(stderr));
    };
    if stdout.len() > LARGEST_OUTPUT {
        return Err(Problem::new(format!("{name} printed more than 64 MB")));
    }
    Ok(ToolOutput { code, stdout, stderr })
}

/// The JSON that a command printed. An exit code that is not in `accepted` is a problem with the message
/// that the command printed.
pub fn parsed(
    spec: &ChildSpec,
    output: &ToolOutput,
    accepted: &[i32],
) -> Result<serde_json::Value, Problem> {
    if !accepted.contains(&output.code) {
        return Err(failure(&spec.program, &output.stderr, output.code));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let name = shown_command(&spec.program, &spec.arguments);
        let head =
            String::from_utf8_lossy(&output.stdout[..output.stdout.len().min(200)]).into_owned();
        Problem::new(format!("{name} printed something that is not JSON: {error}")).detail(head)
    })
}

/// Why `python -m pytest_execgo` ended with a code, in the words that it printed.
pub fn failure(python: &Path, stderr: &str, code: i32) -> Problem {
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).rev();
    if lines.clone().next().is_some_and(|line| line.ends_with("No module named pytest_execgo")) {
        let install = ["-m", "pip", "install", "pytest-execgo"].map(str::to_owned);
        let message = format!("pytest-execgo is not installed for {}", python.display());
        return Problem::new(message).hint(shown_command(python, &install));
    }
    // `error: …` and `ERROR: …` are messages for users; `E   …` is the exception of a test file.
    let marked = |line: &&str| line.to_lowercase().starts_with("error:");
    let raised = |line: &&str| line.starts_with("E   ");
    let text = |line: &&str| !line.starts_with(['=', '!', '_', '-']);
    let found = lines.clone().find(marked).map(|line| line[6..].trim());
    let found = found.or_else(|| lines.clone().find(raised).map(|line| line[1..].trim()));
    let message = found.or_else(|| lines.find(text)).map_or_else(
        || format!("it ended with exit code {code} and printed nothing"),
        str::to_owned,
    );
    Problem::new(message).detail(stderr)
}

/// A command line for people: it can be copied into a terminal.
pub fn shown_command(program: &Path, arguments: &[String]) -> String {
    let program = program.to_string_lossy();
    let words = std::iter::once(program.as_ref()).chain(arguments.iter().map(String::as_str));
    shlex::try_join(words).unwrap_or_else(|_| program.into_owned())
}

/// The words of a command line for people; `None` if a quotation is not closed.
pub fn split_command(command: &str) -> Option<Vec<String>> {
    shlex::split(command)
}
