//! What a user is told when something does not work.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One mistake or failure. `message` is one line: what, where and why. `hint` says what to do next, such
/// as a command. `detail` is longer text, such as the last lines of standard error; it may be empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export, export_to = "bindings.ts")]
pub struct Problem {
    pub message: String,
    pub hint: String,
    pub detail: String,
}

impl Problem {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: String::new(), detail: String::new() }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// A failure of the operating system with a file or program.
    pub fn of_io(what: &str, path: &std::path::Path, error: &io::Error) -> Self {
        let message = format!("{what} {}: {}", path.display(), reason(error));
        match error.kind() {
            io::ErrorKind::StorageFull => {
                Self::new(message).hint("free some space on this disk, then try again")
            }
            io::ErrorKind::PermissionDenied => {
                Self::new(message).hint("check the permissions of this file and of its folder")
            }
            _ => Self::new(message),
        }
    }
}

/// The words of the operating system, without `(os error 2)`.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}
