// Elements made of text: whatever arrives goes in by textContent, so no markup of it is ever read.

/**
 * Make an element.
 * @param {string} tag
 * @param {Object} properties Attributes; `text` is its text. null, undefined and false are left out.
 * @param {...(Node|string|null|false)} children
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...present(children));
  return element;
}

/** Replace what is in an element; as in `make`, null, undefined and false are left out. */
export function fill(element, ...children) {
  element.replaceChildren(...present(children));
}

const present = (children) => children.filter((child) => child instanceof Node || (child && typeof child === "string"));

export const find = (id) => document.getElementById(id);

/** Set an element's text, if it is another one. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Make the children of a list those of these items, in their order, with as little change as possible. The child that
 * holds the focus is never moved: moving it would lose the focus.
 * @param {Element} list Its children carry their item's key in `dataset.key`.
 * @param {Array} items
 * @param {function(*): string} keyOf
 * @param {function(*): Element} makeRow
 * @param {function(Element, *): void} updateRow
 */
export function reconcile(list, items, keyOf, makeRow, updateRow) {
  const before = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const rows = items.map((item) => {
    const key = keyOf(item);
    let row = before.get(key);
    if (!row) {
      row = makeRow(item);
      row.dataset.key = key;
    }
    before.delete(key);
    updateRow(row, item);
    return row;
  });
  for (const row of before.values()) row.remove();
  const held = rows.findIndex((row) => row.contains(document.activeElement));
  const place = (row, next) => {
    if (row.parentNode !== list || row.nextElementSibling !== next) list.insertBefore(row, next);
  };
  for (let index = rows.length - 1; index > held; index--) place(rows[index], rows[index + 1] ?? null);
  for (let index = held - 1; index >= 0; index--) place(rows[index], rows[index + 1]);
}

/** Let the arrow keys, Home and End move the focus among the links of a list. */
export function walkByArrows(list) {
  list.addEventListener("keydown", (event) => {
    const links = [...list.querySelectorAll("a")];
    const here = links.indexOf(document.activeElement);
    const there = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: links.length - 1 }[event.key];
    if (here < 0 || there === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    links[Math.max(0, Math.min(links.length - 1, there))].focus();
  });
}
