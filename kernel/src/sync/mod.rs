//! Synchronisation between goroutines: what waits here parks its G, never its core.

mod mutex;
pub(crate) mod sema;
mod waitgroup;

pub use mutex::{Abandoned, Mutex, MutexGuard, TryLockError};
pub use waitgroup::WaitGroup;
