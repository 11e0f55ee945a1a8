// Dialogs: those on the page, and a question before something that can't be undone.
import { el } from "./dom.js";
import { t } from "./texts.js";

/**
 * Opens a dialog of the page. It is closed by Esc, by its buttons with
 * data-close, and by a click beside it.
 * @param {any} dialog
 */
export function open(dialog) {
  if (!dialog.open) dialog.showModal();
  dialog.addEventListener("click", (/** @type {MouseEvent} */ e) => {
    if (e.target === dialog) dialog.close();
  });
}

/**
 * Asks before something is done; resolves with whether to do it.
 * @param {string} question
 * @param {{yes?: string}} [options]
 * @returns {Promise<boolean>}
 */
export function confirm(question, { yes = t("ui.js.confirm") } = {}) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { role: "alertdialog", "aria-label": question },
      el("form", { method: "dialog", class: "stack" },
        el("p", {}, question),
        el("div", { class: "actions" },
          el("button", { class: "btn", value: "no", autofocus: true }, t("ui.js.cancel")),
          el("button", { class: "btn primary", value: "yes" }, yes))));
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
