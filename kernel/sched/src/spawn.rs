//! Making goroutines, and using dead ones again.
//!
//! A dead G keeps its stack, and waits on its P's free list: a spawn in the steady state takes no lock and allocates
//! nothing. Lists that grow long are shared through the scheduler's.
//!
//! *Invariants.* TYPE-STABLE (`g`). [`DeadG`] is the right over a dead G: one per dead G, in a list or as a value.

use core::alloc::Layout;

use crate::{
    cx::Cx,
    g::{G, GRef, Status},
    machine::Machine,
    p::bump,
    sched::Scheduler,
    sync::Ordering,
    token::Runnable,
};

/// How many a P takes from the shared list at once.
const REFILL: usize = 32;
/// How many a P keeps.
const DRAIN_AT: usize = 64;
/// How many goroutine numbers a P takes at once.
const ID_BATCH: u64 = 16;

/// The right over a dead G: to fill it and start it.
#[derive(Debug)]
pub struct DeadG<K: Machine>(GRef<K>);

impl<K: Machine> DeadG<K> {
    /// The G.
    pub fn g(&self) -> GRef<K> {
        self.0
    }
}

/// Dead Gs, linked through their links, last in, first out.
#[derive(Debug)]
pub(crate) struct FreeList<K: Machine> {
    head: Option<GRef<K>>,
    len: usize,
}

impl<K: Machine> FreeList<K> {
    pub(crate) const fn new() -> Self {
        Self { head: None, len: 0 }
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    fn push(&mut self, g: DeadG<K>) {
        g.0.set_link(self.head);
        self.head = Some(g.0);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<DeadG<K>> {
        let g = self.head?;
        self.head = g.link();
        self.len -= 1;
        Some(DeadG(g))
    }

    fn move_to(&mut self, other: &mut Self, n: usize) {
        for _ in 0..n {
            let Some(g) = self.pop() else { return };
            other.push(g);
        }
    }
}

impl<K: Machine> Scheduler<K> {
    /// A dead G to be used again, if there is one.
    #[doc(alias = "gfget")]
    pub fn take_dead(&self, cx: &Cx<'_, K>) -> Option<DeadG<K>> {
        let mut free = cx.p.free.lock();
        if free.len == 0 {
            self.lock().free.move_to(&mut free, REFILL);
        }
        let dead = free.pop();
        cx.p.note_free(free.len);
        dead
    }

    /// Back to the free list, unused.
    pub fn give_back(&self, cx: &Cx<'_, K>, g: DeadG<K>) {
        self.put_dead(cx, g.0);
    }

    /// Back to the free list, unused or used up.
    #[doc(alias = "gfput")]
    pub(crate) fn put_dead(&self, cx: &Cx<'_, K>, g: GRef<K>) {
        let mut free = cx.p.free.lock();
        free.push(DeadG(g));
        if free.len >= DRAIN_AT {
            free.move_to(&mut self.lock().free, DRAIN_AT / 2);
        }
        cx.p.note_free(free.len);
    }

    /// A new G around `ext`, dead as yet. Without memory `ext` comes back.
    #[doc(alias = "malg")]
    pub fn new_dead(&self, ext: K::Ext) -> Result<DeadG<K>, K::Ext> {
        // SAFETY: a G has a size.
        let place = unsafe { alloc::alloc::alloc(Layout::new::<G<K>>()) }.cast::<G<K>>();
        let Some(gref) = GRef::from_ptr(place) else { return Err(ext) };
        // SAFETY: just allocated for this type. `Drop for Scheduler` gives it back as a box, whose layout is the same.
        unsafe { place.write(G::new(ext)) };
        let mut head = self.allgs.load(Ordering::Relaxed);
        loop {
            gref.all_next.store(head, Ordering::Relaxed);
            let swap = self.allgs.compare_exchange(head, place, Ordering::AcqRel, Ordering::Relaxed);
            match swap {
                Ok(_) => return Ok(DeadG(gref)),
                Err(now) => head = now,
            }
        }
    }

    /// Begins a life of `g`: it has a number, and may be queued. `system` Gs are not counted.
    #[doc(alias = "newproc")]
    pub fn begin(&self, cx: &Cx<'_, K>, g: DeadG<K>, parent: u64, system: bool) -> Runnable<K> {
        let id = cx.p.ids.take(|| (self.next_id.fetch_add(ID_BATCH, Ordering::Relaxed), ID_BATCH));
        g.0.begin_life(id, parent, system);
        match system {
            true => _ = self.system_gs.fetch_add(1, Ordering::Relaxed),
            false => bump(&cx.p.stats.spawned),
        }
        g.0.transition(Status::Dead, Status::Runnable);
        Runnable::begun(g.0)
    }

    /// Queues a new G: it runs next here (in `runnext`), or when its turn comes.
    #[inline]
    pub fn start(&self, cx: &Cx<'_, K>, g: Runnable<K>, next: bool) {
        self.submit(cx, g, next);
    }
}
