//! A short list of fixed room, for what is found before there is a heap.
//!
//! *Rejected.* `heapless`: one more crate for twenty lines.

#![forbid(unsafe_code)]

use core::ops::{Deref, DerefMut};

/// Up to `N` values in place.
#[derive(Clone, Debug)]
pub struct List<T, const N: usize> {
    items: [T; N],
    len: usize,
}

impl<T: Copy + Default, const N: usize> List<T, N> {
    /// An empty list.
    pub fn new() -> Self {
        Self { items: [T::default(); N], len: 0 }
    }

    /// Appends a value; `false` if there is no room.
    #[must_use]
    pub fn push(&mut self, value: T) -> bool {
        let Some(slot) = self.items.get_mut(self.len) else { return false };
        *slot = value;
        self.len += 1;
        true
    }
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> Deref for List<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items[..self.len]
    }
}

impl<T, const N: usize> DerefMut for List<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::List;

    #[test]
    fn a_full_list_refuses() {
        let mut list = List::<u8, 2>::new();
        assert!(list.push(1) && list.push(2));
        assert!(!list.push(3));
        assert_eq!(*list, [1, 2]);
    }
}
