"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const css = name => getComputedStyle(root).getPropertyValue(name).trim();
  const colour = receiver => css(receiver == null ? "--ink-2" : `--r${receiver % 6}`);
  const all = [0, data.duration_s];
  const plots = [];
  let range = all.slice();
  let playing = null;

  // Texts.
  const digits = span => (span < 0.05 ? 4 : span < 2 ? 3 : span < 20 ? 2 : span < 200 ? 1 : 0);
  const clock = (s, places = 0) => {
    const sign = s < 0 ? "-" : "";
    const size = Number(Math.abs(s).toFixed(places));
    const minutes = Math.floor(size / 60);
    const hours = Math.floor(minutes / 60);
    const rest = (size - 60 * minutes).toFixed(places).padStart(places ? 3 + places : 2, "0");
    return hours ? `${sign}${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${sign}${minutes}:${rest}`;
  };
  const number = value => {
    if (value == null) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2);
    return String(Number(value.toFixed(size >= 100 ? 1 : size >= 1 ? 3 : 5)));
  };

  // One range of time for all plots.
  const setRange = (from, to) => {
    const span = Math.min(Math.max(to - from, Math.min(0.01, all[1])), all[1]);
    const start = Math.min(Math.max(from, 0), all[1] - span);
    range = [start, start + span];
    for (const plot of plots) plot.setScale("x", { min: range[0], max: range[1] });
    movePlayheads();
  };
  const zoom = (factor, at = (range[0] + range[1]) / 2) =>
    setRange(at - (at - range[0]) * factor, at + (range[1] - at) * factor);
  const pan = share => {
    const span = range[1] - range[0];
    const from = Math.min(Math.max(range[0] + share * span, 0), all[1] - span);
    setRange(from, from + span);
  };

  // Draws inside the plot's area only.
  const clipped = draw => u => {
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    draw(u, ctx, bbox, devicePixelRatio || 1);
    ctx.restore();
  };

  // What happened, drawn behind and over the lines.
  const drawBands = clipped((u, ctx, bbox, ratio) => {
    for (const incident of data.incidents) {
      const name = incident.silences_master ? "--outage" : "--band";
      for (const [from, to] of incident.times) {
        const x = u.valToPos(from, "x", true);
        ctx.strokeStyle = css(`${name}-edge`);
        ctx.lineWidth = ratio;
        if (to != null) {
          const end = u.valToPos(to, "x", true);
          ctx.fillStyle = css(name);
          ctx.fillRect(x, bbox.top, Math.max(end - x, ratio), bbox.height);
          line(ctx, end, bbox.top, bbox.top + bbox.height, [3 * ratio, 3 * ratio]);
        }
        line(ctx, x, bbox.top, bbox.top + bbox.height, []);
      }
    }
  });
  const line = (ctx, x, top, bottom, dash) => {
    ctx.setLineDash(dash);
    ctx.beginPath();
    ctx.moveTo(x, top);
    ctx.lineTo(x, bottom);
    ctx.stroke();
    ctx.setLineDash([]);
  };
  const drawMarks = clipped((u, ctx, bbox, ratio) => {
    for (const glitch of data.glitches) {
      const x = u.valToPos(glitch.from_s, "x", true);
      const end = u.valToPos(glitch.to_s, "x", true);
      ctx.fillStyle = colour(glitch.receiver);
      ctx.fillRect(x, bbox.top, Math.max(end - x, 1.5 * ratio), 7 * ratio);
    }
    for (const event of data.events) {
      const x = u.valToPos(event.time_s, "x", true);
      const bottom = bbox.top + bbox.height;
      ctx.fillStyle = colour(event.receiver);
      ctx.beginPath();
      ctx.moveTo(x, bottom - 7 * ratio);
      ctx.lineTo(x - 4 * ratio, bottom);
      ctx.lineTo(x + 4 * ratio, bottom);
      ctx.fill();
    }
  });
  const drawNames = u => {
    const { ctx, bbox } = u;
    const ratio = devicePixelRatio || 1;
    ctx.save();
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.textBaseline = "bottom";
    let free = [-Infinity, -Infinity];
    for (const incident of data.incidents) {
      const x = Math.max(u.valToPos(incident.times[0][0], "x", true), bbox.left);
      const width = ctx.measureText(incident.text).width;
      const row = free.findIndex(end => x > end + 8 * ratio);
      if (row < 0 || x + width > bbox.left + bbox.width + 40 * ratio || x > bbox.left + bbox.width) continue;
      free[row] = x + width;
      ctx.fillStyle = css(incident.silences_master ? "--outage-edge" : "--ink-2");
      ctx.fillText(incident.text, x, bbox.top - (3 + 13 * row) * ratio);
    }
    ctx.restore();
  };
  const drawStates = plot => u => {
    const { ctx, bbox } = u;
    const rows = plot.series.length;
    const height = bbox.height / rows;
    const x = u.data[0];
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    plot.series.forEach((series, row) => {
      for (let i = 0; i < x.length; i++) {
        const state = series.values[i];
        if (state == null) continue;
        const left = u.valToPos(i ? x[i - 1] : 0, "x", true);
        const right = u.valToPos(x[i], "x", true);
        ctx.fillStyle = css(`--s-${data.states[state]}`);
        ctx.fillRect(left, bbox.top + row * height + 2, right - left + 0.5, height - 4);
      }
    });
    ctx.restore();
  };

  // What is at a time, in words.
  const readout = document.getElementById("readout");
  const tell = at => {
    if (!readout || at == null) return;
    const span = range[1] - range[0];
    const near = s => Math.abs(s - at) < span / 150;
    const words = [];
    for (const { text, times } of data.incidents)
      if (times.some(([from, to]) => near(from) || (to != null && (near(to) || (from <= at && at <= to))))) words.push(text);
    const name = receiver => (receiver == null ? "" : `${data.receivers[receiver]}: `);
    for (const event of data.events) if (near(event.time_s)) words.push(name(event.receiver) + event.text);
    for (const glitch of data.glitches)
      if (near(glitch.from_s) || (glitch.from_s <= at && at <= glitch.to_s)) words.push(`${name(glitch.receiver)}${glitch.kind} heard`);
    readout.replaceChildren();
    const time = document.createElement("b");
    time.textContent = clock(at, digits(span));
    readout.append(time, words.length ? "  " + [...new Set(words)].slice(0, 12).join("; ") : "");
  };

  // Plots.
  const sync = uPlot.sync("time");
  const axis = more => ({
    stroke: () => css("--ink-2"),
    grid: { stroke: () => css("--grid"), width: 1 },
    ticks: { stroke: () => css("--line"), width: 1 },
    font: "11px system-ui, sans-serif",
    ...more,
  });
  const timeSteps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const options = (plot, width, first) => {
    const isStates = plot.kind === "states";
    const series = plot.series.map(one => {
      const base = { label: one.label, stroke: () => colour(one.receiver), width: one.receiver === 0 ? 2 : 1.25, points: { show: false } };
      if (isStates) return { ...base, paths: () => null, value: (_, v) => (v == null ? "–" : data.states[v]) };
      const value = (_, v) => (v == null ? "–" : `${number(v)} ${plot.unit}`);
      if (one.style === "dash") return { ...base, width: 1, dash: [5, 4], value };
      if (one.style === "claim") return { ...base, width: 0.75, dash: [2, 3], value };
      return { ...base, value };
    });
    return {
      width,
      height: isStates ? 26 * plot.series.length + 34 + (first ? 28 : 0) : 172 + (first ? 28 : 0),
      padding: [first ? 32 : 8, 12, 0, 0],
      pxAlign: 0,
      cursor: {
        sync: { key: sync.key, setSeries: false },
        drag: { x: true, y: false, setScale: false },
        points: { size: 6 },
        bind: { dblclick: () => () => (setRange(...all), null) },
      },
      scales: {
        x: { time: false, range: () => range },
        y: isStates ? { range: [0, 1] } : plot.asinh ? { distr: 4, asinh: plot.asinh } : {},
      },
      axes: [
        axis({ values: (_, splits) => splits.map(s => clock(s, range[1] - range[0] < 8 ? digits(range[1] - range[0]) : 0)), incrs: timeSteps, space: 70, size: 30 }),
        isStates
          ? axis({
              size: 58,
              grid: { show: false },
              ticks: { show: false },
              splits: () => plot.series.map((_, row) => 1 - (row + 0.5) / plot.series.length),
              values: () => plot.series.map(one => shortened(one.label)),
            })
          : axis({ size: 58, space: 34, ...(plot.asinh ? { splits: powers(plot.asinh), filter: (_, splits) => splits } : {}), values: (_, splits) => splits.map(v => (v == null ? "" : number(v))) }),
      ],
      series: [{ label: "time", value: (_, s) => (s == null ? "–" : clock(s, digits(range[1] - range[0]) + 1)) }, ...series],
      hooks: {
        drawAxes: [drawBands],
        draw: [...(isStates ? [drawStates(plot)] : []), drawMarks, ...(first ? [drawNames] : [])],
        setCursor: [u => { if (u.cursor.idx != null && u.cursor.left >= 0) tell(u.posToVal(u.cursor.left, "x")); }],
        setSelect: [u => {
          if (u.select.width > 3) setRange(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
          u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        }],
      },
    };
  };
  // Powers of ten, as many as have room.
  const powers = linear => (u, _, min, max) => {
    const place = value => (u.height - 48) * (Math.asinh(value / linear) - Math.asinh(min / linear)) / (Math.asinh(max / linear) - Math.asinh(min / linear));
    const found = min <= 0 && max >= 0 ? [0] : [];
    for (const sign of [1, -1])
      for (let size = linear; size <= Math.max(max, -min); size *= 10) {
        const value = sign * Number(size.toPrecision(3));
        if (value >= min && value <= max && found.every(other => Math.abs(place(other) - place(value)) > 15)) found.push(value);
      }
    return found.sort((a, b) => a - b);
  };
  const shortened = name => (name.length > 9 ? `${name.slice(0, 8)}…` : name);
  const place = document.getElementById("plots");
  const build = () => {
    data.plots.forEach((plot, index) => {
      const box = document.createElement("div");
      box.className = "plot";
      const heading = document.createElement("h3");
      const unit = document.createElement("span");
      unit.textContent = (plot.unit ? ` (${plot.unit})` : "") + (plot.asinh ? ` logarithmic beyond ±${number(plot.asinh)}` : "");
      heading.append(plot.title, unit);
      if (plot.kind === "states") {
        const seen = new Set(plot.series.flatMap(one => one.values));
        data.states.forEach((state, index) => {
          if (!seen.has(index)) return;
          const key = document.createElement("span");
          key.className = "state";
          key.style.setProperty("--state", `var(--s-${state})`);
          key.textContent = state;
          heading.append(key);
        });
      }
      box.append(heading);
      place.append(box);
      const u = new uPlot(options(plot, place.clientWidth, index === 0), [data.x, ...plot.series.map(one => one.values)], box);
      const head = document.createElement("div");
      head.className = "playhead";
      u.over.append(head);
      u.over.addEventListener("wheel", event => {
        if (event.ctrlKey || event.altKey) {
          event.preventDefault();
          zoom(event.deltaY > 0 ? 1.25 : 0.8, u.posToVal(event.offsetX, "x"));
        } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
          event.preventDefault();
          pan((event.deltaX || event.deltaY) / 800);
        }
      }, { passive: false });
      u.over.addEventListener("click", event => seek(u.posToVal(event.offsetX, "x")));
      plots.push(u);
    });
  };
  // Deviations against the interval of observation: logarithmic, and apart from the axis of time.
  const stability = [];
  const stabilityPlace = document.getElementById("stability");
  const decades = values => {
    const known = values.filter(value => value > 0);
    const low = Math.floor(Math.log10(Math.min(...known)));
    const high = Math.max(Math.ceil(Math.log10(Math.max(...known))), low + 2);
    return [10 ** low, 10 ** high];
  };
  const power = v => (v >= 0.001 && v < 1e6 ? number(v) : v.toExponential(0));
  const isPower = v => v > 0 && Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-9;
  const named = (_, splits) => splits.map(v => (v == null || !isPower(v) ? "" : power(v)));
  const stabilityWidth = () => {
    const columns = stabilityPlace.clientWidth < 700 ? 1 : 3;
    return Math.floor((stabilityPlace.clientWidth - 16 * (columns - 1)) / columns);
  };
  const buildStability = () => {
    for (const plot of data.stability) {
      const box = document.createElement("div");
      box.className = "plot";
      const heading = document.createElement("h3");
      heading.textContent = `${plot.title} (${plot.unit})`;
      box.append(heading);
      stabilityPlace.append(box);
      const value = (_, v) => (v == null ? "–" : number(v));
      const series = plot.series.map(one => ({
        label: one.label,
        stroke: () => colour(one.receiver),
        width: one.receiver === 0 ? 2 : 1.25,
        points: { show: one.receiver != null, size: 5 },
        ...(one.receiver == null ? { dash: [5, 4] } : {}),
        value,
      }));
      const range = decades(plot.series.flatMap(one => one.values));
      stability.push(new uPlot({
        width: stabilityWidth(),
        height: 210,
        padding: [8, 26, 0, 0],
        cursor: { drag: { x: false, y: false } },
        scales: { x: { time: false, distr: 3 }, y: { distr: 3, range: () => range } },
        axes: [axis({ values: named, filter: (_, splits) => splits, space: 20, size: 30 }), axis({ size: 58, values: named, filter: (_, splits) => splits, space: 12 })],
        series: [{ label: "tau", value: (_, s) => (s == null ? "–" : `${number(s)} s`) }, ...series],
      }, [plot.tau_s, ...plot.series.map(one => one.values)], box));
    }
  };
  const redraw = () => { for (const plot of [...plots, ...stability]) plot.redraw(false, true); };

  // Sounds: their time is that of the sound card, and runs with it.
  const between = (pairs, value, from, to) => {
    if (!pairs.length) return value;
    let low = 0, high = pairs.length - 1;
    if (high === 0) return pairs[0][to];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (pairs[middle][from] <= value) low = middle; else high = middle;
    }
    const [a, b] = [pairs[low], pairs[high]];
    return b[from] === a[from] ? a[to] : a[to] + ((b[to] - a[to]) * (value - a[from])) / (b[from] - a[from]);
  };
  const trueTime = (sound, file_s) => between(data.sounds[sound].times, file_s, 1, 0);
  const fileTime = (sound, true_s) => Math.max(between(data.sounds[sound].times, true_s, 0, 1), 0);
  const players = [...document.querySelectorAll(".sound")].map((element, sound) => {
    const audio = element.querySelector("audio");
    const strip = element.querySelector(".strip");
    const head = strip.querySelector(".playhead");
    const toShare = true_s => (100 * true_s) / all[1];
    const add = (className, from, to, title) => {
      const mark = document.createElement("div");
      mark.className = className;
      mark.style.left = `${toShare(from)}%`;
      mark.style.width = `${Math.max(toShare(to) - toShare(from), 0)}%`;
      mark.title = title;
      mark.dataset.time = from;
      strip.append(mark);
    };
    for (const { text, times } of data.incidents) for (const [from, to] of times) add("fault", from, to ?? from, text);
    const receiver = data.sounds[sound].receiver;
    for (const glitch of data.glitches)
      if (glitch.receiver === receiver && receiver != null)
        add("mark", glitch.from_s, glitch.to_s, `${glitch.kind} at ${clock(glitch.from_s, 2)}`);
    strip.addEventListener("click", event => {
      const true_s = (all[1] * (event.clientX - strip.getBoundingClientRect().left)) / strip.clientWidth;
      playing = sound;
      seek(true_s);
    });
    audio.addEventListener("play", () => {
      if (playing != null && playing !== sound) {
        // The same moment of another recording.
        const at = trueTime(playing, players[playing].audio.currentTime);
        players[playing].audio.pause();
        audio.currentTime = fileTime(sound, at);
      }
      playing = sound;
      requestAnimationFrame(follow);
    });
    audio.addEventListener("seeked", () => { playing ??= sound; movePlayheads(); });
    return { audio, head };
  });
  const seek = true_s => {
    const sound = playing ?? (players.length > 1 ? 1 : players.length ? 0 : null);
    if (sound == null) return;
    playing = sound;
    players[sound].audio.currentTime = fileTime(sound, true_s);
    movePlayheads();
  };
  const movePlayheads = () => {
    const at = playing == null ? null : trueTime(playing, players[playing].audio.currentTime);
    for (const plot of plots) {
      const head = plot.over.querySelector(".playhead");
      if (!head) continue;
      const isSeen = at != null && at >= range[0] && at <= range[1];
      head.style.display = isSeen ? "block" : "none";
      if (isSeen) head.style.left = `${plot.valToPos(at, "x")}px`;
    }
    players.forEach(({ head }, sound) => {
      head.style.display = sound === playing ? "block" : "none";
      if (sound === playing) head.style.left = `${(100 * at) / all[1]}%`;
    });
  };
  const follow = () => {
    movePlayheads();
    if (playing != null && !players[playing].audio.paused) requestAnimationFrame(follow);
  };

  // Buttons.
  const on = (id, action) => document.getElementById(id)?.addEventListener("click", action);
  on("in", () => zoom(0.5));
  on("out", () => zoom(2));
  on("left", () => pan(-0.5));
  on("right", () => pan(0.5));
  on("all", () => setRange(...all));
  place?.addEventListener("keydown", event => {
    const actions = { "+": () => zoom(0.5), "-": () => zoom(2), ArrowLeft: () => pan(-0.25), ArrowRight: () => pan(0.25), 0: () => setRange(...all) };
    const action = actions[event.key];
    if (action) { event.preventDefault(); action(); }
  });
  document.getElementById("copy")?.addEventListener("click", event => {
    const text = document.getElementById("command").textContent;
    const said = () => { event.target.textContent = "copied"; };
    if (navigator.clipboard) navigator.clipboard.writeText(text).then(said, () => select());
    else select();
    function select() { getSelection().selectAllChildren(document.getElementById("command")); }
  });
  for (const button of document.querySelectorAll("button[data-at]"))
    button.addEventListener("click", () => {
      const at = Number(button.dataset.at);
      const span = Math.min(20, all[1]);
      setRange(at - span / 2, at + span / 2);
      const sound = data.sounds.findIndex(one => one.receiver === Number(button.dataset.receiver) && !one.difference);
      if (sound < 0) return;
      if (playing != null && playing !== sound) players[playing].audio.pause();
      playing = sound;
      seek(Math.max(at - 1, 0));
      players[sound].audio.play();
    });

  if (place && data.plots.length) {
    build();
    let width = place.clientWidth;
    addEventListener("resize", () => {
      if (place.clientWidth === width) return;
      width = place.clientWidth;
      plots.forEach(plot => plot.setSize({ width, height: plot.height }));
      movePlayheads();
    });
    if (stabilityPlace) {
      buildStability();
      addEventListener("resize", () => stability.forEach(plot => plot.setSize({ width: stabilityWidth(), height: plot.height })));
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    addEventListener("beforeprint", () => { root.dataset.print = ""; redraw(); });
    addEventListener("afterprint", () => { delete root.dataset.print; redraw(); });
  }
  // For tests and for whoever is curious.
  window.simPage = { data, plots, stability, players, setRange, range: () => range.slice(), trueTime };
})();
