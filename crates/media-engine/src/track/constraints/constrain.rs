//! What may be wanted of one property (W3C Media Capture and Streams §11.1 and §11.2): bounds that must hold, and what is best.

/// A number that is constrained. `min`, `max` and `exact` must hold; `ideal` is come as near to as possible. A number by itself
/// is ideal in the basic set and exact in an advanced one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ConstrainNumber<T> {
    /// Not below this.
    pub min: Option<T>,
    /// Not above this.
    pub max: Option<T>,
    /// This and nothing else.
    pub exact: Option<T>,
    /// As near to this as possible.
    pub ideal: Option<T>,
    /// A number by itself.
    pub bare: Option<T>,
}

/// `ConstrainULong`.
pub type ConstrainULong = ConstrainNumber<u32>;
/// `ConstrainDouble`.
pub type ConstrainDouble = ConstrainNumber<f64>;

impl<T> ConstrainNumber<T> {
    const fn none() -> Self {
        Self { min: None, max: None, exact: None, ideal: None, bare: None }
    }

    /// This and nothing else.
    pub fn exact(value: T) -> Self {
        Self { exact: Some(value), ..Self::none() }
    }

    /// As near to this as possible.
    pub fn ideal(value: T) -> Self {
        Self { ideal: Some(value), ..Self::none() }
    }

    /// Not below this.
    pub fn at_least(value: T) -> Self {
        Self { min: Some(value), ..Self::none() }
    }

    /// Not above this.
    pub fn at_most(value: T) -> Self {
        Self { max: Some(value), ..Self::none() }
    }

    /// With something that is best, within what must hold.
    #[must_use]
    pub fn with_ideal(self, value: T) -> Self {
        Self { ideal: Some(value), ..self }
    }

    /// With an upper bound.
    #[must_use]
    pub fn with_max(self, value: T) -> Self {
        Self { max: Some(value), ..self }
    }
}

impl<T> From<T> for ConstrainNumber<T> {
    fn from(value: T) -> Self {
        Self { bare: Some(value), ..Self::none() }
    }
}

/// Doubles that differ by less than this part of themselves are the same: 29.97 is written in many ways.
const SAME: f64 = 1e-5;

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() <= SAME * one.abs().max(other.abs())
}

impl<T: Copy + Into<f64>> ConstrainNumber<T> {
    /// The fitness distance of a setting (§11, "fitness distance"), infinite where what is required does not hold.
    pub(super) fn distance(&self, actual: Option<f64>, advanced: bool) -> f64 {
        let number = |value: Option<T>| value.map(Into::into);
        let exact = number(self.exact).or(number(self.bare).filter(|_| advanced));
        let (min, max) = (number(self.min), number(self.max));
        let required = exact.is_some() || min.is_some() || max.is_some();
        let Some(actual) = actual else { return if required { f64::INFINITY } else { 1.0 } };
        let holds = exact.is_none_or(|exact| same(actual, exact))
            && min.is_none_or(|min| actual >= min || same(actual, min))
            && max.is_none_or(|max| actual <= max || same(actual, max));
        if !holds {
            return f64::INFINITY;
        }
        match number(self.ideal).or(number(self.bare).filter(|_| !advanced)) {
            Some(ideal) if !same(actual, ideal) => {
                (actual - ideal).abs() / actual.abs().max(ideal.abs())
            }
            _ => 0.0,
        }
    }

    /// The values that it names: where a property may take any value, one of these, or an end of what is possible, is best.
    pub(super) fn values(&self) -> impl Iterator<Item = f64> + use<T> {
        [self.min].into_iter().flatten().map(Into::into).chain(self.upper_values())
    }

    /// The same without the lower bound: what is above it already needs nothing taken away.
    pub(super) fn upper_values(&self) -> impl Iterator<Item = f64> + use<T> {
        let all = [self.max, self.exact, self.ideal, self.bare];
        all.into_iter().flatten().map(Into::into)
    }
}

/// A choice between two or more: `ConstrainBoolean`, `ConstrainDOMString`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstrainChoice<T> {
    /// One of these and nothing else. None: whatever.
    pub exact: Vec<T>,
    /// One of these, if possible.
    pub ideal: Vec<T>,
    /// Values by themselves: ideal in the basic set, exact in an advanced one.
    pub bare: Vec<T>,
}

/// `ConstrainBoolean`.
pub type ConstrainBoolean = ConstrainChoice<bool>;
/// `ConstrainDOMString`.
pub type ConstrainString = ConstrainChoice<String>;

impl<T> Default for ConstrainChoice<T> {
    fn default() -> Self {
        Self { exact: Vec::new(), ideal: Vec::new(), bare: Vec::new() }
    }
}

impl<T> ConstrainChoice<T> {
    /// This and nothing else.
    pub fn exact(value: impl Into<T>) -> Self {
        Self { exact: vec![value.into()], ..Self::default() }
    }

    /// This, if possible.
    pub fn ideal(value: impl Into<T>) -> Self {
        Self { ideal: vec![value.into()], ..Self::default() }
    }
}

impl From<bool> for ConstrainBoolean {
    fn from(value: bool) -> Self {
        Self { bare: vec![value], ..Self::default() }
    }
}

impl From<&str> for ConstrainString {
    fn from(value: &str) -> Self {
        Self { bare: vec![value.to_owned()], ..Self::default() }
    }
}

impl<T: PartialEq> ConstrainChoice<T> {
    /// As [`ConstrainNumber::distance`].
    pub(super) fn distance(&self, actual: Option<&T>, advanced: bool) -> f64 {
        let any = |values: &[T]| actual.is_some_and(|actual| values.contains(actual));
        let exact = |values: &[T]| values.is_empty() || any(values);
        if !exact(&self.exact) || (advanced && !exact(&self.bare)) {
            return f64::INFINITY;
        }
        let ideal = if self.ideal.is_empty() && !advanced { &self.bare } else { &self.ideal };
        if ideal.is_empty() || any(ideal) { 0.0 } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_far_as_the_formula_says() {
        let wide = ConstrainULong::ideal(1280);
        assert_eq!(wide.distance(Some(640.0), false), 0.5);
        assert_eq!(wide.distance(Some(1280.0), false), 0.0);
        assert_eq!(wide.distance(Some(2560.0), false), 0.5);
        assert_eq!(wide.distance(None, false), 1.0);
        assert_eq!(ConstrainULong::exact(1280).distance(Some(1279.0), false), f64::INFINITY);
        assert_eq!(ConstrainULong::at_least(2).distance(None, false), f64::INFINITY);
        assert_eq!(ConstrainDouble::at_most(29.97).distance(Some(30_000.0 / 1001.0), false), 0.0);
        assert_eq!(ConstrainDouble::at_most(f64::NAN).distance(Some(1.0), false), f64::INFINITY);
        // By itself it is ideal here and exact there.
        let bare = ConstrainULong::from(100);
        assert_eq!(
            (bare.distance(Some(50.0), false), bare.distance(Some(50.0), true)),
            (0.5, f64::INFINITY)
        );
    }

    #[test]
    fn choices_are_met_or_not() {
        let one = |value: &str| Some(value.to_owned());
        let user = ConstrainString::exact("user");
        assert_eq!(user.distance(one("user").as_ref(), false), 0.0);
        assert_eq!(user.distance(one("environment").as_ref(), false), f64::INFINITY);
        assert_eq!(user.distance(None, false), f64::INFINITY);
        assert_eq!(ConstrainString::ideal("user").distance(one("left").as_ref(), true), 1.0);
        let on = ConstrainBoolean::from(true);
        assert_eq!(
            (on.distance(Some(&false), false), on.distance(Some(&false), true)),
            (1.0, f64::INFINITY)
        );
        assert_eq!(ConstrainBoolean::default().distance(Some(&false), true), 0.0);
    }
}
