//! What is varied: the values of a key, and the seeds.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most values of one key. Judgement: a range with more of them is a slip of the pen.
const MOST_VALUES: usize = 100_000;
/// Most seeds, for the same reason.
const MOST_SEEDS: u64 = 10_000_000;
/// Significant digits of a value within a range: more than any key needs, and few enough to hide
/// the rounding of binary fractions.
const DIGITS: usize = 12;

/// A key of the scenario, and the values that it takes one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// The key, as `--set` takes it.
    pub key: String,
    /// The values, in TOML.
    pub values: Vec<String>,
}

impl FromStr for Axis {
    type Err = String;

    /// `KEY=a,b,c`, or `KEY=lo..hi/n` for n values from lo to hi with equal steps.
    fn from_str(text: &str) -> Result<Self, String> {
        let (key, values) = text.split_once('=').ok_or("write KEY=a,b,c or KEY=lo..hi/n")?;
        let key = key.trim();
        if key.is_empty() {
            return Err("a key is missing before the `=`".to_owned());
        }
        if key == "seed" {
            return Err("seeds are varied by --seeds, such as --seeds 1..500".to_owned());
        }
        let values = match values.split_once("..") {
            Some((low, rest)) if !values.contains(['"', '\'', '[', '{']) => range(low, rest)?,
            _ => list(values)?,
        };
        if let Some(twice) = values.iter().enumerate().find(|(index, value)| values[..*index].contains(value)) {
            return Err(format!("{key}: the value {} is there twice", twice.1));
        }
        Ok(Self { key: key.to_owned(), values })
    }
}

/// The values of `lo..hi/n`.
fn range(low: &str, rest: &str) -> Result<Vec<String>, String> {
    let (high, count) = rest.split_once('/').ok_or("a range says how many values it has: lo..hi/n")?;
    let number = |text: &str| {
        let number = text.trim().replace('_', "").parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("`{}` is no number: a range is written lo..hi/n", text.trim()))
    };
    let (low, high) = (number(low)?, number(high)?);
    let count = count.trim().parse::<usize>().ok().filter(|count| (2..=MOST_VALUES).contains(count));
    let count = count.ok_or_else(|| format!("a range lo..hi/n has 2 to {MOST_VALUES} values"))?;
    let value = |index: usize| low + (high - low) * index as f64 / (count - 1) as f64;
    let is_whole = |value: f64| value.fract().abs() <= 0.0 && value.abs() < 1e15;
    // A key of whole numbers takes no others, so they are written without a point.
    let all_whole = (0..count).all(|index| is_whole(value(index)));
    let written = |value: f64| if all_whole { format!("{value:.0}") } else { decimal(value) };
    Ok((0..count).map(|index| written(value(index))).collect())
}

/// A number as TOML has it, always with a point or an exponent.
fn decimal(value: f64) -> String {
    let rounded: f64 = format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value);
    format!("{:?}", rounded + 0.0)
}

/// The values of `a,b,c`. Commas within quotes or brackets do not separate.
fn list(text: &str) -> Result<Vec<String>, String> {
    let (mut values, mut value, mut depth, mut quote) = (Vec::new(), String::new(), 0_i32, None);
    for letter in text.chars() {
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                values.push(std::mem::take(&mut value));
                continue;
            }
            _ => {}
        }
        value.push(letter);
    }
    values.push(value);
    let values: Vec<String> = values.iter().map(|value| value.trim().to_owned()).collect();
    match values.iter().any(String::is_empty) {
        true => Err(format!("a value is missing in `{text}`: write KEY=a,b,c or KEY=lo..hi/n")),
        false => Ok(values),
    }
}

/// Seeds: ranges with both ends, in the order in which they were given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(Vec<(u64, u64)>);

impl Seeds {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|(first, last)| (last - first + 1) as usize).sum()
    }

    /// Whether there is none, which no text gives.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The seed at a place; none beyond the last.
    #[must_use]
    pub fn get(&self, mut index: usize) -> Option<u64> {
        for (first, last) in &self.0 {
            let count = (last - first + 1) as usize;
            if index < count {
                return Some(first + index as u64);
            }
            index -= count;
        }
        None
    }
}

impl From<u64> for Seeds {
    fn from(seed: u64) -> Self {
        Self(vec![(seed, seed)])
    }
}

impl FromStr for Seeds {
    type Err = String;

    /// `1..500` with both ends, or seeds and ranges separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` are no seeds: write 1..500, or 1,2,7");
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once("..").unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
            let (first, last) = (number(first)?, number(last)?);
            if first > last {
                return Err(format!("the seeds {first}..{last} run backwards: write {last}..{first}"));
            }
            if i64::try_from(last).is_err() {
                return Err(format!("the seed {last} is out of range: the largest one is {}", i64::MAX));
            }
            if let Some((a, b)) = ranges.iter().find(|(a, b)| first <= *b && last >= *a) {
                return Err(format!("the seeds {first}..{last} and {a}..{b} overlap: each seed is run once"));
            }
            ranges.push((first, last));
        }
        let count: u64 = ranges.iter().map(|(first, last)| (last - first).saturating_add(1)).sum();
        if count > MOST_SEEDS {
            return Err(format!("{count} seeds are too many: at most {MOST_SEEDS}"));
        }
        Ok(Self(ranges))
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}..{last}")? }
        }
        Ok(())
    }
}

impl Serialize for Seeds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Seeds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        text.parse::<Axis>().unwrap().values
    }

    #[test]
    fn lists_and_ranges_become_values() {
        assert_eq!(values("a.b=50,100, 200"), ["50", "100", "200"]);
        assert_eq!(values("a=\"x,y\",[1, 2],{ b = 1, c = 2 }"), ["\"x,y\"", "[1, 2]", "{ b = 1, c = 2 }"]);
        assert_eq!(values("a=-200..200/9")[..3], ["-200", "-150", "-100"]);
        assert_eq!(values("a=0..1/5"), ["0.0", "0.25", "0.5", "0.75", "1.0"]);
        assert_eq!(values("a=0..0.3/4"), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(values("a=\"1..2/3\""), ["\"1..2/3\""]);
    }

    #[test]
    fn what_is_no_axis_is_refused() {
        for (text, wrong) in [
            ("a", "write KEY=a,b,c"),
            ("=1", "a key is missing"),
            ("seed=1,2", "--seeds"),
            ("a=1..2", "how many values"),
            ("a=1..x/3", "`x` is no number"),
            ("a=1..2/1", "2 to 100000 values"),
            ("a=1,,2", "a value is missing"),
            ("a=1,2,1", "the value 1 is there twice"),
            ("a=3..3/2", "the value 3 is there twice"),
        ] {
            let error = text.parse::<Axis>().unwrap_err();
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }

    #[test]
    fn seeds_have_both_ends() {
        let seeds: Seeds = "7,1..3".parse().unwrap();
        assert_eq!(
            (0..5).map(|index| seeds.get(index)).collect::<Vec<_>>(),
            [Some(7), Some(1), Some(2), Some(3), None]
        );
        assert_eq!((seeds.len(), seeds.to_string()), (4, "7,1..3".to_owned()));
        for (text, wrong) in [
            ("", "are no seeds"),
            ("5..2", "backwards"),
            ("1..3,2", "overlap"),
            ("1..99999999", "too many"),
            ("18446744073709551615", "out of range"),
        ] {
            let error = text.parse::<Seeds>().unwrap_err();
            assert!(error.contains(wrong), "{text}: {error}");
        }
    }
}
