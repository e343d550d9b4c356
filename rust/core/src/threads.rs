//! The pool of threads that the engine shares.

/// Fewer atoms are not worth a hand-over to the pool (some 10 µs).
const WORTH_IT: usize = 64;

/// Threads that calculations may use.
pub fn num_threads() -> usize {
    rayon::current_num_threads()
}

/// Do all of some work on so many atoms on a thread of the pool.
///
/// A parallel loop that is begun elsewhere hands its work over, sleeps and is woken; an evaluation
/// has a hundred of them.
pub fn in_pool<T: Send>(atoms: usize, work: impl FnOnce() -> T + Send) -> T {
    if atoms < WORTH_IT { work() } else { rayon::scope(|_| work()) }
}
