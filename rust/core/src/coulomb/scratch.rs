//! Work space that threads keep between calls.

use std::cell::RefCell;
use std::ops::{AddAssign, MulAssign};
use std::thread::LocalKey;

use rustfft::FftNum;
use rustfft::num_complex::Complex;

type Pool<T> = RefCell<Vec<Vec<T>>>;

thread_local! {
    static DOUBLE: Pool<f64> = const { RefCell::new(Vec::new()) };
    static COMPLEX_DOUBLE: Pool<Complex<f64>> = const { RefCell::new(Vec::new()) };
    static SINGLE: Pool<f32> = const { RefCell::new(Vec::new()) };
    static COMPLEX_SINGLE: Pool<Complex<f32>> = const { RefCell::new(Vec::new()) };
}

/// Numbers that a mesh may hold.
pub(super) trait Number: FftNum + Default + AddAssign + MulAssign + From<f32> {
    /// The nearest one.
    fn nearest(x: f64) -> Self;
    /// The same number.
    fn double(self) -> f64;
    /// Pools of the thread.
    fn pools() -> (&'static LocalKey<Pool<Self>>, &'static LocalKey<Pool<Complex<Self>>>);
}

impl Number for f64 {
    #[inline(always)]
    fn nearest(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn double(self) -> f64 {
        self
    }
    fn pools() -> (&'static LocalKey<Pool<Self>>, &'static LocalKey<Pool<Complex<Self>>>) {
        (&DOUBLE, &COMPLEX_DOUBLE)
    }
}

impl Number for f32 {
    #[inline(always)]
    fn nearest(x: f64) -> Self {
        x as Self
    }
    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self)
    }
    fn pools() -> (&'static LocalKey<Pool<Self>>, &'static LocalKey<Pool<Complex<Self>>>) {
        (&SINGLE, &COMPLEX_SINGLE)
    }
}

/// Lend `length` numbers of unspecified value to `work`. Calls may nest: the pool is not borrowed
/// while `work` runs, so a thread that steals another task meanwhile gets a buffer of its own.
pub(super) fn with_scratch<T: Number, R>(length: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
    lend(T::pools().0, length, work)
}

/// As [`with_scratch`], complex numbers.
pub(super) fn with_complex<T: Number, R>(
    length: usize,
    work: impl FnOnce(&mut [Complex<T>]) -> R,
) -> R {
    lend(T::pools().1, length, work)
}

fn lend<T: Clone + Default + 'static, R>(
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
