"use strict";

/* The cluster over time: a lane a GPU, a bar for each stretch in which a job held it. */

const GUEST = 1;
const EVICTED = 1;
const START_FAILED = 2;
const STILL_RUNNING = 3;
const LEFT = 92;
const BOTTOM = 26;

class Timeline {
  constructor(host, data) {
    this.host = host;
    this.data = data;
    this.run = 0;
    this.canvas = make("canvas", { class: "chart", role: "img", tabindex: "0" });
    host.append(this.canvas);
    this.tip = new Tip(host);
    this.facts = data.timeline.runs.map(
      ({ facts }) =>
        new Map(
          facts.job.map((job, row) => [
            job,
            { wait: facts.wait[row], evictions: facts.evictions[row], outcome: facts.outcome[row] },
          ]),
        ),
    );
    this.whole();
    [this.view.from, this.view.until] = data.timeline.view;
    this.keepInside();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(host);
  }

  whole() {
    const { from, until, lanes } = this.data.timeline;
    this.view = { from, until: Math.max(until, from + 1), first: 0, last: Math.max(lanes, 1) };
    this.later();
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        // With Shift, some browsers turn the wheel sideways.
        const turn = event.deltaY || event.deltaX;
        const factor = Math.exp(Math.sign(turn) * Math.min(Math.abs(turn), 120) * 0.0025);
        this.zoom(factor, event.offsetX, event.offsetY, event.shiftKey || event.ctrlKey);
      },
      { passive: false },
    );
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.grip = { x: event.offsetX, y: event.offsetY, view: { ...this.view } };
    });
    canvas.addEventListener("pointerup", () => {
      this.grip = null;
    });
    canvas.addEventListener("pointercancel", () => {
      this.grip = null;
    });
    canvas.addEventListener("pointermove", (event) => (this.grip ? this.drag(event) : this.point(event)));
    canvas.addEventListener("pointerleave", () => this.tip.hide());
    canvas.addEventListener("dblclick", () => this.whole());
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const { from, until } = this.view;
    const step = (until - from) / 8;
    const moves = {
      ArrowLeft: () => this.pan(-step, 0),
      ArrowRight: () => this.pan(step, 0),
      ArrowUp: () => this.pan(0, -this.tall() / 8),
      ArrowDown: () => this.pan(0, this.tall() / 8),
      "+": () => this.zoom(0.7),
      "=": () => this.zoom(0.7),
      "-": () => this.zoom(1 / 0.7),
      0: () => this.whole(),
    };
    if (moves[event.key]) {
      event.preventDefault();
      moves[event.key]();
    }
  }

  tall() {
    return this.view.last - this.view.first;
  }

  area() {
    return { width: this.width - LEFT, height: this.height - BOTTOM };
  }

  zoom(factor, x = LEFT + this.area().width / 2, y = this.area().height / 2, lanes = false) {
    const { width, height } = this.area();
    const along = Math.min(Math.max((x - LEFT) / width, 0), 1);
    const down = Math.min(Math.max(y / height, 0), 1);
    const view = this.view;
    if (lanes) {
      const middle = view.first + down * this.tall();
      const tall = Math.max(this.tall() * factor, 2);
      view.first = middle - down * tall;
      view.last = view.first + tall;
    } else {
      const middle = view.from + along * (view.until - view.from);
      const span = Math.max((view.until - view.from) * factor, 1);
      view.from = middle - along * span;
      view.until = view.from + span;
    }
    this.keepInside();
  }

  pan(seconds, lanes) {
    this.view.from += seconds;
    this.view.until += seconds;
    this.view.first += lanes;
    this.view.last += lanes;
    this.keepInside();
  }

  drag(event) {
    const { width, height } = this.area();
    const { view, x, y } = this.grip;
    this.view = { ...view };
    this.tip.hide();
    this.pan(
      ((x - event.offsetX) / width) * (view.until - view.from),
      ((y - event.offsetY) / height) * (view.last - view.first),
    );
  }

  keepInside() {
    const { from, until, lanes } = this.data.timeline;
    const fit = (low, high, least, most) => {
      const span = Math.min(Math.max(high - low, 1), most - least);
      const start = Math.min(Math.max(low, least), most - span);
      return [start, start + span];
    };
    [this.view.from, this.view.until] = fit(this.view.from, this.view.until, from, Math.max(until, from + 1));
    [this.view.first, this.view.last] = fit(this.view.first, this.view.last, 0, Math.max(lanes, 1));
    this.later();
  }

  later() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.draw();
    });
  }

  draw() {
    this.width = this.host.clientWidth;
    if (!this.width) return;
    const { lanes } = this.data.timeline;
    this.height = Math.round(Math.min(Math.max(lanes * 9, 220), 560)) + BOTTOM;
    const pen = sized(this.canvas, this.width, this.height);
    const { width, height } = this.area();
    const { from, until, first } = this.view;
    this.scale = { x: width / (until - from), y: height / this.tall() };
    pen.fillStyle = colour("--lane");
    pen.fillRect(LEFT, 0, width, height);
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, 0, width, height);
    pen.clip();
    this.grid(pen, width, height);
    this.bars(pen, from, until, first);
    this.borders(pen, width, height);
    pen.restore();
    this.labels(pen, width, height);
    this.host.dataset.drawn = "1";
  }

  bars(pen, from, until, first) {
    const { job, from: begins, until: ends, top, height, kind } = this.data.timeline.runs[this.run];
    const shades = ["--main-line", "--main-line-2", "--main-line-3", "--guest", "--guest-2", "--guest-3"].map(
      colour,
    );
    const failed = colour("--failed");
    const evicted = colour("--evicted");
    const marks = [];
    const named = [];
    for (let row = 0; row < job.length; row += 1) {
      if (ends[row] < from || begins[row] > until) continue;
      const x = LEFT + (begins[row] - from) * this.scale.x;
      const y = (top[row] - first) * this.scale.y;
      const tall = height[row] * this.scale.y;
      if (y > this.height || y + tall < 0) continue;
      const wide = (ends[row] - begins[row]) * this.scale.x;
      const ending = kind[row] >> 1;
      pen.fillStyle = ending === START_FAILED ? failed : shades[(kind[row] & GUEST) * 3 + (job[row] % 3)];
      const gap = tall > 4 ? 1 : 0;
      pen.fillRect(x, y, Math.max(wide - (wide > 3 ? 1 : 0), 0.7), Math.max(tall - gap, 0.7));
      if (ending === EVICTED && wide > 2) marks.push([x + wide - 3, y, tall - gap]);
      if (wide > 46 && tall > 11) named.push([row, x, y, wide, tall]);
    }
    pen.fillStyle = evicted;
    for (const [x, y, tall] of marks) pen.fillRect(x, y, 3, Math.max(tall, 0.7));
    this.names(pen, named, job, kind);
  }

  names(pen, named, job, kind) {
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    const inks = [colour("--on-bar"), colour("--on-guest")];
    for (const [row, x, y, wide, tall] of named.slice(0, 2500)) {
      const left = Math.max(x, LEFT);
      const room = wide - (left - x) - 8;
      if (room < 30) continue;
      pen.fillStyle = inks[kind[row] & GUEST];
      const words = jobTitle(this.data.jobs, job[row]);
      const shown = words.slice(0, Math.floor(room / 6.2));
      pen.fillText(
        shown.length < words.length ? shown.slice(0, -1) + "…" : shown,
        left + 4,
        y + Math.min(tall, 30) / 2,
      );
    }
    pen.textBaseline = "alphabetic";
  }

  ticks() {
    const span = this.view.until - this.view.from;
    const step = SECOND_STEPS.find((size) => span / size <= Math.max(this.area().width / 95, 2)) || span;
    const ticks = [];
    for (let tick = Math.ceil(this.view.from / step) * step; tick <= this.view.until; tick += step)
      ticks.push(tick);
    return ticks;
  }

  grid(pen, width, height) {
    pen.strokeStyle = colour("--line");
    pen.lineWidth = 1;
    pen.beginPath();
    for (const tick of this.ticks()) {
      const x = Math.round(LEFT + (tick - this.view.from) * this.scale.x) + 0.5;
      pen.moveTo(x, 0);
      pen.lineTo(x, height);
    }
    pen.stroke();
  }

  borders(pen, width) {
    pen.fillStyle = colour("--card");
    for (const [, first, gpus] of this.data.timeline.nodes) {
      if (gpus * this.scale.y > 5)
        pen.fillRect(LEFT, (first - this.view.first) * this.scale.y - 1, width, 1.5);
    }
  }

  labels(pen, width, height) {
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = colour("--soft");
    pen.textAlign = "center";
    for (const tick of this.ticks()) {
      const x = LEFT + (tick - this.view.from) * this.scale.x;
      if (x > LEFT + 14 && x < LEFT + width - 18) pen.fillText(moment(tick), x, height + 17);
    }
    pen.textAlign = "right";
    let free = -1;
    for (const [name, first, gpus] of this.lanesToName()) {
      const y = (first + gpus / 2 - this.view.first) * this.scale.y;
      if (y < 6 || y > height - 2 || y < free) continue;
      pen.fillText(name.length > 12 ? "…" + name.slice(-11) : name, LEFT - 8, y + 4);
      free = y + 13;
    }
  }

  lanesToName() {
    const { nodes, lanes } = this.data.timeline;
    if (nodes.length) return nodes;
    const step =
      [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048].find((size) => size * this.scale.y >= 16) || lanes;
    const named = [];
    for (let lane = 0; lane < lanes; lane += step) named.push([`GPU ${count(lane + 1)}`, lane, 1]);
    return named;
  }

  point(event) {
    const { from, first } = this.view;
    const at = from + (event.offsetX - LEFT) / this.scale.x;
    const lane = first + event.offsetY / this.scale.y;
    const { job, from: begins, until: ends, top, height, kind } = this.data.timeline.runs[this.run];
    const slack = 1.5 / this.scale.x;
    let hit = -1;
    for (let row = job.length - 1; row >= 0 && hit < 0; row -= 1) {
      if (
        begins[row] - slack <= at &&
        at <= ends[row] + slack &&
        top[row] <= lane &&
        lane < top[row] + height[row]
      )
        hit = row;
    }
    if (hit < 0 || event.offsetX < LEFT) return this.tip.hide();
    const ending = ["ran to its end", "evicted", "the start failed", "still running"][kind[hit] >> 1];
    return this.tip.show(event.offsetX, event.offsetY, jobTitle(this.data.jobs, job[hit]), [
      ...jobLines(this.data.jobs, job[hit]),
      ["as", kind[hit] & GUEST ? "guest" : "main line", kind[hit] & GUEST ? "--guest" : "--main-line"],
      ["held from", moment(begins[hit])],
      ["until", `${moment(ends[hit])}, ${ending}`],
      ...this.fates(job[hit]),
      ...this.where(lane),
    ]);
  }

  fates(job) {
    const facts = this.facts[this.run].get(job);
    return [
      ["waited in all", duration(facts.wait)],
      ...(facts.evictions ? [["evictions", count(facts.evictions)]] : []),
      ["outcome", facts.outcome],
    ];
  }

  where(lane) {
    const node = this.data.timeline.nodes.find(([, first, gpus]) => first <= lane && lane < first + gpus);
    return node ? [["on", `${node[0]}, GPU ${Math.floor(lane) - node[1]}`]] : [];
  }

  /* The jobs in view that waited longest, for the table behind the drawing. */
  longest(limit) {
    const { job, from: begins, until: ends } = this.data.timeline.runs[this.run];
    const shown = new Set(
      job.filter((_, row) => ends[row] >= this.view.from && begins[row] <= this.view.until),
    );
    const wait = (one) => this.facts[this.run].get(one).wait ?? -1;
    return [...shown].sort((one, other) => wait(other) - wait(one)).slice(0, limit);
  }
}
