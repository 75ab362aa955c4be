"use strict";

/* Numbers in words, as the Python side writes them, and elements whose text is never markup. */

const THIN = "\u202f";
const UNKNOWN = "\u2013";

function count(number) {
  return Math.round(number)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, THIN);
}

function amount(number) {
  if (number === null || !Number.isFinite(number)) return UNKNOWN;
  const size = Math.abs(number);
  if (size >= 1000 || Number.isInteger(number)) return count(number);
  return number.toFixed(size >= 10 ? 1 : 2);
}

function duration(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return UNKNOWN;
  if (seconds < 0) return "-" + duration(-seconds);
  const short = Math.round(seconds * 100) / 100;
  if (short < 60) return `${short} s`;
  const two = (number, per, large, small) => {
    const head = Math.floor(number / per);
    const rest = number % per;
    return `${count(head)} ${large}` + (rest ? ` ${rest} ${small}` : "");
  };
  if (Math.round(seconds) < 3600) return two(Math.round(seconds), 60, "min", "s");
  if (Math.round(seconds / 60) < 1440) return two(Math.round(seconds / 60), 60, "h", "min");
  return two(Math.round(seconds / 3600), 24, "d", "h");
}

/* A moment of the run: whole hours in words, the rest as a clock shows it: 6 d 03:12:45. */
function moment(seconds) {
  const all = Math.round(seconds);
  if (all % 3600 === 0 || all < 60) return duration(all);
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const clock =
    `${two((all % 86400) / 3600)}:${two((all % 3600) / 60)}` + (all % 60 ? `:${two(all % 60)}` : "");
  return all < 86400 ? clock : `${count(Math.floor(all / 86400))} d ${clock}`;
}

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "class") element.className = value;
    else if (name.startsWith("--")) element.style.setProperty(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function runColour(run) {
  return `--run-${run % 8}`;
}

function table(head, rows) {
  const cells = (tag, line) =>
    line.map((text, place) =>
      make(place ? tag : "th", tag === "th" ? { scope: "col" } : place ? {} : { scope: "row" }, String(text)),
    );
  return make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...cells("th", head))),
    make("tbody", {}, ...rows.map((line) => make("tr", {}, ...cells("td", line)))),
  );
}

/* A table behind a plot: made only when somebody opens it. */
function behind(title, build) {
  const place = make("div", { class: "table" });
  const details = make("details", {}, make("summary", {}, title), place);
  details.addEventListener("toggle", () => {
    if (details.open) place.replaceChildren(build());
  });
  return details;
}

/* The box that follows the pointer: lines of [words, value, colour name or nothing]. */
class Tip {
  constructor(host) {
    this.host = host;
    this.box = make("div", { class: "tip" });
    host.append(this.box);
  }

  show(left, top, title, lines) {
    this.box.replaceChildren(
      make("strong", {}, title),
      ...lines.map(([words, value, name]) => {
        const label = make("span", {});
        if (name) label.append(make("span", { class: "swatch", "--swatch": `var(${name})` }));
        label.append(words);
        return make("div", {}, label, make("span", {}, value));
      }),
    );
    this.box.style.display = "block";
    const { offsetWidth: width, offsetHeight: height } = this.box;
    const room = this.host.clientWidth;
    const beside = left + 16 + width > room ? left - 16 - width : left + 16;
    this.box.style.left = `${Math.max(0, Math.min(beside, room - width))}px`;
    this.box.style.top = `${Math.max(0, top - height / 2)}px`;
  }

  hide() {
    this.box.style.display = "none";
  }
}

function captioned(figure, title, words, ...tools) {
  figure.append(
    make("figcaption", {}, make("h3", {}, title), ...tools, ...(words ? [make("p", {}, words)] : [])),
  );
}
