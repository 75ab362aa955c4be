"use strict";

/* Puts the page of forecast quality together. */

const data = JSON.parse(document.getElementById("data").textContent);
const plots = [];
const drawings = [];
const place = (id) => document.getElementById(id);
const percent = (value) => `${Number(value.toFixed(1))} %`;
const quantile = (tau) => `q${Math.round(100 * tau)}`;
const points = (value) => `${value > 0 ? "+" : ""}${Number(value.toFixed(2))}`;

/* A line plot with its own switches: what one plot hides, the others still show. */
function linePlot(id, title, words, alternative, options, rows) {
  const figure = place(id);
  const visible = new Set(options.names.map((_, line) => line));
  const host = make("div", { class: "plot", role: "img", "aria-label": `${title}. ${alternative}` });
  const switches = options.names.map((name, line) => {
    const chip = make(
      "button",
      { type: "button", "aria-pressed": "true", title: "show or hide" },
      make("span", { class: "swatch", "--swatch": `var(${runColour(line)})` }),
      ` ${name}`,
    );
    chip.addEventListener("click", () => {
      if (visible.has(line)) visible.delete(line);
      else visible.add(line);
      chip.setAttribute("aria-pressed", String(visible.has(line)));
      plot.show();
    });
    return chip;
  });
  captioned(figure, title, words, make("div", { class: "tools" }, ...switches));
  figure.append(host, behind("Data as a table", rows));
  const plot = new LinePlot(host, options, visible);
  plots.push(plot);
}

function coverage() {
  const { time, off, jobs } = data.coverage;
  const names = data.taus.map(quantile);
  const worst = off.map((values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
  const reach = Math.max(5, ...worst) * 1.1;
  const every = Math.ceil(time.length / 24);
  linePlot(
    "coverage",
    "Coverage over time",
    `Share of the last ${count(jobs)} jobs that each quantile covers, less what it promises, in points; 0 is right.`,
    names.map((name, line) => `${name}: at most ${points(worst[line])} points off`).join("; "),
    {
      names,
      x: time,
      lines: off.map((values) => ({ values })),
      xSteps: SECOND_STEPS,
      xText: moment,
      yText: points,
      yRange: () => [-reach, reach],
      tipY: (value, line) => `${percent(value + 100 * data.taus[off.indexOf(line.values)])} (${points(value)})`,
    },
    () =>
      table(
        ["Until", ...names],
        time
          .map((at, row) => [moment(at), ...off.map((values) => points(values[row]))])
          .filter((_, row) => row % every === 0),
      ),
  );
}

function reliability() {
  const { levels, curve, quantiles } = data.reliability;
  const names = ["whole distribution", "q50, q80, q95", "as it should be"];
  linePlot(
    "reliability",
    "Reliability",
    "What share of the runs stays below each level of what was predicted.",
    levels.map((level, row) => `${percent(level)}: ${percent(curve[row])}`).join("; "),
    {
      names,
      x: levels,
      lines: [{ values: curve }, { values: quantiles }, { values: levels }],
      spanGaps: true,
      xText: percent,
      yText: percent,
      yRange: () => [0, 102],
      tipX: (value) => `level ${percent(value)}`,
      tipY: percent,
    },
    () =>
      table(
        ["Level", ...names.slice(0, 2)],
        levels.map((level, row) => [
          percent(level),
          percent(curve[row]),
          quantiles[row] === null ? "" : percent(quantiles[row]),
        ]),
      ),
  );
}

function loss() {
  const { levels, mean } = data.loss;
  const across = levels.map((level) => 100 * level);
  linePlot(
    "loss",
    "Pinball loss by level",
    "Mean in seconds: what a too long and a too short prediction cost, weighed by the level. Less is better.",
    data.sources.map((name, line) => `${name}: ${amount(mean[line][8])} s at 80 %`).join("; "),
    {
      names: data.sources,
      x: across,
      lines: mean.map((values) => ({ values })),
      xText: percent,
      yText: amount,
      tipX: (value) => `level ${percent(value)}`,
      tipY: (value) => `${amount(value)} s`,
    },
    () =>
      table(
        ["Level", ...data.sources],
        across.map((level, row) => [percent(level), ...mean.map((values) => amount(values[row]))]),
      ),
  );
}

function density() {
  const words = make("p", { class: "note" });
  const host = make("div", { class: "plot" });
  const drawing = new Density(host, data.density);
  const select = make(
    "select",
    {},
    ...data.sources.map((name, source) => make("option", { value: String(source) }, name)),
  );
  const redraw = () => {
    words.textContent = drawing.words(data.sources[drawing.source]);
    drawing.canvas.setAttribute("aria-label", words.textContent);
    drawing.draw();
  };
  select.addEventListener("change", () => {
    drawing.source = Number(select.value);
    redraw();
  });
  captioned(
    place("density"),
    "The median against what it became",
    "Darker cells hold more jobs; both axes are logarithmic.",
    make("div", { class: "tools" }, make("label", {}, "source ", select)),
  );
  place("density").append(words, host);
  drawings.push({ draw: redraw });
}

function begin() {
  coverage();
  reliability();
  loss();
  density();
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
