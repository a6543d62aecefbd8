// The controls: what the sandbox is told to do to the requests, and what it says it does.

import { count, plural } from "./format.js";
import { find, make, setText } from "./dom.js";

/** Send a control its wishes; returns what it answers. Raises an Error with the server's words. */
async function post(name, wishes) {
  const response = await fetch(`/_sandbox/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(wishes),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer;
}

function say(text, isProblem = false) {
  const said = find("said");
  said.classList.toggle("problem", isProblem);
  said.textContent = text;
}

async function ask(name, wishes, words) {
  try {
    showControls(await post(name, wishes));
    say(words);
  } catch (error) {
    say(error instanceof TypeError ? "The sandbox does not answer." : error.message, true);
  }
}

/** Show what the server follows; a field somebody is typing in stays as it is. */
export function showControls(controls) {
  const limit = controls.rate_limit === null ? "" : String(controls.rate_limit);
  const plan = find("plan");
  if (![...plan.options].some((option) => option.value === limit)) {
    plan.append(make("option", { value: limit, text: `${count(controls.rate_limit)} in ${controls.period} s` }));
  }
  setValue(plan, limit);
  setValue(find("latency"), String(round(controls.latency * 1000)));
  setValue(find("error-rate"), String(round(controls.error_rate * 100)));
  setText(find("fail"), controls.failing ? `Fail (${count(controls.failing)} to come)` : "Fail");
  setText(find("others"), controls.others.length ? `Also: ${controls.others.join(", ")}` : "");
}

const round = (number) => Math.round(number * 1e4) / 1e4;

function setValue(field, value) {
  if (field !== document.activeElement && field.value !== value) field.value = value;
}

/** @param {function(): void} onClear Called when everything was cleared. */
export function startControls(onClear) {
  const plan = find("plan");
  plan.addEventListener("change", () => {
    const limit = plan.value === "" ? null : Number(plan.value);
    ask("plan", { rate_limit: limit }, limit === null ? "No limit." : `At most ${count(limit)} a minute.`);
  });
  onNumber("latency", (value) => ask("plan", { latency: value / 1000 }, `Every answer takes ${value} ms.`));
  onNumber("error-rate", (value) => ask("plan", { error_rate: value / 100 }, `${value} % are answered 5xx.`));
  find("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    const [requests, status] = [Number(find("fail-requests").value), Number(find("fail-status").value)];
    ask("failures", { requests, status }, `${plural(requests, "request")} will be answered ${status}.`);
  });
  find("clear").addEventListener("click", async () => {
    await ask("clear", {}, "Cleared.");
    onClear();
  });
}

function onNumber(id, follow) {
  const field = find(id);
  field.addEventListener("change", () => {
    if (field.reportValidity()) follow(field.valueAsNumber);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // Enter would fail the next request
    field.blur();
    field.focus();
  });
}
