//! What there is no codec for: tried and told of once, not with each frame.

/// What an encoder or a decoder could not be made for last.
#[derive(Debug)]
pub(super) struct Failures<T>(Option<T>);

impl<T> Default for Failures<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Failures<T> {
    /// Whether none could be made for what is the same as this, so that another attempt is of no use.
    pub(super) fn is_known(&self, is_same: impl FnOnce(&T) -> bool) -> bool {
        self.0.as_ref().is_some_and(is_same)
    }

    /// None could be made for this.
    pub(super) fn note(&mut self, wanted: T) {
        self.0 = Some(wanted);
    }

    /// One could be made, or another attempt may be of use.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// Whether nothing is encoded for that reason.
    pub(super) fn fails(&self) -> bool {
        self.0.is_some()
    }
}
