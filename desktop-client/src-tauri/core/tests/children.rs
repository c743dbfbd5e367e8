//! Runs of children that behave badly: each is one clear problem, and none leaves a process.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use pytest_execgo_desktop_core::child::{ChildSpec, Patience};
use pytest_execgo_desktop_core::environment;
use pytest_execgo_desktop_core::problem::Problem;
use pytest_execgo_desktop_core::runs::{RunBatch, RunEnd, Runs};
use pytest_execgo_desktop_core::stream::StreamEvent;
use pytest_execgo_desktop_core::tool::{failure, parsed, run_tool};

const LIMIT: Duration = Duration::from_secs(60);
const HELLO: &str = r#"{"event":"stream_started","at":"t","protocol":1,"pytest_execgo":"1.0"}"#;
const BEGUN: &str =
    r#"{"event":"run_started","at":"t","run_id":"one","folder":"/f","seed":7,"trials":1}"#;

fn spec(script: &str) -> ChildSpec {
    ChildSpec {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        folder: std::env::temp_dir(),
        environment: environment::for_children(None, &[]),
    }
}

/// A run of a script, and its batches.
fn started(script: &str) -> (Runs, u32, Receiver<RunBatch>) {
    let runs = Runs::default();
    let key = runs.start(&spec(script), |_| {}).unwrap();
    let (sender, batches) = channel();
    runs.follow(key, Box::new(move |batch| sender.send(batch.clone()).is_ok())).unwrap();
    (runs, key, batches)
}

/// Everything until the end of a run.
fn until_the_end(batches: &Receiver<RunBatch>) -> (Vec<RunBatch>, RunEnd) {
    let mut all = Vec::new();
    loop {
        let batch = batches.recv_timeout(LIMIT).expect("the run does not end");
        let end = batch.ended.clone();
        all.push(batch);
        if let Some(end) = end {
            return (all, end);
        }
    }
}

/// The first line of the log.
fn logged(batches: &Receiver<RunBatch>) -> String {
    loop {
        let batch = batches.recv_timeout(LIMIT).expect("nothing is logged");
        if let Some(line) = batch.log.first() {
            return line.clone();
        }
    }
}

fn json_of(script: &str, accepted: &[i32]) -> Result<serde_json::Value, Problem> {
    let spec = spec(script);
    parsed(&spec, &run_tool(&spec, LIMIT, |_| ())?, accepted)
}

fn end_of(script: &str) -> RunEnd {
    let (_runs, _, batches) = started(script);
    until_the_end(&batches).1
}

fn message_of(script: &str) -> String {
    end_of(script).problem.expect("a problem").message
}

fn lives(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < until, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn events_and_log_arrive_and_the_run_is_known() {
    let (runs, _, batches) =
        started(&format!("echo '{HELLO}'; echo '{BEGUN}'; echo collected >&2; exit 1"));
    let (all, end) = until_the_end(&batches);
    let events: Vec<_> = all.iter().flat_map(|batch| &batch.events).collect();
    assert!(matches!(events[1], StreamEvent::RunStarted { trials: 1, .. }));
    assert!(all.iter().any(|batch| batch.log == ["collected"]));
    assert_eq!((end.code, end.problem, end.stopped), (Some(1), None, false));
    let listed = runs.list();
    assert_eq!(listed[0].run_id.as_deref(), Some("one"));
    assert_eq!(listed[0].folder.as_deref(), Some(Path::new("/f")));
    assert_eq!(runs.running(), 0);
}

#[test]
fn a_child_that_crashes_is_named_with_its_signal() {
    let end = end_of(&format!("echo '{HELLO}'; echo out of memory >&2; kill -SEGV $$"));
    let problem = end.problem.unwrap();
    assert_eq!(problem.message, "the run was ended by signal 11");
    assert_eq!(problem.detail, "out of memory");
}

#[test]
fn a_child_that_ends_at_once_or_prints_no_event_is_named() {
    assert_eq!(message_of("exit 0"), "the run ended without an event");
    assert_eq!(message_of("exit 7"), "it ended with exit code 7 and printed nothing");
    assert_eq!(
        message_of("printf 'usage: x'"),
        "the run ended without an event; it printed: usage: x"
    );
    assert_eq!(
        message_of("echo 'ERROR: execgo: unknown chaos profile x' >&2; exit 4"),
        "execgo: unknown chaos profile x"
    );
}

#[test]
fn a_python_without_the_plugin_is_named_with_the_command_that_installs_it() {
    let problem =
        end_of("echo '/bin/sh: No module named pytest_execgo' >&2; exit 1").problem.unwrap();
    assert_eq!(problem.message, "pytest-execgo is not installed for /bin/sh");
    assert_eq!(problem.hint, "/bin/sh -m pip install pytest-execgo");
}

#[test]
fn a_program_or_a_folder_that_is_gone_is_named() {
    let runs = Runs::default();
    let mut gone = spec("true");
    gone.program = "/no/python".into();
    let problem = runs.start(&gone, |_| {}).unwrap_err();
    assert_eq!(problem.message, "cannot start /no/python: no such file or directory");
    let mut elsewhere = spec("true");
    elsewhere.folder = PathBuf::from("/no/project");
    let problem = runs.start(&elsewhere, |_| {}).unwrap_err();
    assert_eq!(problem.message, "cannot start /no/project: no such file or directory");
}

#[test]
fn another_protocol_ends_the_child_with_one_clear_message() {
    let newer = HELLO.replace("\"protocol\":1", "\"protocol\":2");
    let end = end_of(&format!("echo '{newer}'; exec sleep 600"));
    let problem = end.problem.unwrap();
    assert!(
        problem.message.contains("writes protocol 2; this client reads protocol 1"),
        "{problem}"
    );
}

#[test]
fn a_hundred_megabytes_of_garbage_are_counted_in_few_batches() {
    let (_runs, _, batches) = started(&format!(
        "echo '{HELLO}'; yes garbage | head -c 100000000; yes noise | head -c 5000000 >&2"
    ));
    let (all, end) = until_the_end(&batches);
    assert_eq!(all.iter().map(|batch| batch.garbage).sum::<u32>(), 12_500_000);
    let lines = |batch: &RunBatch| batch.log.len() + batch.passed_over as usize;
    assert_eq!(all.iter().map(lines).sum::<usize>(), 833_334);
    assert_eq!(end.code, Some(0));
}

#[test]
fn a_child_that_ignores_signals_is_killed_with_its_group() {
    let script = format!(
        "trap '' INT TERM; echo '{HELLO}'; sleep 600 & echo $! >&2; while :; do sleep 1; done"
    );
    let (runs, _, batches) = started(&script);
    let pid: u32 = logged(&batches).parse().unwrap();
    assert!(lives(pid));
    let short = Duration::from_millis(200);
    runs.stop_all(Patience { interrupt: short, terminate: short });
    let (_, end) = until_the_end(&batches);
    assert_eq!((end.signal, end.stopped, end.problem), (Some(9), true, None));
    wait_until("the process in the background ends", || !lives(pid));
}

#[test]
fn an_interrupt_comes_first_so_that_a_run_ends_in_order() {
    let script = format!(
        "trap 'echo in order >&2; exit 2' INT; echo '{HELLO}'; echo ready >&2; while :; do sleep 0.05; done"
    );
    let (runs, key, batches) = started(&script);
    logged(&batches);
    runs.stop(key).unwrap();
    let (all, end) = until_the_end(&batches);
    assert_eq!((end.code, end.stopped, end.problem), (Some(2), true, None));
    assert!(all.iter().any(|batch| batch.log.contains(&"in order".to_owned())));
}

#[test]
fn what_a_child_leaves_in_the_background_ends_with_it() {
    let (_runs, _, batches) =
        started(&format!("echo '{HELLO}'; sleep 600 > /dev/null 2>&1 & echo $! >&2; exit 0"));
    let (all, _) = until_the_end(&batches);
    let pid: u32 = all.iter().find_map(|batch| batch.log.first()?.parse().ok()).unwrap();
    wait_until("the process in the background ends", || !lives(pid));
}

#[test]
fn several_runs_go_on_at_once_and_a_late_follower_gets_everything() {
    let script = format!("echo '{HELLO}'; echo '{BEGUN}'; exec sleep 600");
    let (runs, first, batches) = started(&script);
    let second = runs.start(&spec(&script), |_| {}).unwrap();
    wait_until("both have begun", || runs.list().iter().all(|run| run.run_id.is_some()));
    assert_eq!(runs.running(), 2);
    let (sender, late) = channel();
    runs.follow(second, Box::new(move |batch| sender.send(batch.clone()).is_ok())).unwrap();
    assert_eq!(late.recv_timeout(LIMIT).unwrap().events.len(), 2);
    runs.stop(first).unwrap();
    until_the_end(&batches);
    assert_eq!(runs.running(), 1);
    runs.kill_all();
    until_the_end(&late);
}

#[test]
fn the_standard_input_of_a_child_stays_open_until_its_owner_ends() {
    // `read` returns at the end of standard input, which must not come by itself.
    let script = format!("echo '{HELLO}'; echo ready >&2; read line; echo closed >&2");
    let (runs, key, batches) = started(&script);
    assert_eq!(logged(&batches), "ready");
    assert_eq!(runs.running(), 1);
    runs.stop(key).unwrap();
    let (_, end) = until_the_end(&batches);
    assert_eq!(end.signal, Some(2));
}

#[test]
fn a_tool_that_hangs_prints_too_much_or_no_json_is_one_line() {
    let problem = run_tool(&spec("sleep 600"), Duration::from_millis(200), |_| ()).unwrap_err();
    assert!(problem.message.ends_with("did not end within 0 s"), "{problem}");
    let problem = run_tool(&spec("yes | head -c 80000000"), LIMIT, |_| ()).unwrap_err();
    assert!(problem.message.ends_with("printed more than 64 MB"), "{problem}");
    let problem = json_of("echo hello", &[0]).unwrap_err();
    assert!(problem.message.contains("printed something that is not JSON"), "{problem}");
    assert_eq!(problem.detail, "hello\n");
    let problem = json_of("echo 'error: no such run' >&2; exit 2", &[0]).unwrap_err();
    assert_eq!(problem.message, "no such run");
    assert_eq!(json_of("echo '[1]'; exit 1", &[0, 1]).unwrap(), serde_json::json!([1]));
}

#[test]
fn a_failure_is_told_by_the_line_that_says_most() {
    let python = Path::new("/my project/python");
    let message = |stderr: &str| failure(python, stderr, 2).message;
    assert_eq!(
        message("noise\nERROR: execgo: no such scenario: x\n"),
        "execgo: no such scenario: x"
    );
    let collected = "E   ModuleNotFoundError: No module named 'x'\n==== 1 error in 0.31s ====\n";
    assert_eq!(message(collected), "ModuleNotFoundError: No module named 'x'");
    assert_eq!(message("Traceback\nValueError: a: b\n"), "ValueError: a: b");
    let mentioned = "log: No module named pytest_execgo\nsomething else\n";
    assert_eq!(message(mentioned), "something else");
    let absent = failure(python, "python: No module named pytest_execgo\n", 1);
    assert_eq!(absent.hint, "'/my project/python' -m pip install pytest-execgo");
}

#[test]
fn a_tool_can_be_ended_by_what_started_it() {
    let problem = run_tool(&spec("sleep 600"), LIMIT, |stopper| stopper.kill()).unwrap_err();
    assert!(problem.message.ends_with("was ended by a signal"), "{problem}");
}
