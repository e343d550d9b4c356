//! Numbers that carry their derivative by one parameter: a formula written once gives both.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// What the closed forms need of a number: [`f64`], or [`Dual`] for a derivative.
pub(crate) trait Number:
    Copy
    + From<f64>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// The number itself.
    fn value(self) -> f64;
    fn powi(self, n: i32) -> Self;
    fn sqrt(self) -> Self;
    fn recip(self) -> Self;
}

impl Number for f64 {
    fn value(self) -> f64 {
        self
    }
    fn powi(self, n: i32) -> Self {
        f64::powi(self, n)
    }
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    fn recip(self) -> Self {
        f64::recip(self)
    }
}

/// A value and its derivative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dual {
    /// The value.
    pub value: f64,
    /// Its derivative by the parameter.
    pub slope: f64,
}

impl Dual {
    /// A value that changes at the given rate.
    pub fn new(value: f64, slope: f64) -> Self {
        Self { value, slope }
    }
}

impl From<f64> for Dual {
    fn from(value: f64) -> Self {
        Self { value, slope: 0.0 }
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, x: Self) -> Self {
        Self::new(self.value + x.value, self.slope + x.slope)
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, x: Self) -> Self {
        Self::new(self.value - x.value, self.slope - x.slope)
    }
}

impl Mul for Dual {
    type Output = Self;
    fn mul(self, x: Self) -> Self {
        Self::new(self.value * x.value, self.slope * x.value + self.value * x.slope)
    }
}

impl Div for Dual {
    type Output = Self;
    fn div(self, x: Self) -> Self {
        let value = self.value / x.value;
        Self::new(value, (self.slope - value * x.slope) / x.value)
    }
}

impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        Self::new(-self.value, -self.slope)
    }
}

impl Number for Dual {
    fn value(self) -> f64 {
        self.value
    }
    fn powi(self, n: i32) -> Self {
        let slope = f64::from(n) * self.value.powi(n - 1) * self.slope;
        Self::new(self.value.powi(n), slope)
    }
    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        Self::new(root, 0.5 * self.slope / root)
    }
    fn recip(self) -> Self {
        Self::from(1.0) / self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_differences() {
        fn f<T: Number>(x: T) -> T {
            let three = T::from(3.0);
            -(x.powi(3) - three * x.sqrt()) / (x + x.recip())
        }
        for x in [0.4, 1.0, 2.7] {
            let h = 1e-5;
            let numeric = (f(x + h) - f(x - h)) / (2.0 * h);
            let found = f(Dual::new(x, 1.0));
            assert!((found.value - f(x)).abs() < 1e-14 && (found.slope - numeric).abs() < 1e-8);
        }
    }
}
