//! Work space that threads keep between calls.

use std::cell::RefCell;

thread_local! {
    static POOL: RefCell<Vec<Vec<f64>>> = const { RefCell::new(Vec::new()) };
}

/// Lend `length` numbers of unspecified value to `work`. Calls may nest: the pool is not borrowed
/// while `work` runs, so a thread that steals another task meanwhile gets a buffer of its own.
pub(super) fn with_scratch<R>(length: usize, work: impl FnOnce(&mut [f64]) -> R) -> R {
    let mut buffer = POOL.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    let result = work(&mut buffer[..length]);
    POOL.with_borrow_mut(|pool| pool.push(buffer));
    result
}
