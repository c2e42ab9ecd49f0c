//! Loss on the wire: independent, or in bursts by the two-state chain of Gilbert and Elliott.

use crate::rng::Rng;

/// How packets are lost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Loss {
    /// Not at all.
    #[default]
    None,
    /// Each packet on its own, with this probability.
    Random(f64),
    /// A good and a bad state; before each packet the chain may change state.
    GilbertElliott {
        /// Probability of going from good to bad, per packet.
        to_bad: f64,
        /// Probability of going from bad to good, per packet.
        to_good: f64,
        /// Loss in the good state.
        in_good: f64,
        /// Loss in the bad state.
        in_bad: f64,
    },
}

impl Loss {
    /// Bursts in which everything is lost, `mean_burst` packets long on average (at least 1), for an overall loss of
    /// `rate` (0 to 1).
    pub fn bursty(rate: f64, mean_burst: f64) -> Self {
        let to_good = 1.0 / mean_burst.max(1.0);
        let rate = rate.clamp(0.0, 1.0);
        // In the long run the chain is bad for to_bad / (to_bad + to_good) of the packets.
        let to_bad = if rate < 1.0 { to_good * rate / (1.0 - rate) } else { 1.0 };
        Self::GilbertElliott {
            to_bad: to_bad.min(1.0),
            to_good: if rate < 1.0 { to_good } else { 0.0 },
            in_good: 0.0,
            in_bad: 1.0,
        }
    }
}

/// Where the chain stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LossState {
    bad: bool,
}

impl LossState {
    pub(super) fn is_lost(&mut self, loss: &Loss, rng: &mut Rng) -> bool {
        match *loss {
            Loss::None => false,
            Loss::Random(probability) => rng.chance(probability),
            Loss::GilbertElliott { to_bad, to_good, in_good, in_bad } => {
                if rng.chance(if self.bad { to_good } else { to_bad }) {
                    self.bad = !self.bad;
                }
                rng.chance(if self.bad { in_bad } else { in_good })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_have_the_length_and_the_rate_asked_for() {
        let loss = Loss::bursty(0.1, 5.0);
        let (mut rng, mut state) = (Rng::new(3), LossState::default());
        let fates: Vec<bool> = (0..200_000).map(|_| state.is_lost(&loss, &mut rng)).collect();
        let lost = fates.iter().filter(|&&lost| lost).count() as f64;
        let bursts = fates.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
        assert!((lost / 200_000.0 - 0.1).abs() < 0.005, "{lost} lost");
        assert!((lost / bursts - 5.0).abs() < 0.3, "{} per burst", lost / bursts);
    }

    #[test]
    fn total_loss_loses_everything() {
        let (mut rng, mut state) = (Rng::new(3), LossState::default());
        assert!((0..100).all(|_| state.is_lost(&Loss::bursty(1.0, 3.0), &mut rng)));
        assert!((0..100).all(|_| state.is_lost(&Loss::Random(1.0), &mut rng)));
    }
}
