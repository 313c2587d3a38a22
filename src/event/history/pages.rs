//! A list that grows without moving what it holds.
//!
//! A vector that is full is copied into one twice as long. Under a load in real time that is many
//! megabytes at once, copied while every part of the lab waits to tell its next event: all requests
//! stand still for it. Here a page is added instead.

use std::fmt;
use std::iter::{Flatten, FusedIterator};
use std::ops::{Index, IndexMut};
use std::slice;

/// Items on a page.
const PAGE: usize = 1024;

/// What was pushed, in order.
#[derive(Clone, PartialEq)]
pub struct Pages<T> {
    /// All but the last are full, and none is empty. The first grows like any vector: most runs are short.
    pages: Vec<Vec<T>>,
}

/// The items of [`Pages`], in order.
#[derive(Debug, Clone)]
pub struct Iter<'p, T> {
    items: Flatten<slice::Iter<'p, Vec<T>>>,
    left: usize,
}

impl<T> Pages<T> {
    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        match self.pages.last_mut() {
            Some(page) if page.len() < PAGE => page.push(item),
            None => self.pages.push(vec![item]),
            Some(_) => {
                let mut page = Vec::with_capacity(PAGE);
                page.push(item);
                self.pages.push(page);
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE + last.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The first.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.get(0)
    }

    /// The one at a position.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<&T> {
        self.pages.get(position / PAGE)?.get(position % PAGE)
    }

    /// The one at a position, to be changed.
    pub fn get_mut(&mut self, position: usize) -> Option<&mut T> {
        self.pages.get_mut(position / PAGE)?.get_mut(position % PAGE)
    }

    /// All of them.
    #[must_use]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { items: self.pages.iter().flatten(), left: self.len() }
    }

    /// All of them, to be changed.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.pages.iter_mut().flatten()
    }
}

impl<'p, T> Iterator for Iter<'p, T> {
    type Item = &'p T;

    fn next(&mut self) -> Option<&'p T> {
        let next = self.items.next()?;
        self.left -= 1;
        Some(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> DoubleEndedIterator for Iter<'_, T> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let next = self.items.next_back()?;
        self.left -= 1;
        Some(next)
    }
}

impl<T> ExactSizeIterator for Iter<'_, T> {}
impl<T> FusedIterator for Iter<'_, T> {}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T> Index<usize> for Pages<T> {
    type Output = T;

    fn index(&self, position: usize) -> &T {
        &self.pages[position / PAGE][position % PAGE]
    }
}

impl<T> IndexMut<usize> for Pages<T> {
    fn index_mut(&mut self, position: usize) -> &mut T {
        &mut self.pages[position / PAGE][position % PAGE]
    }
}

impl<'p, T> IntoIterator for &'p Pages<T> {
    type Item = &'p T;
    type IntoIter = Iter<'p, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'p, T> IntoIterator for &'p mut Pages<T> {
    type Item = &'p mut T;
    type IntoIter = Flatten<slice::IterMut<'p, Vec<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.pages.iter_mut().flatten()
    }
}

impl<T> FromIterator<T> for Pages<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut pages = Self::default();
        items.into_iter().for_each(|item| pages.push(item));
        pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_comes_back_in_order_from_either_end() {
        for count in [0, 1, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 7] {
            let mut pages: Pages<usize> = (0..count).collect();
            assert_eq!((pages.len(), pages.is_empty(), pages.iter().len()), (count, count == 0, count));
            assert!(pages.iter().copied().eq(0..count));
            assert!(pages.iter().rev().copied().eq((0..count).rev()));
            assert_eq!(pages.get(count), None);
            assert!((0..count).all(|position| pages[position] == position));
            if let Some(last) = count.checked_sub(1) {
                *pages.get_mut(last).unwrap() += 1;
                assert_eq!(pages.iter_mut().next_back(), Some(&mut count.clone()));
            }
        }
    }

    #[test]
    fn nothing_moves_when_there_is_more() {
        let mut pages: Pages<usize> = (0..PAGE).collect();
        let places: Vec<*const usize> = pages.iter().map(std::ptr::from_ref).collect();
        (0..40 * PAGE).for_each(|item| pages.push(item));
        assert!(pages.iter().map(std::ptr::from_ref).zip(places).all(|(now, then)| now == then));
    }
}
