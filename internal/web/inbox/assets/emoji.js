// The emoji picker: a few for reactions, all of them by group or by name.
import { el } from "../ui/dom.js";
import { t } from "../ui/texts.js";
import { groups } from "./emoji-data.js";

const quick = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

/** @type {HTMLElement|null} */
let open = null;

/** What can be found: the emoji and its names in the page's language. */
const all = () => {
  const spanish = document.documentElement.lang.startsWith("es");
  return groups.flatMap(({ key, emoji }) => emoji.split("\n").filter(Boolean).map((line) => {
    const [char, en, es] = line.split("|");
    return { key, char, name: spanish ? es : en, words: plain(`${en} ${es}`) };
  }));
};

/** @param {string} s */
const plain = (s) => s.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/**
 * Opens the picker beside a button.
 * @param {HTMLElement} button
 * @param {(emoji: string) => void} fn
 * @param {{quick?: boolean}} [options]
 */
export function pickEmoji(button, fn, options = {}) {
  open?.remove();
  const list = all();
  const choose = (/** @type {string} */ emoji) => {
    box.remove();
    button.focus();
    fn(emoji);
  };
  const key = (/** @type {{char: string, name: string}} */ e) =>
    el("button", { type: "button", class: "emoji", title: e.name, "aria-label": e.name, tabindex: -1, onclick: () => choose(e.char) }, e.char);
  const grid = el("div", { class: "emoji-grid" });
  const search = el("input", { type: "search", placeholder: t("inbox.js.emoji_search"), "aria-label": t("inbox.js.emoji_search"), autocomplete: "off" });
  const box = el("div", { class: "emoji-picker", popover: "auto", role: "dialog", "aria-label": t("inbox.js.emoji") });

  const draw = () => {
    const wanted = plain(search.value.trim());
    const nodes = wanted
      ? [el("div", { class: "emoji-row" }, ...list.filter((e) => e.words.includes(wanted)).map(key))]
      : groups.flatMap((g) => [el("h3", { class: "small muted" }, t(`inbox.js.emoji.${g.key}`)), el("div", { class: "emoji-row" }, ...list.filter((e) => e.key === g.key).map(key))]);
    grid.replaceChildren(...(wanted && nodes[0].childElementCount === 0 ? [el("p", { class: "muted small" }, t("inbox.js.emoji_none"))] : nodes));
    const first = grid.querySelector("button");
    if (first) first.tabIndex = 0;
  };
  const full = () => {
    draw();
    box.replaceChildren(search, grid);
    search.focus();
    position(box, button);
  };
  search.addEventListener("input", draw);
  box.addEventListener("keydown", (/** @type {KeyboardEvent} */ e) => move(e, box));
  box.addEventListener("toggle", (/** @type {any} */ e) => {
    if (e.newState === "closed") setTimeout(() => box.remove());
  });
  open = box;
  document.body.append(box);
  box.showPopover();
  if (options.quick) {
    box.append(el("div", { class: "emoji-row quick-row" },
      ...quick.map((char) => key({ char, name: list.find((e) => e.char === char)?.name ?? char })),
      el("button", { type: "button", class: "btn quiet small", onclick: full }, t("inbox.js.emoji_more"))));
    const first = box.querySelector("button");
    if (first) {
      first.tabIndex = 0;
      first.focus();
    }
  } else {
    full();
  }
  position(box, button);
}

/** @param {HTMLElement} box @param {HTMLElement} button */
function position(box, button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = box;
  const left = Math.max(8, Math.min(at.left, innerWidth - width - 8));
  const top = at.top - height - 8 > 8 ? at.top - height - 8 : Math.min(at.bottom + 8, innerHeight - height - 8);
  box.style.transform = `translate(${left}px, ${Math.max(8, top)}px)`;
}

/** Arrows go from emoji to emoji. @param {KeyboardEvent} e @param {HTMLElement} box */
function move(e, box) {
  if (e.key === "Escape") e.stopPropagation(); // it closes the picker and nothing else
  const keys = /** @type {HTMLElement[]} */ ([...box.querySelectorAll("button")]);
  const at = keys.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  if (e.key === "ArrowDown" && at < 0) {
    e.preventDefault();
    keys[0]?.focus();
    return;
  }
  if (at < 0) {
    if (e.key === "Enter" && keys.length > 0) {
      e.preventDefault();
      keys[0].click();
    }
    return;
  }
  const perRow = Math.max(1, Math.floor(box.clientWidth / keys[at].offsetWidth) - 1);
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: perRow, ArrowUp: -perRow }[e.key];
  if (step === undefined) return;
  e.preventDefault();
  keys[Math.min(keys.length - 1, Math.max(0, at + step))].focus();
}
