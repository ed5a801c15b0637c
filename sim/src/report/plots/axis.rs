//! Scales and their ticks, as pure arithmetic that can be tested.

/// A labelled place on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
}

/// How values map to the height of a panel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// Proportional.
    Linear { low: f64, high: f64 },
    /// Proportional up to `linear` on both sides of zero, one more `linear` of height for each
    /// decade beyond, up to `limit`. It shows both a band of 1 ppm and a wobble of 100 ppm, and
    /// includes zero.
    SymLog { linear: f64, limit: f64 },
    /// The same height for each decade, of positive values.
    Log { low: f64, high: f64 },
}

impl Scale {
    /// Position of a value: 0 at the bottom, 1 at the top; outside this range if the value does not
    /// fit.
    pub(super) fn unit(self, value: f64) -> f64 {
        match self {
            Self::Linear { low, high } => (value - low) / (high - low),
            Self::Log { low, high } => libm::log10(value / low) / libm::log10(high / low),
            Self::SymLog { linear, limit } => 0.5 + 0.5 * warp(value / linear) / warp(limit / linear),
        }
    }

    /// Ticks for about `count` labels.
    pub(super) fn ticks(self, count: usize) -> Vec<Tick> {
        match self {
            // With round steps there may be only one label, although there is room for more, and
            // one label does not show the scale.
            Self::Linear { low, high } => (count..count + 4)
                .map(|count| linear_ticks(low, high, count))
                .find(|ticks| ticks.len() >= 3)
                .unwrap_or_else(|| linear_ticks(low, high, count)),
            Self::SymLog { linear, limit } => symlog_ticks(linear, limit, count),
            Self::Log { low, high } => log_ticks(low, high, count),
        }
    }

    /// Unlabelled grid lines between the ticks: 2 to 9 of each decade.
    pub(super) fn minor(self) -> Vec<f64> {
        let (linear, limit) = match self {
            Self::Linear { .. } => return Vec::new(),
            Self::SymLog { linear, limit } => (linear, limit),
            Self::Log { low, high } => (low, high),
        };
        let mut lines = Vec::new();
        let mut decade = linear;
        while decade < limit * 0.999 {
            for digit in 2..10 {
                let value = decade * f64::from(digit);
                if value < limit * 0.999 {
                    lines.push(value);
                    lines.extend(matches!(self, Self::SymLog { .. }).then_some(-value));
                }
            }
            decade *= 10.0;
        }
        lines
    }
}

fn warp(value: f64) -> f64 {
    let size = value.abs();
    if size <= 1.0 { value } else { (1.0 + libm::log10(size)).copysign(value) }
}

/// The step of the series 1, 2, 5 that gives at most about `count` steps over the span.
fn nice_step(span: f64, count: usize) -> f64 {
    let raw = span / count.max(1) as f64;
    let decade = libm::pow(10.0, libm::floor(libm::log10(raw)));
    [1.0, 2.0, 5.0].map(|digit| digit * decade).into_iter().find(|step| *step >= raw * 0.999).unwrap_or(10.0 * decade)
}

fn linear_ticks(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let step = nice_step(high - low, count);
    let decimals = (-libm::floor(libm::log10(step) + 1e-9)).clamp(0.0, 9.0) as usize;
    let first = (low / step - 1e-6).ceil() as i64;
    let last = (high / step + 1e-6).floor() as i64;
    (first..=last)
        .map(|index| index as f64 * step)
        .map(|value| Tick { value, label: number(value, decimals) })
        .collect()
}

fn symlog_ticks(linear: f64, limit: f64, count: usize) -> Vec<Tick> {
    let decades = (libm::log10(limit / linear) + 1e-9).floor() as i32;
    let stride = (2 * (decades + 1)).div_euclid(count.max(2) as i32).max(1) as usize;
    let sizes = (0..=decades).step_by(stride).map(|decade| linear * libm::pow(10.0, f64::from(decade)));
    let mut ticks = vec![Tick { value: 0.0, label: number(0.0, 0) }];
    for size in sizes {
        let decimals = (-libm::floor(libm::log10(size) + 1e-9)).clamp(0.0, 9.0) as usize;
        ticks.extend([size, -size].map(|value| Tick { value, label: number(value, decimals) }));
    }
    ticks.sort_by(|a, b| a.value.total_cmp(&b.value));
    ticks
}

/// Powers of ten, as many as have room.
fn log_ticks(low: f64, high: f64, count: usize) -> Vec<Tick> {
    let (first, last) = (libm::round(libm::log10(low)) as i32, libm::round(libm::log10(high)) as i32);
    let stride = ((last - first) as usize + 1).div_ceil(count.max(1)).max(1);
    let label = |power: i32| {
        let value = libm::pow(10.0, f64::from(power));
        // Long numbers have no room beside a panel.
        let label =
            if (-3..=5).contains(&power) { number(value, (-power).max(0) as usize) } else { format!("1e{power}") };
        Tick { value, label }
    };
    (first..=last).step_by(stride).map(label).collect()
}

/// A number with a typographic minus sign and without a negative zero.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let is_zero = text.chars().all(|character| matches!(character, '0' | '.'));
    if value < 0.0 && !is_zero { format!("\u{2212}{text}") } else { text }
}

/// The smallest power of ten that is not below the value.
pub(super) fn decade_above(value: f64) -> f64 {
    libm::pow(10.0, libm::ceil(libm::log10(value.max(1e-9)) - 1e-9))
}

/// A range for a linear scale: quantiles with a margin, so that a single spike does not flatten
/// everything else, but the whole range of values if it is at most half as large again. The range
/// is never narrower than `least`.
pub(super) fn robust_range(values: impl Iterator<Item = f64>, least: f64) -> (f64, f64) {
    let mut sorted: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let (Some(&first), Some(&last)) = (sorted.first(), sorted.last()) else { return (-least / 2.0, least / 2.0) };
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    let (mut low, mut high) = (at(0.01), at(0.99));
    if last - first <= 1.5 * (high - low) || last - first <= least {
        (low, high) = (first, last);
    }
    let margin = (0.08 * (high - low)).max((least - (high - low)) / 2.0);
    (low - margin, high + margin)
}

/// Time since the start of the run on an axis of a run of that length.
pub(super) fn time_label(time_s: f64, duration_s: f64) -> String {
    let seconds = time_s.round() as i64;
    if duration_s > LONG_RUN_S {
        return format!("{}:{:02}", seconds / 3600, seconds / 60 % 60);
    }
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// The unit of [`time_label`], for the axis' name.
pub(super) fn time_unit(duration_s: f64) -> &'static str {
    if duration_s > LONG_RUN_S { "h:mm" } else { "mm:ss" }
}

/// A length of time in its natural units, without loss: `15 ms`, `100 s`, `2 min 5 s`, `1 h`.
pub(super) fn span_name(seconds: f64) -> String {
    let us = (seconds * 1e6).round().max(0.0) as u64;
    let in_thousands = |units: u64, unit: &str| {
        let text = format!("{}.{:03}", units / 1000, units % 1000);
        format!("{} {unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    if us < 1_000_000 {
        return in_thousands(us, "ms");
    }
    let ms = (us + 500) / 1000;
    // Times up to two minutes are written in seconds, except for exactly one minute.
    if ms < 120_000 && ms != 60_000 {
        return in_thousands(ms, "s");
    }
    let parts = [(ms / 3_600_000, "h"), (ms / 60_000 % 60, "min")];
    let mut names: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    let rest = ms % 60_000;
    if rest > 0 {
        names.push(in_thousands(rest, "s"));
    }
    names.join(" ")
}

/// In runs that are longer than this, s, labels have no seconds, because these do not fit and do
/// not matter.
const LONG_RUN_S: f64 = 7200.0;

/// Round steps of time, s.
const TIME_STEPS_S: [f64; 20] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10800.0, 14400.0,
    21600.0, 43200.0, 86400.0, 604_800.0,
];

/// The smallest step of time that gives at most `count` steps over the run.
pub(super) fn time_step(duration_s: f64, count: usize) -> f64 {
    let raw = duration_s / count.max(1) as f64;
    TIME_STEPS_S.into_iter().find(|step| *step >= raw).unwrap_or_else(|| nice_step(duration_s, count))
}

/// Ticks of a time axis.
pub(super) fn time_ticks(duration_s: f64, count: usize) -> Vec<Tick> {
    let step = time_step(duration_s, count);
    let last = (duration_s / step + 1e-6).floor() as u32;
    (0..=last)
        .map(|index| f64::from(index) * step)
        .map(|value| Tick { value, label: time_label(value, duration_s) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> String {
        ticks.iter().map(|tick| tick.label.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn linear_ticks_are_round_numbers_inside_the_range() {
        insta::assert_snapshot!(labels(&linear_ticks(-37.3, 61.2, 6)), @"−20 0 20 40 60");
        insta::assert_snapshot!(labels(&linear_ticks(49.0, 51.0, 5)), @"49.0 49.5 50.0 50.5 51.0");
        insta::assert_snapshot!(labels(&linear_ticks(-0.02, 0.02, 4)), @"−0.02 −0.01 0.00 0.01 0.02");
    }

    #[test]
    fn symlog_ticks_are_the_linear_limit_and_decades() {
        insta::assert_snapshot!(labels(&symlog_ticks(1.0, 100.0, 7)), @"−100 −10 −1 0 1 10 100");
        insta::assert_snapshot!(labels(&symlog_ticks(10.0, 1.0e6, 7)), @"−1000000 −100000 −10000 −1000 −100 −10 0 10 100 1000 10000 100000 1000000");
    }

    #[test]
    fn symlog_keeps_order_and_gives_each_decade_the_height_of_the_linear_part() {
        let scale = Scale::SymLog { linear: 1.0, limit: 100.0 };
        let positions = [-100.0, -10.0, -1.0, 0.0, 1.0, 10.0, 100.0].map(|value| (scale.unit(value) * 600.0).round());
        assert_eq!(positions.map(|place| place as i32), [0, 100, 200, 300, 400, 500, 600]);
    }

    #[test]
    fn time_is_labelled_by_the_length_of_the_run() {
        insta::assert_snapshot!(labels(&time_ticks(900.0, 10)), @"0:00 2:00 4:00 6:00 8:00 10:00 12:00 14:00");
        insta::assert_snapshot!(labels(&time_ticks(86400.0, 10)), @"0:00 3:00 6:00 9:00 12:00 15:00 18:00 21:00 24:00");
        insta::assert_snapshot!(labels(&time_ticks(0.0, 10)), @"0:00");
    }

    #[test]
    fn a_span_is_told_as_long_as_it_is() {
        let names = [0.0, 0.0005, 0.015, 1.5, 10.0, 60.0, 100.0, 119.999].map(span_name);
        assert_eq!(names, ["0 ms", "0.5 ms", "15 ms", "1.5 s", "10 s", "1 min", "100 s", "119.999 s"]);
        let names = [120.0, 125.0, 150.25, 600.0, 3600.0, 3605.0, 5400.0, 86_400.0].map(span_name);
        assert_eq!(names, ["2 min", "2 min 5 s", "2 min 30.25 s", "10 min", "1 h", "1 h 5 s", "1 h 30 min", "24 h"]);
    }

    #[test]
    fn a_range_ignores_one_spike_and_survives_nothing() {
        assert_eq!(robust_range(std::iter::empty(), 2.0), (-1.0, 1.0));
        assert_eq!(robust_range([f64::NAN, 5.0].into_iter(), 2.0), (4.0, 6.0));
        let spike = (0..1000).map(|index| if index == 500 { 1.0e6 } else { f64::from(index % 11) });
        assert_eq!(robust_range(spike, 1.0), (-0.8, 10.8));
    }
}
