//! Which part of a sweep one machine runs: told on the command line, or by a cluster's scheduler.

use std::fmt;
use std::str::FromStr;

/// Part `index` of `count`, counted from 1: every `count`-th run, so that all parts take about the
/// same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// Which part, from 1.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

impl Shard {
    /// Whether a run belongs to it.
    #[must_use]
    pub fn has(self, run: usize) -> bool {
        run % self.count == self.index - 1
    }

    /// The shard to run: the one on the command line, or the one that the environment tells of.
    /// `count` is for schedulers that do not say how many tasks there are. Also a note, if the
    /// command line and the environment differ.
    ///
    /// # Errors
    /// With a sentence, if the environment tells of a shard but not which, or of two.
    pub fn choose(
        given: Option<Self>,
        count: Option<usize>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<(Option<Self>, Option<String>), String> {
        if let Some(given) = given {
            let told = from_environment(Some(given.count), &environment).ok().flatten();
            let differs = told.filter(|(_, shard)| *shard != given);
            let note = differs.map(|(by, shard)| format!("{by} says shard {shard}; --shard {given} is run"));
            return Ok((Some(given), note));
        }
        match (from_environment(count, &environment)?, count) {
            (Some((_, shard)), _) => Ok((Some(shard), None)),
            (None, Some(count)) => Err(format!(
                "--shards {count} does not say which shard this is, and no scheduler does: give --shard K/{count}"
            )),
            (None, None) => Ok((None, None)),
        }
    }
}

type Told = Option<(&'static str, Shard)>;

fn from_environment(count: Option<usize>, environment: &impl Fn(&str) -> Option<String>) -> Result<Told, String> {
    let all = [slurm(count, environment)?, hyper_queue(count, environment)?, kubernetes(count, environment)?];
    let told: Vec<(&str, Shard)> = all.into_iter().flatten().collect();
    match told[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        [(by, shard), (other_by, other), ..] if shard != other => {
            Err(format!("{by} says shard {shard}, and {other_by} says {other}: give --shard K/N"))
        }
        [one, ..] => Ok(Some(one)),
    }
}

/// Task arrays of Slurm (sbatch(1), "OUTPUT ENVIRONMENT VARIABLES").
fn slurm(count: Option<usize>, environment: &impl Fn(&str) -> Option<String>) -> Result<Told, String> {
    const ID: &str = "SLURM_ARRAY_TASK_ID";
    let Some(id) = number(ID, environment)? else { return Ok(None) };
    let needed = |name: &str| {
        number(name, environment)?.ok_or_else(|| format!("{ID} is set, but {name} is not: give --shard K/N"))
    };
    let (first, last) = (needed("SLURM_ARRAY_TASK_MIN")?, needed("SLURM_ARRAY_TASK_MAX")?);
    let tasks = needed("SLURM_ARRAY_TASK_COUNT")?;
    // Absent from a list of tasks, and from an array of one in some versions.
    let step = number("SLURM_ARRAY_TASK_STEP", environment)?.unwrap_or(1).max(1);
    let is_regular = (first..=last).contains(&id)
        && (id - first).is_multiple_of(step)
        && (last - first).checked_div(step).map(|steps| steps + 1) == Some(tasks);
    if !is_regular {
        return Err(format!(
            "task {id} of the Slurm array {first} to {last}, which has {tasks} tasks, is not in equal steps: give --shard K/N"
        ));
    }
    if tasks == 1 && id > 1 {
        return Err(format!("task {id} is alone in its Slurm array: to run one shard again, give --shard {id}/N"));
    }
    match count {
        Some(count) if count != tasks => Err(format!(
            "the Slurm array has {tasks} tasks, and --shards says {count}: give --shard K/{count} to run one shard again"
        )),
        _ => Ok(Some(("Slurm", Shard { index: (id - first) / step + 1, count: tasks }))),
    }
}

/// Task arrays of HyperQueue, whose tasks do not know how many they are.
fn hyper_queue(count: Option<usize>, environment: &impl Fn(&str) -> Option<String>) -> Result<Told, String> {
    // A job without an array is task 0.
    let id = number("HQ_TASK_ID", environment)?.filter(|id| *id > 0 || count.is_some());
    let told = |count: usize| format!("submit it with --array 1-{count}");
    of_count("HyperQueue", "HQ_TASK_ID", id, 1, count, told)
}

/// Indexed jobs of Kubernetes, whose indices begin with 0.
fn kubernetes(count: Option<usize>, environment: &impl Fn(&str) -> Option<String>) -> Result<Told, String> {
    let id = number("JOB_COMPLETION_INDEX", environment)?;
    let told = |count: usize| format!("`completions` of the job must be {count}");
    of_count("Kubernetes", "JOB_COMPLETION_INDEX", id, 0, count, told)
}

fn of_count(
    by: &'static str,
    name: &str,
    id: Option<usize>,
    first: usize,
    count: Option<usize>,
    right: impl Fn(usize) -> String,
) -> Result<Told, String> {
    match (id, count) {
        (None, _) => Ok(None),
        (Some(id), None) => Err(format!("{by} says {name}={id}, but not of how many: give --shards N")),
        (Some(id), Some(count)) if id < first || id - first >= count => {
            Err(format!("{by} says {name}={id}, which is none of {count} shards: {}", right(count)))
        }
        (Some(id), Some(count)) => Ok(Some((by, Shard { index: id - first + 1, count }))),
    }
}

fn number(name: &str, environment: &impl Fn(&str) -> Option<String>) -> Result<Option<usize>, String> {
    let Some(text) = environment(name) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| format!("{name}={text} is no number: give --shard K/N"))
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no shard: write K/N, such as 2/4, with K from 1 to N");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
        let (index, count) = (number(index)?, number(count)?);
        if (1..=count).contains(&index) { Ok(Self { index, count }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(given: Option<&str>, count: Option<usize>, set: &[(&str, &str)]) -> Result<String, String> {
        let get = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let (shard, note) = Shard::choose(given.map(|given| given.parse().unwrap()), count, get)?;
        Ok(format!("{}{}", shard.map_or("all".to_owned(), |shard| shard.to_string()), note.unwrap_or_default()))
    }

    fn array<'a>(id: &'a str, min: &'a str, max: &'a str, count: &'a str, step: &'a str) -> [(&'a str, &'a str); 5] {
        [
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_MIN", min),
            ("SLURM_ARRAY_TASK_MAX", max),
            ("SLURM_ARRAY_TASK_COUNT", count),
            ("SLURM_ARRAY_TASK_STEP", step),
        ]
    }

    #[test]
    fn schedulers_say_which_shard_it_is() {
        assert_eq!(choose(None, None, &[]).unwrap(), "all");
        assert_eq!(choose(None, None, &array("3", "1", "4", "4", "1")).unwrap(), "3/4");
        assert_eq!(choose(None, None, &array("6", "0", "9", "4", "3")).unwrap(), "3/4");
        assert_eq!(choose(None, Some(8), &[("HQ_TASK_ID", "8")]).unwrap(), "8/8");
        assert_eq!(choose(None, None, &[("HQ_TASK_ID", "0")]).unwrap(), "all");
        assert_eq!(choose(None, Some(8), &[("JOB_COMPLETION_INDEX", "0")]).unwrap(), "1/8");
    }

    #[test]
    fn the_command_line_wins_and_says_so() {
        assert_eq!(choose(Some("2/4"), None, &array("2", "1", "4", "4", "1")).unwrap(), "2/4");
        let again = choose(Some("2/4"), None, &array("2", "2", "2", "1", "1"));
        assert_eq!(again.unwrap(), "2/4");
        let note = choose(Some("2/4"), None, &array("3", "1", "4", "4", "1")).unwrap();
        assert_eq!(note, "2/4Slurm says shard 3/4; --shard 2/4 is run");
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let mut two = array("3", "1", "4", "4", "1").to_vec();
        two.push(("JOB_COMPLETION_INDEX", "0"));
        for (count, set, wrong) in [
            (Some(4), &[][..], "no scheduler does: give --shard K/4"),
            (None, &[("HQ_TASK_ID", "2")], "not of how many: give --shards N"),
            (None, &[("JOB_COMPLETION_INDEX", "0")], "not of how many: give --shards N"),
            (Some(4), &[("JOB_COMPLETION_INDEX", "4")], "none of 4 shards: `completions`"),
            (Some(4), &[("HQ_TASK_ID", "0")], "--array 1-4"),
            (None, &[("JOB_COMPLETION_INDEX", "x")], "JOB_COMPLETION_INDEX=x is no number"),
            (None, &array("5", "1", "7", "3", "1"), "is not in equal steps"),
            (None, &array("2", "2", "2", "1", "1"), "to run one shard again, give --shard 2/N"),
            (Some(8), &array("2", "1", "4", "4", "1"), "4 tasks, and --shards says 8: give --shard K/8"),
            (Some(4), &two, "Slurm says shard 3/4, and Kubernetes says 1/4"),
        ] {
            let error = choose(None, count, set).unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
        for text in ["0/4", "5/4", "1", "1/0", "a/b"] {
            assert!(text.parse::<Shard>().unwrap_err().contains("is no shard"), "{text}");
        }
    }

    #[test]
    fn every_run_is_in_one_shard() {
        for run in 0..20 {
            assert_eq!((1..=4).filter(|&index| Shard { index, count: 4 }.has(run)).count(), 1);
        }
    }
}
