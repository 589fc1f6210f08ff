// Results without a reload. Every address works without this file too: it fetches, of the same pages, what is below the form.

import { notice } from "./notice.js";
import { brush } from "./timeline.js";

const SLOW = 150; // milliseconds from a key to its results, beyond which a search waits for a pause
const SLOWEST = 1000; // and beyond which it waits for Enter
const PAUSE = 400; // milliseconds
const LEAST = 3; // characters of a question that is searched while it is typed
const KEPT = 20; // answers that the back button shows at once

const form = document.getElementById("ask");
const results = document.getElementById("results");
const status = document.getElementById("status");
const words = document.getElementById("words")?.dataset;

const kept = new Map(); // address -> what it showed
let turn = 0; // the newest request; what comes of an older one is dropped
let pace = 0; // milliseconds that the last one took to its paint
let typed = false; // whether the address was last set by typing
let shown = ""; // the address of what is below the form

function address(search) {
  return `/${search}`;
}

/** The address that the form asks for; blank fields are left out. */
function written() {
  const asked = new URLSearchParams([...new FormData(form)].filter(([, value]) => value.trim()));
  const now = new URLSearchParams(location.search);
  // The form has no field for it, and a filter that changes must not bring a removed window back.
  if (now.get("times") && now.get("q") === asked.get("q")) asked.set("times", now.get("times"));
  return address(`?${asked}`);
}

/** Fill the form from an address, but for what is being typed. */
function fill(search) {
  const asked = new URLSearchParams(search);
  for (const name of ["q", "lang", "source", "since", "until"]) {
    const field = form.elements[name];
    const value = asked.get(name) ?? "";
    if (name === "since" || name === "until") field.type = value.includes("T") ? "datetime-local" : "date";
    if (name === "source" && value && ![...field.options].some((one) => one.value === value)) field.add(new Option(value));
    if (field.value !== value && !(name === "q" && typed)) field.value = value;
  }
  for (const name of ["ui", "now", "as_of"]) {
    form.querySelector(`input[type=hidden][name=${name}]`)?.remove();
    if (!asked.get(name)) continue;
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value: asked.get(name) });
    form.prepend(field);
  }
  const other = document.getElementById("other");
  asked.set("ui", other.hreflang);
  other.search = asked;
  document.title = asked.get("q") ? `${asked.get("q").slice(0, 80)} — filrouge` : "filrouge";
}

/** Show what is below the form; scripts in it would not run, and there are none. */
function place(html) {
  results.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  ready();
}

/** What the page does with what has just been placed. */
function ready() {
  for (const button of document.querySelectorAll(".copy")) button.hidden = false;
  for (const one of document.querySelectorAll(".timeline")) brush(one, choose);
}

function choose(since, until) {
  const asked = new URLSearchParams(location.search);
  asked.set("since", since);
  asked.set("until", until);
  go(address(`?${asked}`));
}

function working(on) {
  results.setAttribute("aria-busy", on);
  document.documentElement.classList.toggle("working", on);
  if (on) status.textContent = words.working;
  else if (status.textContent === words.working) status.textContent = "";
}

/** Have the outcome read aloud; not at each key, which would never end. */
function say() {
  if (!typed) status.textContent = results.querySelector("[data-status]")?.dataset.status ?? "";
}

function afterPaint(work) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = work;
    channel.port2.postMessage(null);
  });
}

/** Fetch and show an address; false where the server could not be asked. */
async function show(where) {
  const mine = ++turn;
  const began = performance.now();
  const slow = setTimeout(() => working(true), SLOW);
  let html = null;
  try {
    const response = await fetch(`/page/results${new URL(where, location).search}`);
    // A failure that is told as a page can be shown; others come from in front of it.
    if (response.headers.get("content-type")?.startsWith("text/html")) html = await response.text();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  } finally {
    clearTimeout(slow);
  }
  if (mine !== turn) return true;
  working(false);
  if (html === null) {
    if (!typed) unreachable(where);
    return false;
  }
  place(html);
  shown = where;
  kept.delete(where);
  kept.set(where, html);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  fill(new URL(where, location).search);
  say();
  afterPaint(() => {
    pace = performance.now() - began;
    performance.measure("filrouge", { start: began, detail: where });
  });
  return true;
}

function unreachable(where) {
  const told = document.getElementById("unreachable").content.cloneNode(true);
  told.querySelector(".retry").addEventListener("click", () => show(where));
  results.querySelector(":scope > .failure")?.remove();
  results.prepend(told);
  status.textContent = "";
  results.scrollIntoView({ block: "nearest" });
}

function keepPlace() {
  history.replaceState({ ...history.state, top: scrollY }, "");
}

/** Open an address as a new page of the history. */
function go(where) {
  typed = false;
  keepPlace();
  history.pushState({ top: scrollY }, "", where);
  fill(new URL(where, location).search);
  return show(where);
}

function plain(event) {
  return event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
}

/** Search while a question is typed: one request at a time, the next with what has been typed meanwhile. */
let busy = false;
let again = false;
let pause = 0;
function typing() {
  clearTimeout(pause);
  if (busy) again = true;
  else if (pace <= SLOW) searchTyped();
  else if (pace <= SLOWEST) pause = setTimeout(searchTyped, PAUSE);
}

async function searchTyped() {
  const where = written();
  if (form.elements.q.value.trim().length < LEAST || where === address(location.search)) return;
  busy = true;
  if (typed) history.replaceState({ top: 0 }, "", where);
  else {
    keepPlace();
    history.pushState({ top: 0 }, "", where);
  }
  typed = true;
  await show(where);
  busy = false;
  if (again) {
    again = false;
    typing();
  }
}

async function copy(button) {
  const quoted = button.parentElement.querySelector(".quoted");
  let done = false;
  try {
    await navigator.clipboard.writeText(quoted.textContent);
    done = true;
  } catch {
    // Not a safe context, or not allowed: the older way asks for no permission.
    getSelection().selectAllChildren(quoted);
    done = document.execCommand("copy");
  }
  button.nextElementSibling.textContent = done ? button.dataset.done : button.dataset.refused;
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-ask]");
  if (form && link && plain(event) && !event.defaultPrevented) {
    event.preventDefault();
    // SVG has links of its own kind.
    go(link.getAttribute("href"));
  }
  const button = event.target.closest("button.copy");
  if (button) copy(button);
});

if (form) {
  history.scrollRestoration = "manual";
  if (history.state?.top) scrollTo(0, history.state.top);
  shown = address(location.search);
  kept.set(shown, results.innerHTML);

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(pause);
    const where = written();
    if (!typed || where !== address(location.search)) go(where);
    else {
      // It is asked for already: from now on it is a page of the history.
      typed = false;
      if (shown === where) say();
      else if (!busy) show(where);
    }
  });
  form.elements.q.addEventListener("input", (event) => {
    if (!event.isComposing) typing();
  });
  form.addEventListener("change", ({ target }) => {
    if (target.name === "q" || !form.elements.q.value.trim()) return;
    // While a year is typed, it passes through the first centuries.
    if (target.value && ["since", "until"].includes(target.name) && target.value < "1000") return;
    if (target.checkValidity()) go(written());
  });
  addEventListener("popstate", async ({ state }) => {
    const where = address(location.search);
    // A place on the page, such as the content: it is shown already, and the browser goes there.
    if (where === shown && !state) return;
    typed = false;
    fill(location.search);
    if (kept.has(where)) {
      ++turn;
      working(false);
      place(kept.get(where));
      shown = where;
    } else await show(where);
    scrollTo(0, state?.top ?? 0);
  });
  addEventListener("pagehide", keepPlace);
  notice(document.getElementById("notice"), results, words, () => show(address(location.search)));
}
ready();
