// Heat map, trend and distribution of one metric of a sweep.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { axes, points, metrics } = data;
  const at = id => document.getElementById(id);
  const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const options = (id, names, chosen) => {
    const select = at(id);
    if (!select) return { value: String(chosen) };
    names.forEach((name, index) => select.add(new Option(name, index, false, index === chosen)));
    select.addEventListener("change", draw);
    return select;
  };
  const SHARE = { name: "failing runs (%)", lower_is_worse: false, distribution: [[], []] };
  SHARE.points = points.map(point => {
    const share = 100 * point.failed / Math.max(point.runs, 1);
    return [share, share, share, point.seed];
  });
  const all = points.length > 1 ? [SHARE, ...metrics] : metrics;
  const metric = options("metric", all.map(metric => metric.name), 0);
  const statistic = options("statistic", ["p50", "p95", "worst"], 2);
  const down = options("down", axes.map(axis => axis.key), 0);
  const across = options("across", axes.map(axis => axis.key), axes.length > 1 ? 1 : -1);
  const size = value => value === "never" ? Infinity : value;
  const text = value => value === null ? "" : value === "never" || value === Infinity ? "never" : String(Number(value.toPrecision(4)));
  let plots = [];

  // The worst point of a cell: its place, and its value.
  function worst(chosen, row, column) {
    let found = null;
    points.forEach((point, index) => {
      const figures = chosen.points[index];
      if (!figures || point.places[down.value] !== row) return;
      if (Number(across.value) >= 0 && point.places[across.value] !== column) return;
      const value = size(figures[statistic.value]);
      const isWorse = !found || (chosen.lower_is_worse ? value < found.value : value > found.value);
      if (isWorse) found = { index, value, seed: figures[3] };
    });
    return found;
  }

  function map(chosen) {
    const table = at("map");
    if (!table) return;
    table.replaceChildren();
    const columns = Number(across.value) >= 0 ? axes[across.value].values : [""];
    const cells = axes[down.value].values.map((_, row) => columns.map((_, column) => worst(chosen, row, column)));
    const finite = cells.flat().filter(cell => cell && Number.isFinite(cell.value)).map(cell => cell.value);
    const [low, high] = [Math.min(...finite), Math.max(...finite)];
    const badness = value => {
      if (!Number.isFinite(value)) return 1;
      const share = high > low ? (value - low) / (high - low) : 0;
      return chosen.lower_is_worse && high > low ? 1 - share : share;
    };
    const head = table.createTHead().insertRow();
    const corner = Number(across.value) >= 0 ? `${axes[down.value].key} \\ ${axes[across.value].key}` : axes[down.value].key;
    for (const name of [corner, ...columns]) head.appendChild(Object.assign(document.createElement("th"), { textContent: name, className: "n" }));
    const body = table.createTBody();
    cells.forEach((line, row) => {
      const tr = body.insertRow();
      tr.appendChild(Object.assign(document.createElement("th"), { textContent: axes[down.value].values[row], className: "n" }));
      for (const cell of line) {
        const td = tr.insertCell();
        td.className = "n";
        if (!cell) continue;
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: text(cell.value) });
        const command = points[cell.index].command + cell.seed;
        button.title = command;
        td.dataset.badness = badness(cell.value).toFixed(3);
        td.style.background = `color-mix(in srgb, var(--bad) ${Math.round(60 * badness(cell.value))}%, var(--paper))`;
        button.addEventListener("click", () => Object.assign(at("command"), { textContent: command, hidden: false }));
        td.appendChild(button);
      }
    });
  }

  function plot(id, title, x, series) {
    const place = at(id);
    if (!place) return;
    place.replaceChildren(Object.assign(document.createElement("h3"), { textContent: title }));
    if (x.length < 2) return;
    const axis = label => ({ label, stroke: style("--ink-2"), grid: { stroke: style("--grid") }, ticks: { stroke: style("--grid") } });
    const lines = series.map(({ label, color, values }) => ({
      label, stroke: style(color), width: 1.5, points: { show: x.length < 40 }, value: (_, value) => text(value ?? null),
    }));
    const width = Math.max(300, place.clientWidth);
    const shown = { width, height: 260, scales: { x: { time: false } }, axes: [axis(series.x), { ...axis(""), size: 70 }], series: [{ label: series.x }, ...lines] };
    plots.push(new uPlot(shown, [x, ...series.map(one => one.values)], place));
  }

  function trend(chosen) {
    if (!at("trend")) return;
    const key = axes[down.value];
    const x = key.values.map(value => Number(value.replaceAll("_", "")));
    const order = x.map((_, index) => index).sort((a, b) => x[a] - x[b]);
    if (x.some(value => !Number.isFinite(value))) return at("trend").replaceChildren();
    const finite = value => Number.isFinite(value) ? value : null;
    const pick = which => order.map(row => {
      const of = points.map((point, index) => point.places[down.value] === row && chosen.points[index]).filter(Boolean);
      const values = of.map(figures => size(figures[which]));
      return values.length ? finite(chosen.lower_is_worse ? Math.min(...values) : Math.max(...values)) : null;
    });
    const series = chosen === SHARE ? [{ label: "share", color: "--bad", values: pick(0) }] : [
      { label: "p50", color: "--r0", values: pick(0) },
      { label: "p95", color: "--r1", values: pick(1) },
      { label: "worst", color: "--bad", values: pick(2) },
    ];
    series.x = key.key;
    plot("trend", `${chosen.name} over ${key.key}`, order.map(index => x[index]), series);
  }

  function draw() {
    plots.forEach(plot => plot.destroy());
    plots = [];
    const chosen = all[metric.value];
    if (!chosen) return;
    map(chosen);
    trend(chosen);
    const [shares, values] = chosen.distribution;
    const series = [{ label: "value", color: "--r0", values }];
    series.x = "% of the runs, from best to worst";
    if (chosen === SHARE) at("distribution").replaceChildren();
    else plot("distribution", `${chosen.name} in all runs`, shares, series);
  }

  draw();
  window.addEventListener("resize", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  window.sweepPage = { plots: () => plots, all };
})();
