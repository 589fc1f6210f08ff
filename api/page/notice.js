// What is new on the server, and whether it answers, said over the page: nothing that is read moves.

const EVERY = 15_000; // milliseconds between two looks

/** Watch the server; `refresh` shows the newest state, on demand. */
export function notice(box, results, words, refresh) {
  const language = document.documentElement.lang;
  let generation = +results.dataset.generation; // the state that the page shows
  let known = +results.dataset.known; // its entries
  let timer = 0;

  function tell(text, button, work) {
    if (box.dataset.told === text) return;
    box.dataset.told = text;
    box.replaceChildren(text);
    if (button) {
      const one = Object.assign(document.createElement("button"), { type: "button", textContent: button });
      one.addEventListener("click", work);
      box.append(one);
    }
    box.hidden = !text;
  }

  function counted(n) {
    const [one, other] = words.news.split("|");
    const form = new Intl.PluralRules(language).select(n) === "one" ? one : other;
    return form.replace("{n}", new Intl.NumberFormat(language).format(n));
  }

  async function look() {
    clearTimeout(timer);
    timer = setTimeout(look, EVERY);
    if (document.hidden) return;
    if (!navigator.onLine) return tell(words.offline);
    let state;
    try {
      const response = await fetch("/ready", { cache: "no-store" });
      if (!response.ok) throw new TypeError(response.statusText);
      state = await response.json();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      return tell(words.unreachable, words.retry, look);
    }
    const shown = +(results.querySelector("[data-generation]")?.dataset.generation ?? generation);
    // The page of a failure shows no state at all.
    if (!generation || shown === state.generation || generation === state.generation) {
      [generation, known] = [state.generation, state.entries];
      return tell("");
    }
    const more = state.entries - known;
    tell(more > 0 ? counted(more) : words.newsChanged, words.newsShow, async () => {
      if (await refresh()) {
        [generation, known] = [state.generation, state.entries];
        tell("");
      }
    });
  }

  document.addEventListener("visibilitychange", () => document.hidden || look());
  addEventListener("offline", () => tell(words.offline));
  addEventListener("online", look);
  timer = setTimeout(look, EVERY);
}
