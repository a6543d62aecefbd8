// The chart: requests of each second of the last minute, against what the plan lets through.

import { count } from "./format.js";
import { find, setText } from "./dom.js";

const SECONDS = 60;
const WIDTH = 300;
const HEIGHT = 40;
const NAMESPACE = "http://www.w3.org/2000/svg";

const seconds = new Map(); // second of the server's clock -> [requests, refused ones, ones over the limit]
let ahead = 0; // of the server's clock before ours, in seconds

export function forgetPulse() {
  seconds.clear();
}

/** @param {{now: number, pulse: Array<[number, number, number, number]>}} news */
export function notePulse(news) {
  ahead = news.now - Date.now() / 1000;
  for (const [second, ...counts] of news.pulse) seconds.set(second, counts);
  for (const second of seconds.keys()) if (second < news.now - 2 * SECONDS) seconds.delete(second);
}

/** @param {{rate_limit: number|null, period: number}} controls */
export function drawPulse(controls) {
  const last = Math.floor(Date.now() / 1000 + ahead);
  const bars = Array.from({ length: SECONDS }, (_, index) => seconds.get(last - SECONDS + 1 + index) ?? [0, 0, 0]);
  const allowed = controls.rate_limit === null ? null : controls.rate_limit / controls.period;
  const top = Math.max(1, 1.25 * (allowed ?? 0), ...bars.map(([requests]) => requests));
  const shapes = [];
  const width = WIDTH / SECONDS;
  bars.forEach(([requests, refused], index) => {
    const draw = (name, from, to) => {
      if (to <= from) return;
      const bar = shape("rect", { class: name, x: index * width, width: width - 1 });
      bar.setAttribute("y", HEIGHT * (1 - to / top));
      bar.setAttribute("height", (HEIGHT * (to - from)) / top);
      shapes.push(bar);
    };
    draw("accepted", 0, requests - refused);
    draw("refused", requests - refused, requests);
  });
  if (allowed !== null) {
    const y = HEIGHT * (1 - allowed / top);
    shapes.push(shape("line", { class: "limit", x1: 0, x2: WIDTH, y1: y, y2: y }));
  }
  find("chart").replaceChildren(...shapes);
  describe(bars, controls);
}

function shape(tag, attributes) {
  const element = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function describe(bars, { rate_limit: limit, period }) {
  const [sum, refused, over] = bars.reduce((sums, bar) => sums.map((total, index) => total + bar[index]), [0, 0, 0]);
  const inMinute = `${count(sum)} in the last minute`;
  const words = limit === null ? inMinute
    : period === SECONDS ? `${count(sum - over)} of ${count(limit)} a minute`
    : `${inMinute}, limit ${count(limit)} in ${period} s`;
  setText(find("pulse-now"), `${count(Math.max(bars[SECONDS - 1][0], bars[SECONDS - 2][0]))} a second`);
  setText(find("pulse-minute"), words);
  const label = `Requests of each second: ${inMinute}, ${count(refused)} not accepted${limit === null ? "" : `; ${words}`}`;
  if (find("chart").getAttribute("aria-label") !== label) find("chart").setAttribute("aria-label", label);
}
