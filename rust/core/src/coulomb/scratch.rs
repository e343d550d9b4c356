//! Work space that threads keep between calls.

use std::cell::RefCell;
use std::ops::{AddAssign, MulAssign};
use std::thread::LocalKey;

use bytemuck::Pod;
use num_complex::Complex;
use rustfft::FftNum;

/// Larger buffers (bytes) are given back after use: kept, those of a million atoms would take half a
/// gigabyte. To clear fresh ones for every sum takes up to a tenth of a step. Every thread keeps its
/// own, as many as it ever needed at once.
const LARGEST_KEPT: usize = 1 << 27;

type Pool<T> = RefCell<Vec<Vec<T>>>;

thread_local! {
    static DOUBLE: Pool<f64> = const { RefCell::new(Vec::new()) };
    static SINGLE: Pool<f32> = const { RefCell::new(Vec::new()) };
}

/// Numbers that a mesh may hold.
pub(super) trait Number: FftNum + Default + AddAssign + MulAssign + From<f32> + Pod {
    /// Values of a spline that are worked on together: more than a multiple of them cost as much as
    /// the next one (measured for single precision: 10 along each axis three times as much as 8).
    const TOGETHER: usize;
    /// The nearest one.
    fn nearest(x: f64) -> Self;
    /// The same number.
    fn double(self) -> f64;
    /// Pool of the thread.
    fn pool() -> &'static LocalKey<Pool<Self>>;
}

impl Number for f64 {
    const TOGETHER: usize = 2;
    #[inline(always)]
    fn nearest(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn double(self) -> f64 {
        self
    }
    fn pool() -> &'static LocalKey<Pool<Self>> {
        &DOUBLE
    }
}

impl Number for f32 {
    const TOGETHER: usize = 8;
    #[inline(always)]
    fn nearest(x: f64) -> Self {
        x as Self
    }
    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self)
    }
    fn pool() -> &'static LocalKey<Pool<Self>> {
        &SINGLE
    }
}

/// Lend `length` numbers of unspecified value to `work`. Calls may nest: the pool is not borrowed
/// while `work` runs, so a thread that steals another task meanwhile gets a buffer of its own.
pub(super) fn with_scratch<T: Number, R>(length: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
    let mut buffer = T::pool().with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < length {
        // Not resized: pages that are zero need not be touched.
        buffer = vec![T::zero(); length];
    }
    let result = work(&mut buffer[..length]);
    if size_of_val(&buffer[..]) <= LARGEST_KEPT {
        T::pool().with_borrow_mut(|pool| pool.push(buffer));
    }
    result
}

/// As [`with_scratch`], complex numbers.
pub(super) fn with_complex<T: Number, R>(
    length: usize,
    work: impl FnOnce(&mut [Complex<T>]) -> R,
) -> R {
    with_scratch(2 * length, |buffer: &mut [T]| work(bytemuck::cast_slice_mut(buffer)))
}
