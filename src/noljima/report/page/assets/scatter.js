"use strict";

/* The wait of each job under one policy against its wait under another. */

const WAIT_MARKS = [0, 1, 10, 60, 600, 3600, 6 * 3600, 86400, 4 * 86400, 16 * 86400, 64 * 86400];

/* A logarithmic axis that has a place for no wait at all. */
function squeeze(seconds) {
  return Math.log10(1 + Math.max(seconds, 0));
}

class Scatter {
  constructor(host, data, choice) {
    this.host = host;
    this.data = data;
    this.choice = choice;
    this.canvas = make("canvas", { class: "chart", role: "img" });
    host.append(this.canvas);
    this.tip = new Tip(host);
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => this.tip.hide());
    new ResizeObserver(() => this.draw()).observe(host);
  }

  draw() {
    const { wait } = this.data.scatter;
    const [across, up] = [wait[this.choice.across], wait[this.choice.up]];
    const width = this.host.clientWidth;
    if (!width) return;
    const height = Math.min(Math.max(width * 0.75, 260), 520);
    const pen = sized(this.canvas, width, height);
    const top = squeeze(Math.max(10, ...this.largest(across), ...this.largest(up)));
    const box = { left: 74, right: width - 12, top: 10, bottom: height - 40 };
    const x = (seconds) => box.left + ((box.right - box.left) * squeeze(seconds)) / top;
    const y = (seconds) => box.bottom - ((box.bottom - box.top) * squeeze(seconds)) / top;
    this.points = across.map((seconds, place) => [x(seconds), y(up[place])]);
    this.axes(pen, box, x, y, top);
    pen.fillStyle = colour(runColour(this.choice.up));
    pen.globalAlpha = 0.45;
    for (const [left, height_] of this.points) {
      pen.beginPath();
      pen.arc(left, height_, 2.6, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
    this.host.dataset.drawn = "1";
  }

  largest(column) {
    return [column.reduce((most, value) => Math.max(most, value), 0)];
  }

  axes(pen, box, x, y, top) {
    const marks = WAIT_MARKS.filter((mark) => squeeze(mark) <= top);
    pen.font = "12px system-ui, sans-serif";
    pen.fillStyle = colour("--soft");
    pen.strokeStyle = colour("--grid");
    pen.lineWidth = 1;
    for (const mark of marks) {
      pen.beginPath();
      pen.moveTo(x(mark), box.top);
      pen.lineTo(x(mark), box.bottom);
      pen.moveTo(box.left, y(mark));
      pen.lineTo(box.right, y(mark));
      pen.stroke();
      pen.textAlign = "center";
      pen.fillText(duration(mark), x(mark), box.bottom + 16);
      pen.textAlign = "right";
      pen.fillText(duration(mark), box.left - 7, y(mark) + 4);
    }
    pen.textAlign = "right";
    pen.fillText(`wait under ${this.data.runs[this.choice.across]}`, box.right, box.bottom + 33);
    pen.save();
    pen.translate(12, box.top);
    pen.rotate(-Math.PI / 2);
    pen.fillText(`wait under ${this.data.runs[this.choice.up]}`, 0, 0);
    pen.restore();
    pen.strokeStyle = colour("--soft");
    pen.setLineDash([4, 4]);
    pen.beginPath();
    pen.moveTo(box.left, box.bottom);
    pen.lineTo(box.right, box.top);
    pen.stroke();
    pen.setLineDash([]);
  }

  point(event) {
    const area = this.canvas.getBoundingClientRect();
    const [left, top] = [event.clientX - area.left, event.clientY - area.top];
    let nearest = -1;
    let least = 100;
    this.points.forEach(([x, y], place) => {
      const far = (x - left) ** 2 + (y - top) ** 2;
      if (far < least) [nearest, least] = [place, far];
    });
    if (nearest < 0) return this.tip.hide();
    const { scatter, jobs, runs } = this.data;
    const job = scatter.jobs[nearest];
    return this.tip.show(left, top, jobTitle(jobs, job), [
      ...jobLines(jobs, job),
      ...scatter.wait.map((column, run) => [`wait, ${runs[run]}`, duration(column[nearest]), runColour(run)]),
    ]);
  }

  words() {
    const { scatter, runs } = this.data;
    const { across, up } = this.choice;
    const fewer = scatter.shorter[up][across];
    const more = scatter.shorter[across][up];
    const rest = scatter.count - fewer - more;
    return (
      `Of ${count(scatter.count)} jobs, ${count(fewer)} wait less under ${runs[up]} than under ` +
      `${runs[across]} (below the line), ${count(more)} wait longer, ${count(rest)} the same.`
    );
  }
}

function jobTitle(jobs, job) {
  return jobs.name[job] ? `${jobs.id[job]} · ${jobs.name[job]}` : jobs.id[job];
}

function jobLines(jobs, job) {
  const user = jobs.users[jobs.user[job]];
  return [
    ...(user ? [["user", user]] : []),
    ["GPUs", amount(jobs.gpus[job])],
    ["submitted", moment(jobs.submit[job])],
    ["run time", duration(jobs.run[job])],
  ];
}
