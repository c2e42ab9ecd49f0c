//! Pictures that are used again, so that nothing is allocated for each.

use std::sync::Arc;

use super::I420;

/// Pictures that were handed out and are taken back when nobody looks at them any more.
#[derive(Debug)]
pub struct PicturePool {
    pictures: Vec<Arc<I420>>,
    most: usize,
}

impl PicturePool {
    /// Keeps so many pictures, one at least.
    pub fn new(most: usize) -> Self {
        Self { pictures: Vec::new(), most: most.max(1) }
    }

    /// A picture of this size, filled by `fill`: one that nobody holds any more, else a new one. What it shows before it is
    /// filled is not said.
    ///
    /// # Panics
    ///
    /// As [`I420::black`].
    pub fn take<E>(
        &mut self,
        width: u16,
        height: u16,
        fill: impl FnOnce(&mut I420) -> Result<(), E>,
    ) -> Result<Arc<I420>, E> {
        let mut picture = self.free();
        if let Some(own) = Arc::get_mut(&mut picture) {
            own.reset(width, height);
            fill(own)?;
        }
        self.keep(&picture);
        Ok(picture)
    }

    /// The same, filled as by [`I420::from_strided`], and `None` where that is.
    pub fn copy(
        &mut self,
        width: u16,
        height: u16,
        planes: [&[u8]; 3],
        strides: [usize; 3],
    ) -> Option<Arc<I420>> {
        let mut picture = self.free();
        let own = Arc::get_mut(&mut picture);
        let filled = own.is_some_and(|own| own.copy_strided(width, height, planes, strides));
        self.keep(&picture);
        filled.then_some(picture)
    }

    /// One that nobody else holds, of any size.
    fn free(&mut self) -> Arc<I420> {
        let free = self.pictures.iter_mut().position(|picture| Arc::get_mut(picture).is_some());
        match free {
            Some(at) => self.pictures.swap_remove(at),
            None => Arc::new(I420::black(1, 1)),
        }
    }

    fn keep(&mut self, picture: &Arc<I420>) {
        if self.pictures.len() < self.most {
            self.pictures.push(picture.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn what_nobody_holds_is_used_again() {
        let mut pool = PicturePool::new(2);
        let mut take = |width: u16| {
            pool.take(width, 2, |picture| {
                picture.planes_mut().0.fill(width as u8);
                Ok::<_, Infallible>(())
            })
            .unwrap()
        };
        let (one, two) = (take(4), take(4));
        let place = Arc::as_ptr(&one);
        let three = take(6);
        assert_eq!((three.width(), three.as_bytes()[0]), (6, 6));
        drop(one);
        let four = take(2);
        assert_eq!(Arc::as_ptr(&four), place);
        assert_eq!((four.as_bytes().len(), two.as_bytes()[0]), (6, 4));
        drop(four);
        let planes: [&[u8]; 3] = [&[1, 2, 3, 4, 5], &[6], &[7]];
        assert_eq!(pool.copy(2, 2, planes, [4, 1, 1]), None);
        let five = pool.copy(2, 2, planes, [3, 1, 1]).unwrap();
        assert_eq!((Arc::as_ptr(&five), five.as_bytes()), (place, &[1, 2, 4, 5, 6, 7][..]));
    }
}
