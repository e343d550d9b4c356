//! Work space that threads keep between calls.

use std::cell::RefCell;
use std::thread::LocalKey;

use rustfft::num_complex::Complex64;

type Pool<T> = RefCell<Vec<Vec<T>>>;

thread_local! {
    static REAL: Pool<f64> = const { RefCell::new(Vec::new()) };
    static COMPLEX: Pool<Complex64> = const { RefCell::new(Vec::new()) };
}

/// Lend `length` numbers of unspecified value to `work`. Calls may nest: the pool is not borrowed
/// while `work` runs, so a thread that steals another task meanwhile gets a buffer of its own.
pub(super) fn with_scratch<R>(length: usize, work: impl FnOnce(&mut [f64]) -> R) -> R {
    lend(&REAL, length, work)
}

/// As [`with_scratch`], complex numbers.
pub(super) fn with_complex<R>(length: usize, work: impl FnOnce(&mut [Complex64]) -> R) -> R {
    lend(&COMPLEX, length, work)
}

fn lend<T: Clone + Default, R>(
    pool: &'static LocalKey<Pool<T>>,
    length: usize,
    work: impl FnOnce(&mut [T]) -> R,
) -> R {
    let mut buffer = pool.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < length {
        buffer.resize(length, T::default());
    }
    let result = work(&mut buffer[..length]);
    pool.with_borrow_mut(|pool| pool.push(buffer));
    result
}
