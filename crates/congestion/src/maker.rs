//! Which controller a path gets: one is made whenever a transport begins to send, so that what is chosen is not a controller
//! but how to make it.

use std::fmt;
use std::sync::Arc;

use crate::controller::Controller;
use crate::error::Error;
use crate::gcc::{Gcc, GccConfig};

/// A controller that may be held by anyone.
pub type BoxedController = Box<dyn Controller + Send + Sync>;

/// Makes the controller of each path. The default is [`Gcc`].
///
/// ```
/// use peerage_congestion::{ControllerMaker, Gcc, GccConfig};
///
/// // Wherever settings ask for one, an algorithm of one's own stands in this place.
/// let maker = ControllerMaker::new(|bounds| Gcc::new(bounds).expect("bounds are in order"));
/// assert_eq!(maker.make(GccConfig::default())?.target().rate.as_kbps(), 300);
/// # Ok::<(), peerage_congestion::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct ControllerMaker(Option<Arc<dyn Fn(GccConfig) -> BoxedController + Send + Sync>>);

impl ControllerMaker {
    /// One for controllers of another kind. `make` is given the bounds of the rate, which are in order.
    pub fn new<C>(make: impl Fn(GccConfig) -> C + Send + Sync + 'static) -> Self
    where
        C: Controller + Send + Sync + 'static,
    {
        Self(Some(Arc::new(move |bounds| Box::new(make(bounds)))))
    }

    /// A controller with these bounds.
    ///
    /// # Errors
    ///
    /// See [`GccConfig::validate`].
    pub fn make(&self, bounds: GccConfig) -> Result<BoxedController, Error> {
        bounds.validate()?;
        match &self.0 {
            Some(make) => Ok(make(bounds)),
            None => Ok(Box::new(Gcc::new(bounds)?)),
        }
    }
}

impl fmt::Debug for ControllerMaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "ControllerMaker(..)" } else { "ControllerMaker(Gcc)" })
    }
}

/// Two are equal that are copies of one.
impl PartialEq for ControllerMaker {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        }
    }
}

impl Eq for ControllerMaker {}
