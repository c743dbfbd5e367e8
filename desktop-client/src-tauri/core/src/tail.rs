//! The last lines of a stream that may be endless.

use std::collections::VecDeque;

/// Keeps the last lines, at most `bytes` in all; a longer line keeps its beginning.
pub struct Tail {
    bytes: usize,
    size: usize,
    lines: VecDeque<String>,
}

impl Default for Tail {
    fn default() -> Self {
        Self::new(64 << 10)
    }
}

impl Tail {
    pub fn new(bytes: usize) -> Self {
        Self { bytes, size: 0, lines: VecDeque::new() }
    }

    pub fn add(&mut self, line: &str) {
        let kept = shortened(line, self.bytes);
        self.size += kept.len();
        self.lines.push_back(kept);
        while self.size > self.bytes {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.size -= oldest.len();
        }
    }

    /// The lines that are kept, joined.
    pub fn text(&self) -> String {
        self.lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// The beginning of a text, cut between two characters.
pub fn shortened(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let cut = (0..=bytes).rev().find(|&k| text.is_char_boundary(k)).unwrap_or(0);
    text[..cut].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept() {
        let mut tail = Tail::new(12);
        for line in ["first", "second", "third"] {
            tail.add(line);
        }
        assert_eq!(tail.text(), "second\nthird");
    }

    #[test]
    fn a_line_that_is_too_long_keeps_its_beginning() {
        let mut tail = Tail::new(4);
        tail.add("aé日本");
        assert_eq!(tail.text(), "aé");
    }
}
