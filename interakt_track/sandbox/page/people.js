// People: the list of them, and everything of one.

import { clock, moment, plural } from "./format.js";
import { fill, find, make, reconcile, setText } from "./dom.js";
import { closer, setCurrent } from "./requests.js";

let shown = null; // what the pane was made of

/**
 * @param {{people: Array, total: number}} found
 * @param {number|null} chosen The number of the person who is looked at.
 */
export function showPeople(found, chosen) {
  reconcile(find("people"), found.people, (person) => String(person.number), makeRow,
    (item, person) => updateRow(item, person, chosen));
  const search = find("search").value.trim();
  const left = found.total - found.people.length;
  setText(find("people-total"), left > 0 ? `${found.people.length} of ${found.total}` : String(found.total));
  find("nobody").hidden = found.total > 0;
  setText(find("nobody"), search ? `Nobody has “${search}”.` : "Nobody yet.");
}

function makeRow(person) {
  return make("li", {}, make("a", { href: `#person=${person.number}` },
    make("span", { class: "name" }),
    make("time", {}),
    make("span", { class: "ids" }),
    make("span", { class: "last" })));
}

function updateRow(item, person, chosen) {
  const link = item.firstElementChild;
  const [name, time, ids, last] = link.children;
  setText(name, person.name);
  setText(time, clock(person.last_seen));
  setText(ids, [person.user_id, person.phone].filter((id) => id && id !== person.name).join(" · "));
  setText(last, person.last);
  setCurrent(link, person.number === chosen);
}

/** Fill the pane with everything of one person; where that is null, say why. */
export function showPerson(view, chosenRequest, absence) {
  const pane = find("person");
  if (view === null) {
    shown = null;
    fill(pane, make("header", {}, make("h2", { id: "person-name", text: absence }), closer("person")));
    return;
  }
  const key = JSON.stringify([view, chosenRequest]);
  if (shown === key) return; // what somebody has marked in it stays marked
  shown = key;
  const focus = keepFocus(pane);
  fill(pane,
    make("header", {}, make("h2", { id: "person-name", text: view.name }), closer("person")),
    make("div", { class: "profile" },
      identity(view),
      view.user_ids.length > 1 && make("p", { class: "note",
        text: `${plural(view.user_ids.length, "id")} share a phone number, so they are shown as one person.` }),
      traits(view), tags(view)),
    timeline(view, chosenRequest));
  focus();
}

/** Remember which link has the focus, to give it to its successor: the pane is made anew with each message. */
function keepFocus(pane) {
  const active = document.activeElement;
  if (!pane.contains(active)) return () => {};
  const [close, href] = [active.dataset.close, active.getAttribute("href")];
  return () => {
    const same = [...pane.querySelectorAll("a, button")].find((element) =>
      (close ? element.dataset.close === close : element.getAttribute("href") === href));
    same?.focus({ preventScroll: true });
  };
}

function identity(view) {
  const fact = (name, values) => values.length > 0 && make("div", {}, make("dt", { text: name }),
    make("dd", {}, ...values.map((value) => make("code", { text: value }))));
  return make("dl", { class: "identity" },
    fact(view.user_ids.length > 1 ? "User ids" : "User id", view.user_ids),
    fact(view.phones.length > 1 ? "Phones" : "Phone", view.phones),
    fact("Created", view.created_at ? [view.created_at] : []),
    fact("Sales cycle", view.in_sales_cycle === null ? [] : [view.in_sales_cycle ? "yes" : "no"]),
    make("div", {}, make("dt", { text: "Last seen" }), make("dd", { text: moment(view.last_seen) })),
    make("div", {}, make("dt", { text: "Received" }),
      make("dd", { text: `${plural(view.identifies, "identify", "identifies")}, ${plural(view.events, "event")}` })));
}

function traits(view) {
  const rows = view.traits.map(([name, value, kind]) => make("div", {},
    make("dt", { text: name }), make("dd", { class: kind, text: value === "" ? "(empty)" : value })));
  return make("section", { "aria-label": "Traits" }, make("h3", { text: "Traits" }),
    rows.length ? make("dl", { class: "traits" }, ...rows) : make("p", { class: "nothing", text: "None yet." }),
    view.left_out > 0 && make("p", { class: "hint", text: `and ${plural(view.left_out, "older one")}` }));
}

function tags(view) {
  if (view.tags.length === 0) return null;
  return make("section", { "aria-label": "Tags" }, make("h3", { text: "Tags" }),
    make("ul", { class: "tags" }, ...view.tags.map((tag) => make("li", { text: tag }))));
}

function timeline(view, chosenRequest) {
  const left = view.messages - view.timeline.length;
  return make("section", { class: "timeline", "aria-label": "Timeline" },
    make("h3", { text: "Timeline" }),
    make("ol", {}, ...view.timeline.map((entry) => message(entry, view.number, chosenRequest))),
    left > 0 && make("p", { class: "hint", text: `and ${plural(left, "earlier message")}` }));
}

function message(entry, person, chosenRequest) {
  const title = entry.kind === "event" ? entry.name : "identify";
  const link = entry.is_kept ? make("a", { href: `#person=${person}&request=${entry.number}`, text: title }) : title;
  if (entry.is_kept) setCurrent(link, entry.number === chosenRequest);
  const details = [
    ...entry.traits.map(([name, value, kind]) => make("div", {},
      make("dt", { text: name }), make("dd", { class: kind, text: value === "" ? "(empty)" : value }))),
    entry.tags.length > 0 && make("div", {}, make("dt", { text: "tags" }), make("dd", { text: entry.tags.join(", ") })),
    entry.left_out > 0 && make("div", {}, make("dt", { text: `and ${entry.left_out} more` }), make("dd")),
  ];
  return make("li", { class: entry.kind },
    make("time", { text: clock(entry.arrived) }),
    make("div", {}, make("h4", {}, link, !entry.is_kept && make("span", { class: "hint", text: " (its request has left)" }),
      entry.created_at && make("span", { class: "created", text: `created ${entry.created_at}` })),
      make("dl", { class: "inline" }, ...details)));
}
