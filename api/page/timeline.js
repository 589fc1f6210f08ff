// A period chosen on the timeline: with the pointer by dragging, with the keyboard by two sliders.

const DRAG = 4; // pixels that tell a drag from a click
const SVG = "http://www.w3.org/2000/svg";

/** Let `choose(since, until)` be called with what is chosen on `root`; once for each. */
export function brush(root, choose) {
  if (root.classList.contains("brushing")) return;
  const bounds = [...root.querySelector("template.bounds").content.children];
  const bars = root.querySelector("svg");
  const last = bounds.length - 1;
  let [from, to] = [0, last];

  root.classList.add("brushing");
  // The sliders reach the same periods with two stops instead of one for each bar.
  for (const link of bars.querySelectorAll("a")) link.setAttribute("tabindex", "-1");
  const selection = document.createElementNS(SVG, "rect");
  selection.setAttribute("class", "selection");
  selection.setAttribute("height", 64);

  const track = document.createElement("div");
  track.className = "sliders";
  const sliders = [root.dataset.since, root.dataset.until].map((name, which) => {
    const label = document.createElement("label");
    const slider = Object.assign(document.createElement("input"), { type: "range", min: 0, max: last, value: which * last });
    slider.setAttribute("aria-label", name);
    label.append(slider);
    track.append(label);
    slider.addEventListener("input", () => {
      if (which) select(Math.min(from, slider.value - 1), +slider.value);
      else select(+slider.value, Math.max(to, +slider.value + 1));
    });
    slider.addEventListener("keydown", (event) => {
      if (event.key === "Enter") apply();
    });
    return slider;
  });
  const chosen = Object.assign(document.createElement("div"), { className: "chosen" });
  const said = document.createElement("span");
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: root.dataset.apply });
  button.addEventListener("click", apply);
  chosen.append(said, button);
  bars.after(track);
  root.append(chosen);
  select(0, last);

  function select(one, other) {
    from = Math.max(0, Math.min(one, last - 1));
    to = Math.min(last, Math.max(other, from + 1));
    const whole = from === 0 && to === last;
    [from, to].forEach((at, which) => {
      sliders[which].value = at;
      sliders[which].setAttribute("aria-valuetext", bounds[at].textContent);
    });
    // Where both are at the far end, the left one must be the one to be had.
    track.firstChild.style.zIndex = from > last / 2 ? 1 : 0;
    said.textContent = whole ? root.dataset.brush : `${bounds[from].textContent} – ${bounds[to].textContent}`;
    button.hidden = whole;
    if (whole) return selection.remove();
    selection.setAttribute("x", `${(from / last) * 100}%`);
    selection.setAttribute("width", `${((to - from) / last) * 100}%`);
    bars.append(selection);
  }

  function apply() {
    if (!button.hidden) choose(bounds[from].value, bounds[to].value);
  }

  /** The place of a pointer, in bars from the left. */
  function place({ clientX }) {
    const { left, width } = bars.getBoundingClientRect();
    return Math.max(0, Math.min(last, ((clientX - left) / width) * last));
  }

  bars.addEventListener("dragstart", (event) => event.preventDefault());
  bars.addEventListener("pointerdown", (down) => {
    if (down.button !== 0) return;
    const started = place(down);
    let dragging = false;
    const move = (event) => {
      if (!dragging && Math.abs(event.clientX - down.clientX) < DRAG) return;
      if (!dragging) bars.setPointerCapture(down.pointerId);
      dragging = true;
      const here = place(event);
      select(Math.floor(Math.min(started, here)), Math.ceil(Math.max(started, here)));
    };
    const end = (event) => {
      bars.removeEventListener("pointermove", move);
      bars.removeEventListener("pointerup", end);
      bars.removeEventListener("pointercancel", end);
      if (!dragging) return;
      // The click that a drag ends with is not one on the bar below it.
      bars.addEventListener("click", (click) => click.preventDefault(), { capture: true, once: true });
      setTimeout(() => bars.isConnected && event.type === "pointerup" && apply());
    };
    bars.addEventListener("pointermove", move);
    bars.addEventListener("pointerup", end);
    bars.addEventListener("pointercancel", end);
  });
}
