//! The pool of threads that the engine shares.
//!
//! Loops over many numbers or atoms are divided into pieces that do not depend on how many threads
//! there are: a sum over the pieces, added in order, has the same bits with any number of them.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::iter::MinLen;
use rayon::prelude::*;
use rayon::vec::IntoIter;

/// Fewer atoms are not worth a hand-over to the pool.
const WORTH_IT: usize = 64;
/// Atoms of a block.
pub(crate) const BLOCK: usize = 256;
/// Additions that are not worth another thread.
const FEW_ADDITIONS: usize = 1 << 14;
/// Numbers summed side by side.
const LANES: usize = 8;

/// Threads that calculations may use.
pub fn num_threads() -> usize {
    rayon::current_num_threads()
}

/// Do all of some work on so many atoms on a thread of the pool.
///
/// A parallel loop that is begun elsewhere hands its work over, sleeps and is woken: 61 voluntary
/// switches a step of dynamics of 3,000 atoms, 2 in one stay.
pub fn in_pool<T: Send>(atoms: usize, work: impl FnOnce() -> T + Send) -> T {
    if atoms < WORTH_IT { work() } else { rayon::scope(|_| work()) }
}

/// Do `work` on every piece, with threads of its own: none of them takes up other work while it waits
/// for the rest, which inside a lock could need that lock.
pub(crate) fn apart<T: Send>(pieces: Vec<T>, work: impl Fn(T) + Sync) {
    let count = num_threads().min(pieces.len());
    let pieces = Mutex::new(pieces.into_iter());
    let next = || pieces.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || std::iter::from_fn(next).for_each(&work);
    std::thread::scope(|scope| {
        for _ in 1..count {
            // What a thread that cannot be had would do is left to the others.
            let _ = std::thread::Builder::new().spawn_scoped(scope, run);
        }
        run();
    });
}

/// Fewest blocks of one thread: all of them for few atoms, for which threads cost more than they bring.
pub(crate) fn grain(atoms: usize) -> usize {
    if atoms < 4 * BLOCK { usize::MAX } else { 1 }
}

/// Atoms of every block.
pub(crate) fn blocks(atoms: usize) -> impl IndexedParallelIterator<Item = Range<usize>> {
    let block = move |b: usize| b * BLOCK..((b + 1) * BLOCK).min(atoms);
    (0..atoms.div_ceil(BLOCK)).into_par_iter().with_min_len(grain(atoms)).map(block)
}

/// The part of every block in a list in which `end(i)` is where what belongs to the atoms before `i`
/// ends.
pub(crate) fn split<T: Send>(
    mut list: &mut [T],
    atoms: usize,
    end: impl Fn(usize) -> usize,
) -> MinLen<IntoIter<&mut [T]>> {
    let mut cut = |b: usize| {
        let range = b * BLOCK..((b + 1) * BLOCK).min(atoms);
        list.split_off_mut(..end(range.end) - end(range.start)).unwrap_or_default()
    };
    let parts: Vec<_> = (0..atoms.div_ceil(BLOCK)).map(&mut cut).collect();
    parts.into_par_iter().with_min_len(grain(atoms))
}

/// Sums over the blocks of all atoms.
pub(crate) fn sum<const N: usize>(
    atoms: usize,
    part: impl Fn(Range<usize>) -> [f64; N] + Sync + Send,
) -> [f64; N] {
    total(blocks(atoms).map(part))
}

/// Sums in order.
pub(crate) fn total<const N: usize>(
    parts: impl IndexedParallelIterator<Item = [f64; N]>,
) -> [f64; N] {
    let mut all = [0.0; N];
    for part in parts.collect::<Vec<_>>() {
        all.iter_mut().zip(part).for_each(|(x, y)| *x += y);
    }
    all
}

/// Add all `others`, one after another, to `out`.
pub(crate) fn add_all<T: Copy + Send + Sync>(
    out: &mut [T],
    others: &[impl AsRef<[T]> + Sync],
    add: impl Fn(&mut T, T) + Sync,
) {
    let size = FEW_ADDITIONS.div_ceil(others.len().max(1));
    out.par_chunks_mut(size).enumerate().for_each(|(k, out)| {
        for other in others {
            let other = &other.as_ref()[k * size..][..out.len()];
            out.iter_mut().zip(other).for_each(|(x, y)| add(x, *y));
        }
    });
}

/// a · b of long vectors.
#[inline(always)]
#[allow(clippy::inline_always)]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a, rest_of_a) = a.as_chunks::<LANES>();
    let (b, rest_of_b) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        (0..LANES).for_each(|k| lanes[k] += a[k] * b[k]);
    }
    let rest: f64 = rest_of_a.iter().zip(rest_of_b).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Atom i owns i % 4 numbers.
    fn end(atoms: usize) -> usize {
        (0..atoms).map(|i| i % 4).sum()
    }

    fn numbers(count: usize) -> Vec<f64> {
        (0..count).map(|k| (1.3 * k as f64).sin() * 10.0_f64.powi(k as i32 % 7)).collect()
    }

    /// Sum, parts and list of everything here, with a number of threads.
    fn all(threads: usize, atoms: usize) -> (Vec<f64>, Vec<f64>) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut list = numbers(end(atoms));
            let parts = split(&mut list, atoms, end).zip(blocks(atoms));
            let [own] = total(parts.map(|(list, atoms)| {
                assert_eq!(list.len(), end(atoms.end) - end(atoms.start));
                [list.iter().map(|x| x * atoms.start as f64).sum()]
            }));
            let [whole] = sum(list.len(), |range| [list[range].iter().sum()]);
            add_all(&mut list, &[numbers(end(atoms)), numbers(end(atoms))], |x, y| *x += y);
            (vec![own, whole], list)
        })
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        for atoms in [0, 1, BLOCK, 20 * BLOCK + 17] {
            let found = all(1, atoms);
            let whole: f64 = numbers(end(atoms)).iter().sum();
            assert!((found.0[1] - whole).abs() < 1e-6);
            let tripled = found.1.iter().zip(numbers(end(atoms)));
            assert!(tripled.into_iter().all(|(x, y)| (x - 3.0 * y).abs() <= 1e-14 * y.abs()));
            assert!([2, 3, 7].into_iter().all(|threads| all(threads, atoms) == found));
        }
    }

    #[test]
    fn every_piece_is_worked_on() {
        for count in [0, 1, 100] {
            let mut numbers = vec![0; count];
            apart(numbers.iter_mut().enumerate().collect(), |(k, number)| *number = k + 1);
            assert!(numbers.iter().enumerate().all(|(k, number)| *number == k + 1));
        }
    }

    #[test]
    fn products_of_any_length() {
        for n in [0, 5, 8, 37] {
            let (a, b) = (numbers(n), numbers(n + 1));
            let expected: f64 = (0..n).map(|k| a[k] * b[k]).sum();
            assert!((dot(&a, &b[..n]) - expected).abs() < 1e-14 * (1.0 + dot(&a, &a)));
        }
    }
}
