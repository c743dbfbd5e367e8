//! Collects what comes from a child, so that a window gets few messages and memory stays bounded.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// At most twenty messages in a second.
pub const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const MOST_ITEMS: usize = 20_000;
const MOST_LINES: usize = 1_000;

/// What came since the last batch. Of the lines only the last ones are kept; `passed_over` counts the
/// others. `garbage` counts lines that are not even kept.
#[derive(Debug, PartialEq)]
pub struct Pending<T, E> {
    pub items: Vec<T>,
    pub lines: VecDeque<String>,
    pub passed_over: u32,
    pub garbage: u32,
    pub end: Option<E>,
}

impl<T, E> Default for Pending<T, E> {
    fn default() -> Self {
        Self { items: Vec::new(), lines: VecDeque::new(), passed_over: 0, garbage: 0, end: None }
    }
}

impl<T, E> Pending<T, E> {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.lines.is_empty() && self.garbage == 0 && self.end.is_none()
    }
}

/// Takes what several threads bring, and gives it to one thread in batches.
pub struct Mailbox<T, E> {
    pending: Mutex<Pending<T, E>>,
    changed: Condvar,
}

impl<T, E> Default for Mailbox<T, E> {
    fn default() -> Self {
        Self { pending: Mutex::default(), changed: Condvar::new() }
    }
}

impl<T, E> Mailbox<T, E> {
    /// Add an item. Waits while the reader of the batches is far behind, so that the child waits, too.
    pub fn item(&self, item: T) {
        let full = |pending: &mut Pending<T, E>| pending.items.len() >= MOST_ITEMS;
        let waited = self.changed.wait_while(self.lock(), full);
        waited.unwrap_or_else(PoisonError::into_inner).items.push(item);
        self.changed.notify_all();
    }

    /// Add a line of a log.
    pub fn line(&self, line: String) {
        let mut pending = self.lock();
        if pending.lines.len() >= MOST_LINES {
            pending.lines.pop_front();
            pending.passed_over += 1;
        }
        pending.lines.push_back(line);
        self.changed.notify_all();
    }

    pub fn garbage(&self) {
        self.lock().garbage += 1;
        self.changed.notify_all();
    }

    /// Nothing comes after the end.
    pub fn end(&self, end: E) {
        self.lock().end = Some(end);
        self.changed.notify_all();
    }

    /// Give everything to `send`, in batches with a pause between them, until the batch with the end. What
    /// comes after a quiet time is sent at once.
    pub fn deliver(&self, pause: Duration, mut send: impl FnMut(Pending<T, E>)) {
        let mut due = Instant::now();
        loop {
            let waited = self.changed.wait_while(self.lock(), |pending| pending.is_empty());
            drop(waited.unwrap_or_else(PoisonError::into_inner));
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let batch = std::mem::take(&mut *self.lock());
            self.changed.notify_all();
            let last = batch.end.is_some();
            due = Instant::now() + pause;
            send(batch);
            if last {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending<T, E>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn produced(
        count: u32,
        each: impl Fn(&Mailbox<u32, ()>, u32) + Send + 'static,
    ) -> Arc<Mailbox<u32, ()>> {
        let mailbox = Arc::<Mailbox<u32, ()>>::default();
        let producer = Arc::clone(&mailbox);
        thread::spawn(move || {
            for number in 0..count {
                each(&producer, number);
            }
            producer.end(());
        });
        mailbox
    }

    #[test]
    fn many_items_come_in_few_batches_in_order() {
        let mailbox = produced(100_000, super::Mailbox::item);
        let (mut all, mut batches) = (Vec::new(), 0);
        mailbox.deliver(Duration::from_millis(5), |batch| {
            assert!(batch.items.len() <= MOST_ITEMS);
            all.extend(batch.items);
            batches += 1;
        });
        assert_eq!(all, (0..100_000).collect::<Vec<_>>());
        assert!(batches < 1_000, "{batches} batches");
    }

    #[test]
    fn of_many_lines_the_last_ones_are_kept_and_the_others_counted() {
        let mailbox = Mailbox::<(), ()>::default();
        for number in 0..=MOST_LINES {
            mailbox.line(number.to_string());
        }
        mailbox.garbage();
        mailbox.end(());
        mailbox.deliver(SHORTEST_PAUSE, |batch| {
            assert_eq!((batch.lines.len(), batch.passed_over, batch.garbage), (MOST_LINES, 1, 1));
            assert_eq!(batch.lines[0], "1");
        });
    }

    #[test]
    fn batches_keep_a_pause_between_them() {
        let mailbox = produced(2_000_000, super::Mailbox::item);
        let pause = Duration::from_millis(20);
        let mut times = Vec::new();
        mailbox.deliver(pause, |_| times.push(Instant::now()));
        assert!(times.len() > 1);
        for pair in times.windows(2) {
            assert!(pair[1] - pair[0] >= pause);
        }
    }
}
