// Both sides of a comparison over time, each with its median and its band.
"use strict";
(() => {
  const { plots } = JSON.parse(document.getElementById("data").textContent);
  const place = document.getElementById("plots");
  const style = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const fit = (values, length) => Array.from({ length }, (_, index) => values[index] ?? null);
  let drawn = [];

  function draw() {
    drawn.forEach(plot => plot.destroy());
    place.replaceChildren();
    drawn = plots.map(({ title, x, sides }) => {
      const box = Object.assign(document.createElement("div"), { className: "plot" });
      box.appendChild(Object.assign(document.createElement("h3"), { textContent: title }));
      place.appendChild(box);
      const colors = [style("--r0"), style("--r1")];
      const axis = { stroke: style("--ink-2"), grid: { stroke: style("--grid") }, ticks: { stroke: style("--grid") } };
      const line = (label, stroke, width) => ({ label, stroke, width, points: { show: false } });
      const series = [{ label: "s" }];
      const values = [x];
      const bands = [];
      sides.forEach((side, index) => {
        const name = "AB"[index];
        series.push(line(name, colors[index], 1.5), line(`${name} from`, `${colors[index]}40`, 1), line(`${name} to`, `${colors[index]}40`, 1));
        values.push(...side.map(part => fit(part, x.length)));
        bands.push({ series: [3 * index + 3, 3 * index + 2], fill: `${colors[index]}30` });
      });
      const options = {
        width: Math.max(300, box.clientWidth), height: 240, scales: { x: { time: false } },
        axes: [{ ...axis }, { ...axis, size: 70 }], cursor: { sync: { key: "ab" } }, series, bands,
      };
      return new uPlot(options, values, box);
    });
  }

  draw();
  window.addEventListener("resize", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  window.comparePage = { plots: () => drawn };
})();
