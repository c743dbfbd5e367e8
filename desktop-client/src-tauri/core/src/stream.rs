//! The lines that `python -m pytest_execgo run --events -` prints, as typed events.
//! Schema: `docs/schemas/stream_line.schema.json`.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::problem::Problem;
use crate::tail::shortened;

/// The protocol of `stream_started` that this client understands.
pub const PROTOCOL: u32 = 1;
/// A line of the stream is shorter; of a longer one, only the beginning is quoted.
const LONGEST_LINE: usize = 1 << 20;
const LONGEST_QUOTE: usize = 200;

/// One line. `at` is a time in UTC as RFC 3339; `at_ms` is the time since the start of the trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "event", rename_all = "snake_case")]
#[ts(export, export_to = "bindings.ts")]
pub enum StreamEvent {
    StreamStarted {
        at: String,
        protocol: u32,
        #[serde(default)]
        capabilities: Vec<String>,
        pytest_execgo: String,
    },
    RunStarted {
        at: String,
        run_id: String,
        folder: String,
        #[ts(type = "number")]
        seed: i64,
        trials: u32,
    },
    TrialStarted {
        at: String,
        trial_id: String,
        node_id: String,
        attempt: u32,
    },
    StageStarted {
        at: String,
        trial_id: String,
        stage_id: String,
        at_ms: f64,
    },
    FaultInjected {
        at: String,
        trial_id: String,
        fault: u32,
        action: String,
        target: String,
        detail: String,
        at_ms: f64,
    },
    FaultHealed {
        at: String,
        trial_id: String,
        fault: u32,
        action: String,
        target: String,
        detail: String,
        at_ms: f64,
    },
    TrialFinished {
        at: String,
        trial_id: String,
        state: String,
        #[serde(default)]
        verdict: Option<String>,
        #[serde(default)]
        cause: Option<String>,
        #[serde(default)]
        known_finding: Option<String>,
        #[serde(default)]
        reason: Option<String>,
    },
    RunFinished {
        at: String,
        run_id: String,
        #[serde(default)]
        passed: Option<u32>,
        #[serde(default)]
        not_run: Option<u32>,
    },
    /// A kind of line that a newer pytest-execgo writes. A reader passes it over.
    #[serde(other)]
    Unknown,
}

/// What a line of the stream came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    Event(StreamEvent),
    /// Text that is not an event; its beginning.
    Garbage(String),
}

/// Divides the bytes of a pipe into lines, wherever they are cut. Memory is bounded: of a line without
/// an end only the beginning is kept.
#[derive(Default)]
pub struct Lines {
    rest: Vec<u8>,
    too_long: bool,
}

impl Lines {
    /// Call `each` with every line that ends in `bytes`.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        let mut parts = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            self.keep(part);
            if parts.peek().is_some() {
                self.end(&mut each);
            }
        }
    }

    /// The stream has ended: a last line may have no end.
    pub fn finish(&mut self, mut each: impl FnMut(&[u8])) {
        if !self.rest.is_empty() {
            self.end(&mut each);
        }
    }

    /// As [`Lines::feed`]; no bytes mean that the stream has ended.
    pub fn feed_or_finish(&mut self, bytes: &[u8], each: impl FnMut(&[u8])) {
        if bytes.is_empty() {
            self.finish(each);
        } else {
            self.feed(bytes, each);
        }
    }

    fn keep(&mut self, part: &[u8]) {
        let room = LONGEST_LINE - self.rest.len();
        self.too_long |= part.len() > room;
        self.rest.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn end(&mut self, each: &mut impl FnMut(&[u8])) {
        each(self.rest.strip_suffix(b"\r").unwrap_or(&self.rest));
        self.rest.clear();
        self.too_long = false;
    }
}

/// The event of one line. Empty lines are passed over.
pub fn parse_line(line: &[u8]) -> Option<Line> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    Some(match serde_json::from_slice::<StreamEvent>(line) {
        Ok(event) => Line::Event(event),
        Err(_) => Line::Garbage(shortened(&String::from_utf8_lossy(line), LONGEST_QUOTE)),
    })
}

/// Checks that a stream begins with a protocol that this client understands.
#[derive(Default)]
pub struct Handshake {
    passed: bool,
    garbage: Option<String>,
}

impl Handshake {
    /// Take in one line; a problem ends the run. Text before the first event is what a `conftest.py`
    /// prints, and is not a problem by itself.
    pub fn check(&mut self, line: &Line) -> Result<(), Problem> {
        match line {
            Line::Event(StreamEvent::StreamStarted { protocol, pytest_execgo, .. }) => {
                self.passed = true;
                if *protocol == PROTOCOL {
                    return Ok(());
                }
                Err(Problem::new(format!(
                    "pytest-execgo {pytest_execgo} of this project writes protocol {protocol}; this \
                     client reads protocol {PROTOCOL}"
                ))
                .hint(if *protocol < PROTOCOL {
                    "update the project: python -m pip install -U pytest-execgo"
                } else {
                    "update this client"
                }))
            }
            Line::Event(_) if !self.passed => Err(Problem::new(
                "the first event is not stream_started: this pytest-execgo is older than this client",
            )
            .hint("update the project: python -m pip install -U pytest-execgo")),
            Line::Event(_) => Ok(()),
            Line::Garbage(text) => {
                self.garbage.get_or_insert_with(|| text.clone());
                Ok(())
            }
        }
    }

    /// Whether an event came, and the first text that is not one.
    pub fn outcome(&self) -> (bool, Option<&str>) {
        (self.passed, self.garbage.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &[u8] = include_bytes!("../tests/data/events.ndjson");

    fn lines_of(chunks: &[&[u8]]) -> Vec<Line> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.feed(chunk, |line| found.extend(parse_line(line)));
        }
        lines.finish(|line| found.extend(parse_line(line)));
        found
    }

    #[test]
    fn every_line_of_a_real_run_is_an_event() {
        let found = lines_of(&[RECORDED]);
        assert_eq!(found.len(), RECORDED.split(|b| *b == b'\n').filter(|l| !l.is_empty()).count());
        for line in &found {
            assert!(
                matches!(line, Line::Event(event) if *event != StreamEvent::Unknown),
                "{line:?}"
            );
        }
    }

    #[test]
    fn the_events_are_the_same_wherever_the_bytes_are_cut() {
        let whole = lines_of(&[RECORDED]);
        for cut in 0..=RECORDED.len() {
            let (head, tail) = RECORDED.split_at(cut);
            assert_eq!(lines_of(&[head, tail]), whole, "cut at {cut}");
        }
        let single: Vec<&[u8]> = RECORDED.chunks(1).collect();
        assert_eq!(lines_of(&single), whole);
    }

    #[test]
    fn a_newer_kind_of_line_is_passed_over() {
        let found = lines_of(&[b"{\"event\":\"trial_paused\",\"at\":\"x\"}\n"]);
        assert_eq!(found, [Line::Event(StreamEvent::Unknown)]);
    }

    #[test]
    fn garbage_and_half_lines_are_quoted() {
        let found = lines_of(&["hello\n{\"event\": \"run_fin".as_bytes()]);
        assert_eq!(found, ["hello", "{\"event\": \"run_fin"].map(|one| Line::Garbage(one.into())));
    }

    #[test]
    fn an_endless_line_takes_bounded_memory() {
        let mut lines = Lines::default();
        let block = vec![b'x'; 1 << 16];
        for _ in 0..1600 {
            lines.feed(&block, |_| panic!("no line ended"));
        }
        assert!(lines.rest.len() <= LONGEST_LINE);
        let mut found = Vec::new();
        lines.feed(b"\n{\"event\":\"unheard\"}\n", |line| found.extend(parse_line(line)));
        assert!(matches!(&found[0], Line::Garbage(text) if text.len() == LONGEST_QUOTE));
        assert_eq!(found[1], Line::Event(StreamEvent::Unknown));
    }

    fn started(protocol: u32) -> Line {
        Line::Event(StreamEvent::StreamStarted {
            at: String::new(),
            protocol,
            capabilities: vec![],
            pytest_execgo: "9.9".into(),
        })
    }

    #[test]
    fn another_protocol_is_one_clear_problem() {
        let newer = Handshake::default().check(&started(2)).unwrap_err();
        assert_eq!(
            newer.message,
            "pytest-execgo 9.9 of this project writes protocol 2; this client reads protocol 1"
        );
        assert_eq!(newer.hint, "update this client");
        assert!(Handshake::default().check(&started(1)).is_ok());
    }

    #[test]
    fn text_before_the_first_event_is_no_problem_but_another_event_is() {
        let mut handshake = Handshake::default();
        assert!(handshake.check(&Line::Garbage("from conftest".into())).is_ok());
        assert_eq!(handshake.outcome(), (false, Some("from conftest")));
        assert!(handshake.check(&Line::Event(StreamEvent::Unknown)).is_err());
    }
}
