// The page: what it knows, how it learns of more, and what is drawn when.

import { drawPulse, forgetPulse, notePulse } from "./chart.js";
import { showControls, startControls } from "./controls.js";
import { count } from "./format.js";
import { find, setText, walkByArrows } from "./dom.js";
import { showPeople, showPerson } from "./people.js";
import { forgetRequests, hasRequests, newestNumber, noteRequests, showDetail, showRequests } from "./requests.js";

const REFRESH = 250; // milliseconds between two looks at people, while they change
const COME_BACK = 1000; // milliseconds until a server that is not there is asked again

const page = {
  counts: { requests: 0, accepted: 0, refused: 0, people: 0, events: 0 },
  controls: { rate_limit: null, period: 60, latency: 0, error_rate: 0, others: [], failing: 0 },
  people: { people: [], total: 0 },
  place: readPlace(),
  pausedAt: null, // number of the newest request that is shown
  older: null, // rows of older requests that are looked at in place of the newest
  returnTo: null, // address of the link that gets the focus when something was closed
  isKeyChecked: false,
};

// Learning of more.

async function get(path) {
  const response = await fetch(`/_sandbox/${path}`);
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}

async function load() {
  const state = await get("state");
  forgetRequests();
  forgetPulse();
  page.older = null;
  noteRequests(state.requests);
  page.isKeyChecked = state.is_key_checked;
  take(state);
  look.soon();
  showPlace();
  return state.cursor;
}

function take(news) {
  page.counts = news.counts;
  page.controls = news.controls;
  notePulse(news);
  draw();
}

async function connect() {
  try {
    listen(await load());
  } catch {
    setLive("waiting");
    setTimeout(connect, COME_BACK);
  }
}

function listen(cursor) {
  const source = new EventSource(`/_sandbox/events?after=${encodeURIComponent(cursor)}`);
  source.addEventListener("open", () => setLive("live"));
  source.addEventListener("error", () => {
    setLive("waiting");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, COME_BACK);
  });
  source.addEventListener("news", (event) => {
    const news = JSON.parse(event.data);
    noteRequests(news.requests);
    take(news);
    if (news.requests.length && page.pausedAt === null) look.soon();
    if (news.requests.some((row) => row.number === page.place.request)) showPlace();
  });
  source.addEventListener("anew", () => {
    source.close(); // what it tells while everything is loaded would be forgotten
    connect();
  });
}

function setLive(state) {
  find("live").dataset.state = state;
  setText(find("live"), state === "live" ? "live" : "waiting for the sandbox");
}

/** Looks at the people, and at the one who is open: at once, and then not more often than every REFRESH. */
const look = {
  isWanted: false,
  isBusy: false,
  soon() {
    look.isWanted = true;
    if (!look.isBusy) look.now();
  },
  async now() {
    look.isBusy = true;
    while (look.isWanted) {
      look.isWanted = false;
      const search = find("search").value.trim();
      try {
        const found = await get(`people?search=${encodeURIComponent(search)}`);
        if (search === find("search").value.trim()) page.people = found;
        if (page.place.person !== null) await showPersonOfPlace();
      } catch {
        // the stream tells that the server is gone, and everything is loaded when it is back
      }
      draw();
      await new Promise((resolve) => setTimeout(resolve, REFRESH));
    }
    look.isBusy = false;
  },
};

// Drawing: at most once per frame, however much arrives.

let isDrawing = false;

function draw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    for (const [name, number] of Object.entries(page.counts)) setText(find(`count-${name}`), count(number));
    find("count-refused").classList.toggle("some", page.counts.refused > 0);
    showControls(page.controls);
    drawPulse(page.controls);
    showRequests(page.place.request, page.pausedAt, page.older);
    showPeople(page.people, page.place.person);
    const isEmpty = !hasRequests();
    find("empty").hidden = !isEmpty;
    find("newest").hidden = page.older === null;
    find("pause").hidden = page.older !== null;
    find("older").hidden = isEmpty || (page.counts.requests <= find("requests").children.length && page.older === null);
    if (isEmpty) setText(find("first-lines"), firstLines());
  });
}

function firstLines() {
  const key = page.isKeyChecked ? "" : '; track.write_key = "any-key"';
  return [
    "import track",
    `track.host = "${location.origin}"${key}`,
    'track.event(user_id="asha", event="Order Placed")',
  ].join("\n");
}

// The place: which person and which request is open, as the address says it.

function readPlace() {
  const parts = new URLSearchParams(location.hash.slice(1));
  const number = (name) => (/^\d{1,15}$/.test(parts.get(name) ?? "") ? Number(parts.get(name)) : null);
  return { person: number("person"), request: number("request"), isPeople: parts.has("people") };
}

function goTo({ person = null, request = null }) {
  const parts = [person !== null && `person=${person}`, request !== null && `request=${request}`].filter(Boolean);
  location.hash = parts.join("&");
}

async function showPlace() {
  const { person, request, isPeople } = page.place;
  const pane = request !== null ? "detail" : person !== null ? "person" : isPeople ? "people" : "requests";
  document.body.dataset.pane = pane;
  find("stream").hidden = person !== null;
  find("person").hidden = person === null;
  setTab("tab-requests", pane === "requests");
  setTab("tab-people", pane === "people" || pane === "person");
  draw();
  await Promise.all([showRequestOfPlace(), person !== null && showPersonOfPlace()]).catch(() => {});
}

function setTab(id, isCurrent) {
  if (isCurrent) find(id).setAttribute("aria-current", "page");
  else find(id).removeAttribute("aria-current");
}

async function showRequestOfPlace() {
  const number = page.place.request;
  const view = number === null ? null : await get(`requests/${number}`);
  if (number !== page.place.request) return;
  showDetail(view, number === null ? "" : "This request is not kept any more.");
}

async function showPersonOfPlace() {
  const { person: number, request } = page.place;
  const view = await get(`people/${number}`);
  if (number !== page.place.person) return;
  if (view !== null && view.number !== number) {
    history.replaceState(null, "", location.hash.replace(`person=${number}`, `person=${view.number}`));
    page.place = readPlace();
  }
  showPerson(view, request, "This person is not known any more.");
}

// Hands on the page.

function close(what) {
  const { person, request } = page.place;
  page.returnTo = what === "person" ? `#person=${person}` : location.hash;
  goTo(what === "request" ? { person } : { request: null });
}

/** Follow the address; the focus goes to what was opened, or back to the link of what was closed. */
async function follow() {
  const before = page.place;
  page.place = readPlace();
  await showPlace();
  const { person, request } = page.place;
  if (page.returnTo !== null) {
    const links = [...document.querySelectorAll(".panes a")];
    const number = before.request ?? before.person;
    const isSame = (link) => link.getAttribute("href") === page.returnTo;
    const isAlike = (link) => before.request !== null && link.getAttribute("href").endsWith(`request=${number}`);
    (links.find(isSame) ?? links.find(isAlike) ?? find("main")).focus();
    page.returnTo = null;
  } else if (request !== null && request !== before.request) {
    show(find("detail"));
  } else if (person !== null && person !== before.person) {
    show(find("main"));
  }
}

/** Give a pane the focus, and show it from its beginning; on a phone it is the window that scrolls. */
function show(pane) {
  pane.focus({ preventScroll: true });
  pane.scrollTop = 0;
  if (find("tabs").offsetParent !== null) find("panes").scrollIntoView();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = document.activeElement;
  const isTyping = ["INPUT", "SELECT", "TEXTAREA"].includes(field?.tagName) && field.type !== "checkbox";
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    if (find("people-pane").offsetParent === null) {
      document.body.dataset.pane = "people"; // at once: what is hidden cannot have the focus
      location.hash = "people";
    }
    find("search").focus();
    find("search").select();
  } else if (event.key === "Escape") {
    if (field === find("search") && field.value) field.value = "";
    else if (isTyping) field.blur();
    else if (page.place.request !== null) close("request");
    else if (page.place.person !== null) close("person");
    if (field === find("search")) look.soon();
  } else if (event.key === "ArrowDown" && field === find("search")) {
    event.preventDefault();
    find("people").querySelector("a")?.focus();
  }
}

function onClick(event) {
  const closing = event.target.closest("[data-close]");
  if (closing) close(closing.dataset.close);
  const pointer = event.target.closest("[data-pointer]")?.dataset.pointer;
  if (pointer !== undefined) {
    const place = [...find("detail").querySelectorAll("[data-place]")].find((one) => one.dataset.place === pointer);
    place?.scrollIntoView({ block: "center" });
  }
}

/** Look at the requests before the oldest one that is shown. */
async function showOlder() {
  const oldest = [...find("requests").children].at(-1)?.dataset.key ?? "";
  const found = await get(`requests?before=${oldest}&failed=${Number(find("only-failed").checked)}`);
  page.older = found.requests;
  draw();
  find("main").scrollTo({ top: 0 });
  requestAnimationFrame(() => find("newest").focus()); // when it has been drawn
}

function showNewest() {
  page.older = null;
  draw();
  find("main").focus();
}

function start() {
  setText(find("host"), location.origin);
  document.body.dataset.pane = "requests";
  startControls(() => goTo({}));
  walkByArrows(find("requests"));
  walkByArrows(find("people"));
  walkByArrows(find("person"));
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  window.addEventListener("hashchange", follow);
  find("skip").addEventListener("click", (event) => {
    event.preventDefault();
    const first = find("requests").querySelector("a");
    (first?.offsetParent ? first : find("main")).focus();
  });
  find("search").addEventListener("input", () => look.soon());
  find("only-failed").addEventListener("change", () => {
    page.older = null;
    draw();
  });
  find("older").addEventListener("click", () => showOlder().catch(() => {}));
  find("newest").addEventListener("click", showNewest);
  find("pause").addEventListener("click", () => {
    page.pausedAt = page.pausedAt === null ? newestNumber() : null;
    find("pause").setAttribute("aria-pressed", String(page.pausedAt !== null));
    look.soon();
    draw();
  });
  find("copy").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(find("first-lines").textContent);
      setText(find("copy"), "Copied");
    } catch {
      getSelection().selectAllChildren(find("first-lines"));
    }
  });
  setInterval(draw, 1000); // the chart moves on, also when nothing arrives
  connect();
}

start();
