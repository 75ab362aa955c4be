"use strict";

/* How many jobs lie where, of real against predicted run time: cells of a grid, darker for more. */

const RUN_MARKS = [1, 10, 60, 600, 3600, 6 * 3600, 86400, 4 * 86400, 16 * 86400, 64 * 86400, 256 * 86400];

class Density {
  constructor(host, told) {
    this.host = host;
    this.told = told;
    this.source = 0;
    this.canvas = make("canvas", { class: "chart", role: "img" });
    host.append(this.canvas);
    this.tip = new Tip(host);
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.tip.hide());
    new ResizeObserver(() => this.draw()).observe(host);
  }

  draw() {
    const width = this.host.clientWidth;
    if (!width) return;
    const height = Math.min(Math.max(width * 0.75, 260), 560);
    const pen = sized(this.canvas, width, height);
    const side = Math.min(width - 90, height - 50);
    this.box = { left: 74, top: 10, side, bottom: 10 + side };
    const [across, up, counts] = this.told.cells[this.source];
    const most = Math.log1p(counts.reduce((high, value) => Math.max(high, value), 1));
    const cell = side / this.told.bins;
    pen.fillStyle = colour(runColour(this.source));
    counts.forEach((value, place) => {
      pen.globalAlpha = 0.12 + (0.88 * Math.log1p(value)) / most;
      pen.fillRect(
        this.box.left + across[place] * cell,
        this.box.bottom - (up[place] + 1) * cell,
        cell + 0.5,
        cell + 0.5,
      );
    });
    pen.globalAlpha = 1;
    this.axes(pen);
    this.host.dataset.drawn = "1";
  }

  axes(pen) {
    const { left, side, bottom, top } = this.box;
    const far = (seconds) => (side * Math.log10(seconds)) / this.told.top;
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = colour("--soft");
    pen.strokeStyle = colour("--grid");
    pen.lineWidth = 1;
    for (const mark of RUN_MARKS.filter((seconds) => Math.log10(seconds) <= this.told.top)) {
      pen.beginPath();
      pen.moveTo(left + far(mark), top);
      pen.lineTo(left + far(mark), bottom);
      pen.moveTo(left, bottom - far(mark));
      pen.lineTo(left + side, bottom - far(mark));
      pen.stroke();
      pen.textAlign = "center";
      pen.fillText(duration(mark), left + far(mark), bottom + 16);
      pen.textAlign = "right";
      pen.fillText(duration(mark), left - 7, bottom - far(mark) + 4);
    }
    pen.fillText("real run time", left + side, bottom + 33);
    pen.save();
    pen.translate(12, top);
    pen.rotate(-Math.PI / 2);
    pen.fillText("predicted median", 0, 0);
    pen.restore();
    pen.strokeStyle = colour("--soft");
    pen.setLineDash([4, 4]);
    pen.beginPath();
    pen.moveTo(left, bottom);
    pen.lineTo(left + side, top);
    pen.stroke();
    pen.setLineDash([]);
  }

  point(event) {
    const area = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - area.left, event.clientY - area.top];
    const { left, bottom, side } = this.box;
    const { bins, cells, top, jobs } = this.told;
    const column = Math.floor(((x - left) / side) * bins);
    const line = Math.floor(((bottom - y) / side) * bins);
    const [across, up, counts] = cells[this.source];
    const place = across.findIndex((value, index) => value === column && up[index] === line);
    if (place < 0) return this.tip.hide();
    const span = (index) =>
      `${duration(10 ** ((index * top) / bins))} to ${duration(10 ** (((index + 1) * top) / bins))}`;
    return this.tip.show(x, y, `${count(counts[place])} of ${count(jobs)} jobs`, [
      ["real", span(column)],
      ["predicted", span(line)],
    ]);
  }

  words(name) {
    const [across, up, counts] = this.told.cells[this.source];
    const { jobs, top, bins } = this.told;
    const near = counts.reduce(
      (sum, value, place) => sum + (Math.abs(across[place] - up[place]) <= 2 ? value : 0),
      0,
    );
    const factor = 10 ** ((2.5 * top) / bins);
    return (
      `By ${name}, ${((100 * near) / jobs).toFixed(1)} % of ${count(jobs)} jobs have a median within ` +
      `a factor of about ${factor.toFixed(1)} of the run time: they lie along the diagonal.`
    );
  }
}
