// Keyboard shortcuts, and the dialog that lists them.
import { el } from "./dom.js";
import { t } from "./texts.js";

/** @type {Map<string, {text: string, fn: (e: KeyboardEvent) => void}>} */
const shortcuts = new Map();

/**
 * Adds a shortcut: a key as KeyboardEvent.key names it, without modifiers. It does
 * not act while somebody types or a dialog is open.
 * @param {string} key
 * @param {string} textKey what it does, for the list
 * @param {(e: KeyboardEvent) => void} fn
 */
export function shortcut(key, textKey, fn) {
  shortcuts.set(key, { text: textKey, fn });
}

document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
  const target = /** @type {HTMLElement} */ (e.target);
  if (target.isContentEditable || target.matches("input, textarea, select") || document.querySelector("dialog[open]")) return;
  const found = shortcuts.get(e.key);
  if (!found) return;
  e.preventDefault();
  found.fn(e);
});

shortcut("?", "ui.js.shortcut.help", () => {
  const dialog = el("dialog", { "aria-labelledby": "shortcuts-title" },
    el("div", { class: "stack" },
      el("h2", { id: "shortcuts-title" }, t("ui.js.shortcuts")),
      el("dl", { class: "facts" },
        ...[...shortcuts].flatMap(([key, s]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, t(s.text))])),
      el("form", { method: "dialog", class: "actions" }, el("button", { class: "btn" }, t("ui.js.close")))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
});
