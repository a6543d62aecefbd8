// Requests: the list of all as they arrive, and everything of one.

import { clock, duration, exactClock, moment, size } from "./format.js";
import { fill, find, make, reconcile, setText } from "./dom.js";

const MAX_ROWS = 300; // in the list; the server has the rest

const requests = new Map(); // by number, in no order

export function forgetRequests() {
  requests.clear();
}

/** Take in rows that are new or changed; the oldest leave. */
export function noteRequests(rows) {
  for (const row of rows) requests.set(row.number, row);
  if (requests.size <= 2 * MAX_ROWS) return;
  const oldest = [...requests.keys()].sort((one, other) => one - other).slice(0, requests.size - MAX_ROWS);
  for (const number of oldest) requests.delete(number);
}

export const hasRequests = () => requests.size > 0;

const isFailed = (row) => row.outcome === "refused" || row.outcome === "failed";

export const newestNumber = () => Math.max(0, ...requests.keys());

/**
 * @param {number|null} chosen The number of the request that is looked at.
 * @param {number|null} upTo No newer ones are shown.
 * @param {Array|null} older Rows to be shown in place of the newest.
 */
export function showRequests(chosen, upTo, older) {
  const isFiltered = find("only-failed").checked;
  const newest = () => [...requests.values()]
    .filter((row) => (!isFiltered || isFailed(row)) && (upTo === null || row.number <= upTo))
    .sort((one, other) => other.number - one.number)
    .slice(0, MAX_ROWS);
  const rows = older ?? newest();
  reconcile(find("requests"), rows, (row) => String(row.number), makeRow, (item, row) => updateRow(item, row, chosen));
  const nothing = find("no-requests");
  nothing.hidden = rows.length > 0 || requests.size === 0;
  setText(nothing, older ? "There are no older ones that are kept." : "None of the newest requests failed.");
}

function makeRow(row) {
  return make("li", {}, make("a", { href: `#request=${row.number}` },
    make("time", { text: clock(row.arrived) }),
    make("span", { class: "status" }),
    make("span", { class: "what" }),
    make("span", { class: "who" }),
    make("span", { class: "took" }),
    make("span", { class: "why" })));
}

function updateRow(item, row, chosen) {
  const link = item.firstElementChild;
  const [, status, what, who, took, why] = link.children;
  item.dataset.outcome = row.outcome;
  setText(status, statusOf(row));
  setText(what, titleOf(row));
  what.classList.toggle("plain", !row.event);
  setText(who, row.about);
  setText(took, duration(row.seconds));
  setText(why, row.reason);
  why.hidden = !row.reason;
  setCurrent(link, row.number === chosen);
}

export function setCurrent(link, isCurrent) {
  if (isCurrent) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
}

const statusOf = (row) => (row.outcome === "pending" ? "…" : String(row.status ?? "cut"));

export function titleOf(row) {
  if (row.event) return row.event;
  return row.kind === "user" ? "identify" : `${row.method} ${row.path}`;
}

/** Fill the pane with everything of one request; with null, say what to do. */
export function showDetail(view, message = "") {
  const pane = find("detail");
  if (view === null) {
    const hint = message || "Choose a request to see its headers and its body, and why it was refused.";
    pane.replaceChildren(make("p", { class: "nothing", text: hint }), closer("request"));
    pane.classList.toggle("vacant", !message);
    return;
  }
  pane.classList.remove("vacant");
  const wrong = new Map();
  for (const problem of view.problems) wrong.set(problem.pointer, problem.text);
  fill(pane,
    make("header", {},
      make("h2", {}, make("span", { class: "status", "data-outcome": view.outcome, text: statusOf(view) }), " ",
        titleOf(view)),
      closer("request")),
    facts(view, wrong),
    reasons(view),
    make("h3", { text: "Body" }),
    body(view, wrong),
    make("h3", { text: "Headers" }),
    headers(view, wrong));
}

/** The link that closes what is open; Escape does the same. */
export function closer(what) {
  return make("button", { type: "button", class: "close", "data-close": what, "aria-label": `Close this ${what}` },
    make("span", { "aria-hidden": "true", text: "×" }));
}

function facts(view, wrong) {
  const fact = (name, value, pointer) => make("div", { class: wrong.has(pointer) && "wrong" },
    make("dt", { text: name }), make("dd", {}, value));
  const who = view.person === null ? view.about || "nobody" : make("a", { href: `#person=${view.person}`, text: view.about });
  return make("dl", { class: "facts" },
    fact("Request", make("code", { text: `${view.method} ${view.path}` }), wrong.has("/method") ? "/method" : "/path"),
    fact("About", who),
    fact("Arrived", `${moment(view.arrived)}${exactClock(view.arrived).slice(-4)}, number ${view.number}`),
    fact("Answered", view.seconds === null ? "not yet" : `after ${duration(view.seconds)}, on connection ${view.connection}`),
    view.received && view.outcome === "failed" && fact("Kept", "The API has the message, though the client was not told."),
    view.is_abandoned && fact("Client", "left before its answer was there"));
}

function reasons(view) {
  if (view.problems.length === 0 && !view.reason) return null;
  const items = view.problems.map((problem) => make("li", {},
    make("button", { type: "button", class: "pointer", "data-pointer": problem.pointer, text: problem.field }), " ",
    problem.text));
  if (items.length === 0) items.push(make("li", { text: view.reason }));
  return make("section", { class: "reasons", "aria-label": "Why it failed" },
    make("h3", { text: view.problems.length ? "Refused" : "Failed" }), make("ul", {}, ...items));
}

function body(view, wrong) {
  if (view.lines === null) {
    if (!view.excerpt) return make("p", { class: "nothing", text: view.size ? `${size(view.size)}, not kept` : "Empty" });
    return make("pre", { class: "code wrong", "data-place": "/body", text: view.excerpt });
  }
  return make("ol", { class: "code", "aria-label": `Body, ${size(view.size)}` },
    ...view.lines.map((line, index) => bodyLine(line, view.lines[index + 1], wrong)));
}

function bodyLine([kind, depth, pointer, name, text], next, wrong) {
  const isWrong = wrong.has(pointer) && kind !== "close";
  const needsComma = !["open", "missing"].includes(kind) && next && !["close", "missing", "more"].includes(next[0]);
  const line = make("li", { class: isWrong && "wrong", "data-place": kind === "close" ? null : pointer },
    name && make("span", { class: "json-name", text: name }), name && ": ",
    make("span", { class: `json-${kind}`, text }), needsComma && ",",
    isWrong && make("span", { class: "why", text: wrong.get(pointer) }));
  line.style.setProperty("--depth", Math.min(depth, 12));
  return line;
}

function headers(view, wrong) {
  const rows = view.headers.map(([name, value]) => header(name, value, wrong.get(`/headers/${name}`)));
  for (const pointer of wrong.keys()) {
    const name = pointer.startsWith("/headers/") && pointer.slice("/headers/".length);
    if (name && !view.headers.some(([there]) => there === name)) rows.unshift(header(name, null, wrong.get(pointer)));
  }
  return make("dl", { class: "headers" }, ...rows);
}

function header(name, value, why) {
  return make("div", { class: why && "wrong", "data-place": `/headers/${name}` },
    make("dt", { text: name }),
    make("dd", {}, value === null ? make("span", { class: "json-missing", text: "is not there" }) : value,
      why && make("span", { class: "why", text: why })));
}
