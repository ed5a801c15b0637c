//! Many series of runs in parallel.

use rayon::prelude::*;

/// Runs each series with seeds 1 to `seeds`. The results of each series are returned together, in
/// order, so that they do not depend on the number of threads. `None` if a run was stopped before
/// its end.
pub(super) fn run_seeds<S: Sync, R: Send, E: Send>(
    series: &[S],
    seeds: u64,
    run: impl Fn(&S, u64) -> Result<Option<R>, E> + Sync,
) -> Result<Option<Vec<Vec<R>>>, E> {
    let jobs: Vec<(&S, u64)> = series.iter().flat_map(|series| (1..=seeds).map(move |seed| (series, seed))).collect();
    let runs: Vec<Option<R>> = jobs.par_iter().map(|&(series, seed)| run(series, seed)).collect::<Result<_, E>>()?;
    let mut runs = runs.into_iter();
    Ok(series.iter().map(|_| runs.by_ref().take(seeds as usize).collect()).collect())
}
