"use strict";

/* Puts the page together: reads the data, fills each figure, and redraws when the theme changes. */

const data = JSON.parse(document.getElementById("data").textContent);
const visible = new Set(data.runs.map((_, run) => run));
const plots = [];
const drawings = [];
const place = (id) => document.getElementById(id);
const percent = (value) => `${Number(value.toFixed(1))} %`;

function linePlot(id, title, words, alternative, options, rows) {
  const figure = place(id);
  captioned(figure, title, words);
  const host = make("div", { class: "plot", role: "img", "aria-label": `${title}. ${alternative}` });
  figure.append(host, behind("Data as a table", rows));
  plots.push(new LinePlot(host, { names: data.runs, ...options }, visible));
  return plots[plots.length - 1];
}

function distribution(id, title, words, told, text, ticks) {
  const middle = told.levels.indexOf(0.5);
  const high = told.levels.indexOf(0.95);
  const spoken = data.runs
    .map(
      (name, run) =>
        `${name}: half up to ${text(told.quantiles[run][middle])}, 95 % up to ${text(told.quantiles[run][high])}`,
    )
    .join("; ");
  linePlot(
    id,
    title,
    words,
    spoken,
    {
      x: told.grid,
      lines: told.share.map((values) => ({ values })),
      xLog: true,
      xTicks: ticks,
      xText: text,
      yText: percent,
      yRange: () => [0, 102],
      yTicks: [0, 20, 40, 60, 80, 100],
      tipX: (value) => `up to ${text(value)}`,
      tipY: (value) => percent(value),
    },
    () =>
      table(
        ["Share of jobs", ...data.runs],
        told.levels.map((level, row) => [
          `${count(level * 100)} %`,
          ...data.runs.map((_, run) => text(told.quantiles[run][row])),
        ]),
      ),
  );
}

function overTime(id, title, words, key, text, range, group) {
  const lines = data.curves.map((curves) => ({
    values: curves[key].mean,
    low: curves[key].low,
    high: curves[key].high,
  }));
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
  const spoken = data.runs
    .map(
      (name, run) =>
        `${name}: ${text(mean(lines[run].values))} on average, ${text(Math.max(...lines[run].high))} at most`,
    )
    .join("; ");
  const every = Math.ceil(data.time.length / 24);
  group.push(
    linePlot(
      id,
      title,
      words,
      spoken,
      {
        x: data.time,
        lines,
        width: 1.5,
        xSteps: SECOND_STEPS,
        xText: moment,
        yText: text,
        yRange: range,
        together: group,
        tipX: (value) => `${moment(value)} to ${moment(value + data.slice_s)}`,
        tipY: (value, line, row) => `${text(value)}  (${text(line.low[row])} to ${text(line.high[row])})`,
      },
      () =>
        table(
          ["From", ...data.runs],
          data.time
            .filter((_, row) => row % every === 0)
            .map((time, row) => [
              moment(time),
              ...lines.map(({ values }) => text(mean(values.slice(row * every, (row + 1) * every)))),
            ]),
        ),
    ),
  );
}

function promises() {
  if (!data.promises) return;
  place("promises").hidden = false;
  const { kept, window: size } = data.promises;
  const known = kept.map((values) => values.filter((value) => value !== null));
  const every = Math.ceil(data.time.length / 24);
  const lowest = Math.min(90, ...known.flat());
  linePlot(
    "kept",
    "Promises kept",
    `Share kept of the last ${count(size)} promises that were made; 95 % is meant.`,
    data.runs
      .map((name, run) =>
        known[run].length ? `${name}: at least ${percent(Math.min(...known[run]))}` : `${name}: too few`,
      )
      .join("; "),
    {
      x: data.time,
      lines: kept.map((values) => ({ values })),
      xSteps: SECOND_STEPS,
      xText: moment,
      yText: percent,
      yRange: () => [Math.floor(lowest / 5) * 5, 100.5],
      tipY: percent,
    },
    () =>
      table(
        ["Until", ...data.runs],
        data.time
          .map((at, row) => [
            moment(at),
            ...kept.map((values) => (values[row] === null ? "" : percent(values[row]))),
          ])
          .filter((_, row) => row % every === 0),
      ),
  );
}

function users() {
  if (data.users.count < 2) return place("fairness").remove();
  const { ranked, count: all } = data.users;
  const longest = Math.max(...ranked.map((values) => values.length), 1);
  const one = ranked.length === 1;
  linePlot(
    "ranked",
    `All ${count(all)} users, worst off first`,
    "Mean bounded slowdown of each user's jobs; 1 is no waiting at all.",
    data.runs
      .map(
        (name, run) =>
          `${name}: from ${amount(ranked[run][0] ?? null)} down to ${amount(ranked[run][ranked[run].length - 1] ?? null)}`,
      )
      .join("; "),
    {
      x: Array.from({ length: longest }, (_, rank) => rank + 1),
      height: 470,
      lines: ranked.map((values) => ({
        values: Array.from({ length: longest }, (_, rank) => values[rank] ?? null),
      })),
      filled: one,
      paths: one ? uPlot.paths.bars({ size: [0.8, 60] }) : uPlot.paths.stepped({ align: 1 }),
      xText: (value) => (Number.isInteger(value) ? count(value) : ""),
      yText: amount,
      yLog: true,
      yRange: (_, low, high) => logRange(1, (high || 1) * 1.2),
      yTicks: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000],
      tipX: (value) => `user ${count(value)} of ${count(longest)}`,
      tipY: amount,
    },
    () =>
      table(
        ["Rank", ...data.runs],
        Array.from({ length: Math.min(longest, 100) }, (_, rank) => [
          rank + 1,
          ...ranked.map((values) => amount(values[rank] ?? null)),
        ]),
      ),
  );
  captioned(
    place("named"),
    "Worst off by name",
    "The users with the largest mean bounded slowdown under any policy.",
  );
  place("named").append(make("div", { class: "table" }));
  return drawings.push({ draw: namedUsers });
}

function namedUsers() {
  const { named, slowdown, jobs } = data.users;
  const shown = [...visible];
  const most = Math.max(2, ...shown.flatMap((run) => slowdown[run].map((value) => value ?? 0)));
  const rows = named.map((user, row) =>
    make(
      "tr",
      {},
      make("td", { title: user }, user || "(no name)"),
      make("td", {}, count(jobs[row])),
      make(
        "td",
        { class: "bar" },
        ...shown.map((run) => {
          const value = slowdown[run][row];
          const bar = make("i", { "--swatch": `var(${runColour(run)})` });
          bar.style.width = `${value === null ? 0 : (85 * Math.log(Math.max(value, 1))) / Math.log(most)}%`;
          return make("div", { title: data.runs[run] }, bar, amount(value));
        }),
      ),
    ),
  );
  const head = make(
    "tr",
    {},
    ...["User", "Jobs", "Mean bounded slowdown (logarithmic bars)"].map((words, column) =>
      make("th", { scope: "col", ...(column === 2 ? { style: "text-align:left" } : {}) }, words),
    ),
  );
  place("named")
    .querySelector(".table")
    .replaceChildren(make("table", { class: "bars" }, make("thead", {}, head), make("tbody", {}, ...rows)));
}

function choose(words, chosen, change) {
  if (data.runs.length < 2) return "";
  const select = make(
    "select",
    {},
    ...data.runs.map((name, run) => make("option", { value: String(run) }, name)),
  );
  select.value = String(chosen);
  select.addEventListener("change", () => change(Number(select.value)));
  return make("label", {}, `${words} `, select);
}

function comparison() {
  const { scatter } = data;
  if (!scatter || !scatter.count) return;
  place("comparison").hidden = false;
  const choice = { across: 0, up: data.runs.length - 1 };
  const words = make("p", { class: "note" });
  const host = make("div", { class: "plot" });
  const drawing = new Scatter(host, data, choice);
  const gains = make("div", { class: "table" });
  const redraw = () => {
    words.textContent = drawing.words();
    drawing.canvas.setAttribute("aria-label", drawing.words());
    gains.replaceChildren(gainTable(choice.across));
    drawing.draw();
  };
  captioned(
    place("scatter"),
    "Wait against wait, a dot a job",
    scatter.jobs.length < scatter.count
      ? `${count(scatter.jobs.length)} of ${count(scatter.count)} jobs are drawn, evenly spread over the order of submission; all counts speak of all jobs.`
      : "",
    make(
      "div",
      { class: "tools" },
      choose("across", choice.across, (run) => {
        choice.across = run;
        redraw();
      }),
      choose("up", choice.up, (run) => {
        choice.up = run;
        redraw();
      }),
    ),
  );
  place("scatter").append(words, host);
  captioned(
    place("gains"),
    "Who gains, who loses",
    `The ${count(scatter.count)} jobs that ran to an end under every policy, against the policy chosen across.`,
  );
  place("gains").append(gains);
  drawings.push({ draw: redraw });
}

function gainTable(base) {
  const { scatter } = data;
  const rows = data.runs.map((name, run) => {
    if (run === base) return [name, UNKNOWN, UNKNOWN, duration(scatter.mean[run]), UNKNOWN];
    const most = scatter.longer_most[run][base];
    return [
      name,
      count(scatter.shorter[run][base]),
      count(scatter.shorter[base][run]),
      duration(scatter.mean[run]),
      most > 0 ? duration(most) : "nobody",
    ];
  });
  return table(
    [`Against ${data.runs[base]}`, "Wait less", "Wait longer", "Mean wait", "Longer at most"],
    rows,
  );
}

function windowWords(timeline, run) {
  const told = timeline.runs[run];
  const unplaced = told.unplaced
    ? ` ${count(told.unplaced)} stretches hold no GPU that a lane could show.`
    : "";
  const first = timeline.view[0] > timeline.from || timeline.view[1] < timeline.until;
  const start = first ? " In view at first is the stretch in which most GPUs were waited for." : "";
  if (timeline.whole) return `The whole run is here.${start}${unplaced}`;
  return (
    `Here is the window in which most GPUs were waited for, ${duration(timeline.from)} to ` +
    `${duration(timeline.until)}: the whole run has ${count(told.segments)} stretches of running, ` +
    `and the page holds at most ${count(timeline.limit)} of all policies together.${start}${unplaced}`
  );
}

function gantt() {
  const host = make("div", { class: "plot" });
  const drawing = new Timeline(host, data);
  const words = make("p", { class: "note" });
  const tell = () => {
    words.textContent =
      `${windowWords(data.timeline, drawing.run)} The wheel zooms time, with Shift it zooms lanes; ` +
      "drag to move, double-click to see all; arrow keys, + and - do the same.";
    drawing.canvas.setAttribute(
      "aria-label",
      `Timeline of ${data.runs[drawing.run]}: ` +
        `${count(data.timeline.runs[drawing.run].job.length)} bars on ${count(data.timeline.lanes)} lanes. ${windowWords(data.timeline, drawing.run)}`,
    );
  };
  const key = (name, text, tick) =>
    make(
      "span",
      {},
      make("span", { class: tick ? "swatch tick" : "swatch", "--swatch": `var(${name})` }),
      text,
    );
  captioned(
    place("timeline"),
    "Who holds which GPU",
    "",
    make(
      "div",
      { class: "legend" },
      key("--main-line", "main line"),
      key("--guest", "guest"),
      key("--evicted", "evicted here", true),
      key("--failed", "start failed"),
    ),
  );
  const button = (text, label, act) => {
    const made = make("button", { type: "button", "aria-label": label }, text);
    made.addEventListener("click", act);
    return made;
  };
  place("timeline").append(
    make(
      "div",
      { class: "tools" },
      choose("policy", 0, (run) => {
        drawing.run = run;
        tell();
        drawing.draw();
      }),
      button("+", "zoom in", () => drawing.zoom(0.6)),
      button("−", "zoom out", () => drawing.zoom(1 / 0.6)),
      button("all", "show all", () => drawing.whole()),
    ),
    words,
    host,
    behind("The jobs in view that waited longest, as a table", () =>
      table(
        ["Job", "User", "GPUs", "Submitted", "Run time", "Wait", "Evictions", "Outcome"],
        drawing.longest(50).map((job) => {
          const { users: names, user, gpus, submit, run } = data.jobs;
          const facts = drawing.facts[drawing.run].get(job);
          return [
            jobTitle(data.jobs, job),
            names[user[job]],
            amount(gpus[job]),
            moment(submit[job]),
            duration(run[job]),
            duration(facts.wait),
            count(facts.evictions),
            facts.outcome,
          ];
        }),
      ),
    ),
  );
  tell();
  drawings.push(drawing);
}

function chips() {
  document
    .querySelectorAll(".swatch[data-run]")
    .forEach((swatch) =>
      swatch.style.setProperty("--swatch", `var(${runColour(Number(swatch.dataset.run))})`),
    );
  if (data.runs.length < 2) return place("runs").remove();
  return place("runs").append(
    make("span", { class: "hidden" }, "Show in the plots:"),
    ...data.runs.map((name, run) => {
      const chip = make(
        "button",
        { type: "button", "aria-pressed": "true", title: "show or hide in the plots" },
        make("span", { class: "swatch", "--swatch": `var(${runColour(run)})` }),
        make("span", {}, name),
      );
      chip.addEventListener("click", () => {
        if (visible.has(run)) visible.delete(run);
        else visible.add(run);
        chip.setAttribute("aria-pressed", String(visible.has(run)));
        plots.forEach((plot) => plot.show());
        drawings.forEach((drawing) => drawing.draw());
      });
      return chip;
    }),
  );
}

function begin() {
  chips();
  distribution(
    "wait",
    "Wait",
    "Share of jobs that waited no longer than this.",
    data.wait,
    duration,
    WAIT_TICKS,
  );
  distribution(
    "slowdown",
    "Bounded slowdown",
    "Share of jobs that were slowed down no more than this.",
    data.slowdown,
    amount,
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000],
  );
  place("time-note").textContent =
    `Means over slices of ${duration(data.slice_s)}. ` +
    "With one policy shown, the band spans the lowest and highest level in each slice. Drag to zoom, double-click to see all.";
  const group = [];
  overTime(
    "held",
    "GPUs held",
    "Per cent of the cluster, work that was later lost included.",
    "held",
    percent,
    () => [0, 104],
    group,
  );
  overTime("queued-jobs", "Jobs waiting", "", "jobs", amount, null, group);
  overTime("queued-gpus", "GPUs that waiting jobs ask for", "", "asked", amount, null, group);
  promises();
  users();
  comparison();
  gantt();
  drawings.forEach((drawing) => drawing.draw());
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    plots.forEach((plot) => plot.build());
    drawings.forEach((drawing) => drawing.draw());
  });
  // uPlot draws in a microtask: what is ready is what has been drawn.
  setTimeout(() => {
    document.documentElement.dataset.ready = "1";
  }, 0);
}

begin();
