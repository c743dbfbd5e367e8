//! Everything of the desktop client that needs no window: it finds a Python, starts
//! `python -m pytest_execgo` as a child process, reads its events, and reads the reports.
//!
//! The Python side is never reached over a network: a child has three pipes and a folder.

pub mod batch;
pub mod child;
pub mod environment;
pub mod interpreter;
pub mod problem;
pub mod project;
pub mod reports;
pub mod runs;
pub mod settings;
pub mod stream;
pub mod tail;
pub mod tool;
pub mod watch;
