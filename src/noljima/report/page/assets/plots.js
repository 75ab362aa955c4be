"use strict";

/* Line plots: one line a policy, drawn by uPlot. */

const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [12, 4], [4, 2], [1, 3], [9, 3, 2, 3, 2, 3]];
const SECOND_STEPS = [
  1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 345600, 604800,
  1209600, 2592000, 5184000, 7776000, 15552000, 31104000, 62208000,
];
const WAIT_TICKS = [1, 10, 60, 600, 3600, 6 * 3600, 86400, 4 * 86400, 16 * 86400, 64 * 86400, 256 * 86400];

class LinePlot {
  /* `lines` holds for each policy {values, low, high}; low and high are drawn as a band when the
     policy is the only one shown. */
  constructor(host, options, visible) {
    this.host = host;
    this.options = options;
    this.visible = visible;
    this.tip = null;
    this.plot = null;
    this.build();
    new ResizeObserver(() => {
      if (this.plot && host.clientWidth && host.clientWidth !== this.plot.width) {
        this.plot.setSize({ width: host.clientWidth, height: this.options.height || 260 });
      }
    }).observe(host);
  }

  build() {
    if (this.plot) this.plot.destroy();
    this.host.replaceChildren();
    this.tip = new Tip(this.host);
    const { x, lines } = this.options;
    const data = [x];
    const series = [{}];
    const bands = [];
    lines.forEach((line, run) => {
      const ink = colour(runColour(run));
      series.push({
        label: this.options.names[run],
        stroke: ink,
        width: this.options.width || 2,
        dash: DASHES[run % 8],
        points: { show: false },
        ...(this.options.paths ? { paths: this.options.paths } : {}),
        ...(this.options.spanGaps ? { spanGaps: true } : {}),
        ...(this.options.filled ? { fill: ink + "99" } : {}),
      });
      data.push(line.values);
      if (line.low) {
        bands.push({ series: [data.length, data.length + 1], fill: ink + "2e", dir: -1 });
        for (const edge of [line.high, line.low]) {
          data.push(edge);
          series.push({ stroke: ink + "55", width: 0.5, points: { show: false } });
        }
      }
    });
    this.perLine = lines.length && lines[0].low ? 3 : 1;
    this.plot = new uPlot(
      {
        width: this.host.clientWidth || 600,
        height: this.options.height || 260,
        series,
        bands,
        axes: this.axes(),
        scales: this.scales(),
        legend: { show: false },
        cursor: { points: { size: 7 }, drag: { x: true, y: false } },
        hooks: { setCursor: [() => this.point()], setScale: [(plot, key) => this.zoomed(plot, key)] },
      },
      data,
      this.host,
    );
    this.plot.over.addEventListener("mouseleave", () => this.tip.hide());
    this.show();
    this.host.dataset.drawn = "1";
  }

  scales() {
    const { xLog, yLog, yRange, x } = this.options;
    const ends = [x[0], x[x.length - 1]];
    return {
      x: {
        time: false,
        distr: xLog ? 3 : 1,
        ...(xLog ? { range: (_, low, high) => [low ?? ends[0], high ?? ends[1]] } : {}),
      },
      y: { distr: yLog ? 3 : 1, range: yRange || ((_, low, high) => [0, high > 0 ? high * 1.06 : 1]) },
    };
  }

  axes() {
    const look = {
      stroke: colour("--soft"),
      grid: { stroke: colour("--grid"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1, size: 5 },
      font: "12px system-ui, sans-serif",
    };
    const { xText, yText, xTicks, xSteps, yTicks, xLog, yLog } = this.options;
    const words = (text) => (_, splits) => splits.map((value) => (value === null ? "" : text(value)));
    const fixed = (ticks, log, room) => ({
      splits: (plot, axis, low, high) => spaced(ticks, low, high, log, axis ? plot.height : plot.width, room),
      filter: (_, splits) => splits,
    });
    return [
      {
        ...look,
        size: 36,
        space: 80,
        values: words(xText),
        ...(xTicks ? fixed(xTicks, xLog, 56) : {}),
        ...(xSteps ? { incrs: xSteps } : {}),
      },
      { ...look, size: 62, values: words(yText), ...(yTicks ? fixed(yTicks, yLog, 24) : {}) },
    ];
  }

  point() {
    const { left, top, idx } = this.plot.cursor;
    if (idx === null || idx === undefined || left < 0) return this.tip.hide();
    const { lines, names, xText, tipX, tipY } = this.options;
    const told = [];
    lines.forEach((line, run) => {
      const value = line.values[idx];
      if (this.visible.has(run) && value !== null && value !== undefined) {
        told.push([names[run], tipY(value, line, idx), runColour(run)]);
      }
    });
    const box = this.plot.over;
    return this.tip.show(
      left + box.offsetLeft,
      top + box.offsetTop,
      (tipX || xText)(this.options.x[idx]),
      told,
    );
  }

  zoomed(plot, key) {
    if (key === "x" && this.options.together && !this.following) {
      const { min, max } = plot.scales.x;
      this.options.together.forEach((other) => other !== this && other.follow(min, max));
    }
  }

  follow(min, max) {
    if (!this.plot || min === null || (this.plot.scales.x.min === min && this.plot.scales.x.max === max))
      return;
    this.following = true;
    this.plot.batch(() => this.plot.setScale("x", { min, max }));
    this.following = false;
  }

  show() {
    this.plot.batch(() =>
      this.options.lines.forEach((line, run) => {
        const first = 1 + run * this.perLine;
        this.plot.setSeries(first, { show: this.visible.has(run) });
        for (let edge = 1; edge < this.perLine; edge += 1) {
          this.plot.setSeries(first + edge, { show: this.visible.has(run) && this.visible.size === 1 });
        }
      }),
    );
  }
}

/* The ticks in a range that stand far enough apart; round ones are kept before the others. */
function spaced(ticks, low, high, log, pixels, room) {
  const along = log ? Math.log : Number;
  const place = (tick) => ((along(tick) - along(low)) / (along(high) - along(low) || 1)) * pixels;
  const inside = ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  const round = (tick) => (Number.isInteger(Math.log10(tick)) ? 0 : 1);
  const kept = [];
  for (const tick of [...inside].sort((one, other) => round(one) - round(other) || one - other)) {
    if (kept.every((other) => Math.abs(place(other) - place(tick)) >= room)) kept.push(tick);
  }
  return kept.sort((one, other) => one - other);
}

function logRange(low, high) {
  return [low, Math.max(high, low * 10)];
}
