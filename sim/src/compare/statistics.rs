//! Is B better than A? A paired test, corrected for the number of metrics.
//!
//! Both sides run with the same seeds, in the same weather, so the differences B - A of the seeds
//! are what is tested: Wilcoxon's signed-rank test (Wilcoxon 1945), two-sided. It assumes that
//! seeds are independent of each other, and that, if A and B were the same, a difference would be
//! as likely to have the other sign, which pairs make sure of. It assumes no distribution. Equal
//! pairs are left out, equal sizes share their mean rank, and the distribution is exact up to
//! [`EXACT_UP_TO`] pairs. Holm's method (Holm 1979) keeps the chance of a single wrong "better" or
//! "worse" among all metrics below [`LEVEL`].
//!
//! "Equal" is not the absence of a proof: either all pairs are equal, or the 95 % confidence
//! interval of the median difference (by order statistics, for each metric alone) lies within the
//! margin. What is neither is undecided: more seeds would tell.

/// Largest p, after correction, of a difference that is told.
pub const LEVEL: f64 = 0.05;
/// Pairs up to which the distribution of the test is computed exactly, which takes some
/// milliseconds; beyond, the normal distribution is near enough (Wilcoxon's own tables end at 25).
const EXACT_UP_TO: usize = 200;

/// What a comparison says of B against A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// B is better.
    Better,
    /// B is worse.
    Worse,
    /// They are equal, or differ by less than the margin.
    Equal,
    /// There are too few seeds to say.
    Undecided,
}

impl Verdict {
    /// The word for tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Equal => "equal",
            Self::Undecided => "undecided",
        }
    }
}

/// A metric on both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Seeds with which both could be measured.
    pub pairs: usize,
    /// Median of A.
    pub a: f64,
    /// Median of B.
    pub b: f64,
    /// Median of B - A.
    pub difference: f64,
    /// The differences of 95 % of the seeds lie within.
    pub band: [f64; 2],
    /// 95 % confidence interval of the median difference; none of fewer than six pairs.
    pub interval: Option<[f64; 2]>,
    /// p of the test, corrected for the number of metrics; none if all pairs are equal.
    pub p: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
}

/// The pairs of a metric: values of A and B with the same seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs {
    /// A and B.
    pub values: Vec<(f64, f64)>,
    /// Whether smaller values are worse.
    pub lower_is_worse: bool,
}

/// Compares all metrics, of which none may be empty. `margin` is the share of A's median within
/// which a difference does not matter.
#[must_use]
pub fn compare(all: &[Pairs], margin: f64) -> Vec<Comparison> {
    let differences: Vec<Vec<f64>> =
        all.iter().map(|pairs| sorted(pairs.values.iter().map(|&pair| minus(pair)))).collect();
    let p = holm(&differences.iter().map(|differences| signed_rank(differences)).collect::<Vec<_>>());
    let one = |((pairs, differences), p): ((&Pairs, &Vec<f64>), Option<f64>)| {
        let a = quantile(&sorted(pairs.values.iter().map(|(a, _)| *a)), 0.5);
        let b = quantile(&sorted(pairs.values.iter().map(|(_, b)| *b)), 0.5);
        let difference = quantile(differences, 0.5);
        let interval = interval(differences);
        let allowed = if a.is_finite() { margin * a.abs() } else { 0.0 };
        let within = |value: &f64| value.abs() <= allowed;
        let is_equal = p.is_none() || interval.is_some_and(|ends| ends.iter().all(within));
        let higher = signed_sum(differences) > 0.0;
        let verdict = match (is_equal, p) {
            (true, _) => Verdict::Equal,
            (_, Some(p)) if p < LEVEL && higher == pairs.lower_is_worse => Verdict::Better,
            (_, Some(p)) if p < LEVEL => Verdict::Worse,
            _ => Verdict::Undecided,
        };
        let band = [0.025, 0.975].map(|share| quantile(differences, share));
        Comparison { pairs: differences.len(), a, b, difference, band, interval, p, verdict }
    };
    all.iter().zip(&differences).zip(p).map(one).collect()
}

/// B - A, where two infinities are equal.
fn minus((a, b): (f64, f64)) -> f64 {
    if a.total_cmp(&b).is_eq() { 0.0 } else { b - a }
}

pub(super) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value of the nearest rank at a share of sorted values, which are not empty; of the median
/// the mean of both middle ones.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let count = sorted.len();
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if (share - 0.5).abs() <= 0.0 {
        let (low, high) = (at(count.saturating_sub(1) / 2), at(count / 2));
        // Infinities have no mean.
        return if low.is_finite() && high.is_finite() { low / 2.0 + high / 2.0 } else { low };
    }
    at((libm::ceil(share * count as f64) as usize).clamp(1, count.max(1)) - 1)
}

/// Ranks of the differences that are not 0, by size: each with its rank, doubled so that mean ranks
/// are whole numbers.
fn ranks(differences: &[f64]) -> Vec<(f64, usize)> {
    let mut sizes: Vec<f64> = differences.iter().copied().filter(|difference| difference.abs() > 0.0).collect();
    sizes.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    let mut ranks = Vec::new();
    let mut start = 0;
    while start < sizes.len() {
        let same = sizes[start..].iter().take_while(|size| size.abs().total_cmp(&sizes[start].abs()).is_eq()).count();
        // Ranks start + 1 to start + same: their mean, twice.
        ranks.extend(sizes[start..start + same].iter().map(|size| (*size, 2 * start + 1 + same)));
        start += same;
    }
    ranks
}

/// The sum of the ranks with the signs of their differences: which way the test points.
fn signed_sum(differences: &[f64]) -> f64 {
    ranks(differences).iter().map(|(difference, rank)| difference.signum() * *rank as f64).sum()
}

/// Two-sided p of Wilcoxon's signed-rank test; none if no pair differs.
fn signed_rank(differences: &[f64]) -> Option<f64> {
    let ranks = ranks(differences);
    if ranks.is_empty() {
        return None;
    }
    let positive: usize = ranks.iter().filter(|(difference, _)| *difference > 0.0).map(|(_, rank)| rank).sum();
    let total: usize = ranks.iter().map(|(_, rank)| rank).sum();
    let extreme = positive.min(total - positive);
    let tail =
        if ranks.len() <= EXACT_UP_TO { exact_tail(&ranks, extreme) } else { normal_tail(&ranks, extreme, total) };
    Some((2.0 * tail).min(1.0))
}

/// Chance of a sum of ranks up to this one, if every sign is as likely as the other.
fn exact_tail(ranks: &[(f64, usize)], extreme: usize) -> f64 {
    let total: usize = ranks.iter().map(|(_, rank)| rank).sum();
    let mut chances = vec![0.0_f64; total + 1];
    chances[0] = 1.0;
    for (_, rank) in ranks {
        for sum in (0..=total).rev() {
            let with = sum.checked_sub(*rank).map_or(0.0, |rest| chances[rest]);
            chances[sum] = 0.5 * (chances[sum] + with);
        }
    }
    chances[..=extreme].iter().sum()
}

/// The same by the normal distribution of that mean and variance, with a correction for the steps
/// between sums.
fn normal_tail(ranks: &[(f64, usize)], extreme: usize, total: usize) -> f64 {
    let variance: f64 = ranks.iter().map(|(_, rank)| (*rank * *rank) as f64 / 4.0).sum();
    let below = total as f64 / 2.0 - extreme as f64 - 1.0;
    0.5 * libm::erfc(below.max(0.0) / libm::sqrt(2.0 * variance))
}

/// Holm's correction: the smallest p times the number of tests, the next times one less, and none
/// smaller than the one before.
fn holm(all: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(usize, f64)> = all.iter().enumerate().filter_map(|(index, p)| Some((index, (*p)?))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (tests, mut least, mut corrected) = (order.len(), 0.0_f64, vec![None; all.len()]);
    for (place, (index, p)) in order.into_iter().enumerate() {
        least = least.max((p * (tests - place) as f64).min(1.0));
        corrected[index] = Some(least);
    }
    corrected
}

/// The 95 % confidence interval of a median: between order statistics that have it between them
/// with that chance, whatever the distribution.
fn interval(sorted: &[f64]) -> Option<[f64; 2]> {
    let count = sorted.len();
    // P(Bin(n, 1/2) <= k), from its logarithm, which 2^-n of many pairs would be too small for.
    let (mut log_term, mut below, mut outside) = (-(count as f64) * std::f64::consts::LN_2, 0.0, 0);
    for k in 0..count {
        below += libm::exp(log_term);
        if below > 0.025 {
            break;
        }
        outside = k + 1;
        log_term += libm::log((count - k) as f64 / (k + 1) as f64);
    }
    (outside > 0).then(|| [sorted[outside - 1], sorted[count - outside]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(values: &[(f64, f64)]) -> Pairs {
        Pairs { values: values.to_vec(), lower_is_worse: false }
    }

    /// Values of R: wilcox.test(x, exact = TRUE), and of tables.
    #[test]
    fn the_test_gives_known_p() {
        let near = |p: Option<f64>, right: f64| assert!((p.unwrap() - right).abs() < 1e-9, "{p:?} {right}");
        near(signed_rank(&[1.0, 2.0, 3.0, 4.0, 5.0]), 0.0625);
        near(signed_rank(&[-1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), 0.0625);
        near(signed_rank(&[-1.0, -2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]), 10.0 / 256.0);
        // Ranks 1.5, 1.5 and 3: sums of 0 and 1.5 are one in eight, and two.
        near(signed_rank(&[-1.0, 1.0, 2.0]), 2.0 * 3.0 / 8.0);
        near(signed_rank(&[0.0, 0.0, f64::INFINITY]), 1.0);
        assert_eq!(signed_rank(&[0.0, 0.0]), None);
    }

    #[test]
    fn many_pairs_have_a_normal_distribution() {
        let values: Vec<f64> = (1..=200).map(|n| if n % 7 < 3 { -f64::from(n) } else { f64::from(n) }).collect();
        let ranks = ranks(&values);
        let total: usize = ranks.iter().map(|(_, rank)| rank).sum();
        let positive: usize = ranks.iter().filter(|(value, _)| *value < 0.0).map(|(_, rank)| rank).sum();
        let (exact, normal) = (exact_tail(&ranks, positive), normal_tail(&ranks, positive, total));
        assert!((exact / normal - 1.0).abs() < 0.05, "{exact} {normal}");
    }

    #[test]
    fn correction_is_holms() {
        let corrected = holm(&[Some(0.01), None, Some(0.04), Some(0.03)]);
        let right = [Some(0.03), None, Some(0.06), Some(0.06)];
        for (one, other) in corrected.iter().zip(right) {
            assert_eq!(one.map(|p| (p * 1e9).round()), other.map(|p| (p * 1e9_f64).round()));
        }
    }

    #[test]
    fn intervals_are_those_of_order_statistics() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        // P(Bin(10) <= 1) = 0.0107, P(Bin(10) <= 2) = 0.0547.
        assert_eq!(interval(&values), Some([2.0, 9.0]));
        assert_eq!(interval(&values[..5]), None);
        assert_eq!(interval(&values[..6]), Some([1.0, 6.0]));
    }

    #[test]
    fn verdicts_need_evidence() {
        let shifted = |by: f64| pairs(&(0..20).map(|n| (f64::from(n), f64::from(n) + by)).collect::<Vec<_>>());
        let mixed = pairs(&(0..20).map(|n| (10.0, 10.0 + f64::from(n % 7) - 3.0)).collect::<Vec<_>>());
        let never = pairs(&vec![(f64::INFINITY, 3.0); 20]);
        let higher = Pairs { lower_is_worse: true, ..shifted(2.0) };
        let all = [shifted(2.0), shifted(-2.0), shifted(0.0), shifted(0.01), mixed, never, higher, shifted(3.0)];
        let verdicts: Vec<Verdict> = compare(&all, 0.01).iter().map(|one| one.verdict).collect();
        use Verdict::{Better, Equal, Undecided, Worse};
        assert_eq!(verdicts, [Worse, Better, Equal, Equal, Undecided, Better, Better, Worse]);
        // Three pairs cannot show anything.
        let few = pairs(&[(0.0, 9.0), (0.0, 8.0), (0.0, 7.0)]);
        assert_eq!(compare(&[few], 0.01)[0].verdict, Undecided);
    }
}
