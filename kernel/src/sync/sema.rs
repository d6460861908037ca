//! The semaphore table: waiting on an address.
//!
//! What a lock needs when it cannot be had at once: a queue for its waiters that costs the lock no memory. The table maps a
//! lock's address to a bucket; the waiters' records lie on their stacks, in order of arrival.
//!
//! *Context.* Any G; [`abandon`] on g0 too. *Locks.* Each bucket its own ([`Rank::Sema`]).
//!
//! *Memory order.* A waiter checks its lock's word once more under the bucket's lock, and a waker changes the word under the
//! same lock: whichever comes second sees the other.
//!
//! *Differences from Go.* Addresses that share a bucket share its list; Go keeps a tree of addresses.

use core::ptr::NonNull;

use gopark_sched::{Cx, GRef, WaitReason};

use crate::{
    arch::clock,
    lock::{Lock, Rank},
    machine::{Kernel, park, sched, with_cx},
    waitq::{WaitQueue, Waiter},
};

/// A prime, so that addresses with a common alignment spread.
const BUCKETS: usize = 251;

static TABLE: [Lock<WaitQueue<Ticket>>; BUCKETS] = [const { Lock::new(Rank::Sema, WaitQueue::new()) }; BUCKETS];

/// What a waiter waits with.
#[derive(Debug)]
pub(crate) struct Ticket {
    addr: usize,
    /// Its G: a lock that is handed over gets it as its owner.
    pub(crate) g: GRef<Kernel>,
    /// Since when (ns) it has wanted the lock, earlier rounds included.
    pub(crate) since: u64,
    /// Who holds what it waits for, for locks that have a holder.
    owner: Option<Owner>,
    outcome: Wake,
}

/// Reads the holder's address out of the lock at an address.
///
/// A function of its own type, so that only a lock that stays where it is while somebody waits can offer one.
pub(crate) type Owner = unsafe fn(usize) -> usize;

/// Why a waiter goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// What it waited for was not so any more: it did not wait.
    NotNeeded,
    /// Try again.
    Retry,
    /// The lock is yours.
    Handed,
    /// The lock's owner died.
    Abandoned,
}

/// How to wait.
#[derive(Debug)]
pub(crate) struct Wait {
    pub addr: usize,
    pub reason: WaitReason,
    /// Since when it has waited, if this is not the first round: then it goes to the queue's head.
    pub since: Option<u64>,
    pub owner: Option<Owner>,
}

fn bucket(addr: usize) -> &'static Lock<WaitQueue<Ticket>> {
    &TABLE[(addr >> 3) % BUCKETS]
}

/// Waits on an address, if `still` says under the bucket's lock that there is something to wait for.
pub(crate) fn wait(how: &Wait, g: GRef<Kernel>, still: impl FnOnce() -> bool) -> (Wake, u64) {
    let mut queue = bucket(how.addr).lock();
    let since = how.since.unwrap_or_else(clock::now);
    if !still() {
        return (Wake::NotNeeded, since);
    }
    let ticket = Ticket { addr: how.addr, g, since, owner: how.owner, outcome: Wake::Retry };
    let mut waiter = Waiter::new(ticket);
    let place = NonNull::from(&mut waiter);
    match how.since {
        // SAFETY: ON-STACK: this frame stays until the park returns; the lock is held until the commit.
        None => unsafe { queue.push_back(place) },
        // SAFETY: as above.
        Some(_) => unsafe { queue.push_front(place) },
    }
    let (held, off) = queue.split();
    park(off, how.reason, move |_, parked| {
        // SAFETY: the lock is held since the record was queued.
        unsafe { WaitQueue::arm(place, parked) };
        drop(held);
        None
    });
    (waiter.item.outcome, since)
}

/// Wakes the first waiter on `addr`. `decide` is called under the bucket's lock with that waiter, if there is one, and whether
/// there are more; it changes the lock's word and says what the waiter is told.
pub(crate) fn wake_one(addr: usize, decide: impl FnOnce(Option<&Ticket>, bool) -> Wake) {
    let mut queue = bucket(addr).lock();
    let mut decide = Some(decide);
    let mut found = queue.pop_first(|t| t.addr == addr, |ticket| NonNull::from(ticket));
    let more = found.is_some() && queue.any(|t| t.addr == addr);
    if let Some(decide) = decide.take() {
        // SAFETY: ON-STACK: the record's G is parked until its right is used below.
        let ticket = found.as_mut().map(|(ticket, _)| unsafe { ticket.as_mut() });
        match ticket {
            Some(ticket) => ticket.outcome = decide(Some(ticket), more),
            None => _ = decide(None, false),
        }
    }
    drop(queue);
    if let Some((_, parked)) = found {
        with_cx(|cx| sched().ready(cx, parked, true));
    }
}

/// Calls `change` under the bucket's lock; if it says so, wakes all who wait on `addr` at that moment, in order.
pub(crate) fn wake_all(addr: usize, change: impl FnOnce() -> bool) {
    let mut queue = bucket(addr).lock();
    if !change() {
        return;
    }
    let mut leaving = WaitQueue::new();
    queue.move_all(|t| t.addr == addr, &mut leaving);
    drop(queue);
    while let Some(((), parked)) = leaving.pop_front(|_| ()) {
        with_cx(|cx| sched().ready(cx, parked, false));
    }
}

/// `dead` died: all who wait for a lock that it held are told.
pub(crate) fn abandon(cx: &Cx<'_, Kernel>, dead: usize) {
    for bucket in &TABLE {
        // SAFETY: a waiter's lock stays where it is while somebody waits for it (`Owner`).
        let held = |t: &Ticket| t.owner.is_some_and(|owner| unsafe { owner(t.addr) } == dead);
        let next = || bucket.lock().pop_first(held, |ticket| ticket.outcome = Wake::Abandoned);
        while let Some(((), parked)) = next() {
            sched().ready(cx, parked, false);
        }
    }
}
