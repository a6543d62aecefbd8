// Times and numbers as people read them, in the time zone of the browser.

const pad = (number, length = 2) => String(number).padStart(length, "0");

/** @param {number} seconds Since 1970. */
export function clock(seconds) {
  const time = new Date(seconds * 1000);
  return `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`;
}

/** As `clock`, with milliseconds. */
export function exactClock(seconds) {
  return `${clock(seconds)}.${pad(new Date(seconds * 1000).getMilliseconds(), 3)}`;
}

/** The time, with the date before it if that is another day's. */
export function moment(seconds) {
  const time = new Date(seconds * 1000);
  if (time.toDateString() === new Date().toDateString()) return clock(seconds);
  const date = time.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
  return `${date}, ${clock(seconds)}`;
}

/** @param {number|null} seconds */
export function duration(seconds) {
  if (seconds === null) return "…";
  const milliseconds = seconds * 1000;
  if (milliseconds >= 10_000) return `${(milliseconds / 1000).toFixed(0)} s`;
  if (milliseconds >= 1000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return milliseconds < 1 ? "<1 ms" : `${Math.round(milliseconds)} ms`;
}

export const count = (number) => number.toLocaleString("en-IN");

export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

export function size(bytes) {
  return bytes < 1024 ? plural(bytes, "byte") : `${(bytes / 1024).toFixed(1)} KiB`;
}
