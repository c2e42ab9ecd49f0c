//! Lists of items of one size inside RTCP packets. The same packet type serves reading, where the list is the bytes that
//! arrived, and writing, where it is the caller's slice; neither allocates.

use crate::number::Ssrc;

/// An item with a fixed size on the wire.
pub trait WireItem: Copy {
    /// Its size in bytes.
    const SIZE: usize;

    /// Reads it from `SIZE` bytes.
    ///
    /// # Panics
    ///
    /// Where there are fewer; lists never give fewer.
    fn read(bytes: &[u8]) -> Self;

    /// Appends it.
    fn write(self, out: &mut Vec<u8>);
}

impl WireItem for Ssrc {
    const SIZE: usize = 4;

    fn read(bytes: &[u8]) -> Self {
        Self(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

#[derive(Debug, Clone, Copy)]
enum Repr<'a, T> {
    Wire(&'a [u8]),
    Items(&'a [T]),
}

/// A list of items, from the wire or from the caller.
#[derive(Debug, Clone, Copy)]
pub struct List<'a, T>(Repr<'a, T>);

impl<'a, T: WireItem> List<'a, T> {
    /// The list that bytes hold; those of an item that is not whole are left out.
    pub(super) fn wire(bytes: &'a [u8]) -> Self {
        Self(Repr::Wire(bytes))
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Repr::Wire(bytes) => bytes.len() / T::SIZE,
            Repr::Items(items) => items.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at an index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<T> {
        match self.0 {
            Repr::Wire(bytes) => {
                let start = index.checked_mul(T::SIZE)?;
                bytes.get(start..start.checked_add(T::SIZE)?).map(T::read)
            }
            Repr::Items(items) => items.get(index).copied(),
        }
    }

    /// The items.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let list = *self;
        (0..self.len()).filter_map(move |index| list.get(index))
    }

    /// Appends the items `from..to`.
    pub(super) fn write(&self, from: usize, to: usize, out: &mut Vec<u8>) {
        for index in from..to.min(self.len()) {
            if let Some(item) = self.get(index) {
                item.write(out);
            }
        }
    }

    /// Ranges of at most `limit` items that cover the list; one that is empty where the list is.
    pub(super) fn pages(&self, limit: usize) -> impl Iterator<Item = (usize, usize)> + use<T> {
        let len = self.len();
        (0..len.div_ceil(limit).max(1))
            .map(move |page| (page * limit, (page * limit + limit).min(len)))
    }
}

impl<T> Default for List<'_, T> {
    fn default() -> Self {
        Self(Repr::Items(&[]))
    }
}

impl<'a, T> From<&'a [T]> for List<'a, T> {
    fn from(items: &'a [T]) -> Self {
        Self(Repr::Items(items))
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for List<'a, T> {
    fn from(items: &'a [T; N]) -> Self {
        Self(Repr::Items(items))
    }
}

impl<'a, T> From<&'a Vec<T>> for List<'a, T> {
    fn from(items: &'a Vec<T>) -> Self {
        Self(Repr::Items(items))
    }
}

impl<T: WireItem + PartialEq> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: WireItem + Eq> Eq for List<'_, T> {}
