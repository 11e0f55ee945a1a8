// Short messages that go by themselves.
import { $, el } from "./dom.js";

/**
 * Shows a message for a while; an error stays longer.
 * @param {string} message
 * @param {{error?: boolean}} [options]
 */
export function toast(message, { error = false } = {}) {
  const p = el("p", { class: error ? "toast error" : "toast" }, message);
  $("#toasts").append(p);
  leave(p, error ? 10000 : 5000);
}

/** @param {HTMLElement} p @param {number} after */
function leave(p, after) {
  setTimeout(() => (p.matches(":hover") ? leave(p, 2000) : p.remove()), after);
  p.addEventListener("click", () => p.remove());
}

/** Lets messages go that came with the page. */
export function leaveFirst() {
  for (const p of document.querySelectorAll("#toasts > .toast")) leave(/** @type {HTMLElement} */ (p), 6000);
}
