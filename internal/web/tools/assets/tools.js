// Pages of templates, labels and webhooks: forms in dialogs, the editor of text
// templates, merging of labels, secrets that are shown once, the live log.
import { $, $$, el, morph, on, parse } from "../ui/dom.js";
import { ActError, act, fetchHTML } from "../ui/act.js";
import { confirm, open } from "../ui/dialog.js";
import { refresh } from "../ui/page.js";
import { toast } from "../ui/toast.js";
import { t } from "../ui/texts.js";

// A link to a form opens it in a dialog. Without this script it is a page.
on(document, "click", "a[data-load]", async (e, link) => {
  if (e.ctrlKey || e.metaKey || e.shiftKey || e.button !== 0) return;
  e.preventDefault();
  try {
    const url = new URL(link.href);
    url.searchParams.set("part", "");
    const dialog = el("dialog", { "aria-label": link.textContent.trim() }, parse(await fetchHTML(url.href)));
    dialog.addEventListener("close", () => {
      dialog.remove();
      link.focus();
    });
    document.body.append(dialog);
    open(dialog);
    for (const form of $$("form[data-editor]", dialog)) preview(form);
    $("[autofocus]", dialog)?.focus();
  } catch (error) {
    toast(/** @type {Error} */ (error).message, { error: true });
  }
});

on(document, "click", "a[data-cancel]", (e, link) => {
  const dialog = link.closest("dialog");
  if (!dialog) return;
  e.preventDefault();
  dialog.close();
});

/**
 * Shows how the text of a form will look, and how long it is.
 * @param {HTMLFormElement} form
 */
function preview(form) {
  const area = $("textarea", form);
  /** @type {Record<string, string>} */
  const sample = { contact_name: t("tools.js.sample.name"), phone: t("tools.js.sample.phone"), my_name: form.dataset.me ?? "" };
  $("[data-preview]", form).textContent = area.value.replace(/\{(contact_name|phone|my_name)\}/g,
    (/** @type {string} */ _, /** @type {string} */ place) => sample[place]);
  const n = [...area.value].length; // characters, as the server counts
  const count = $("[data-count]", form);
  count.textContent = t("tools.js.count", { n, max: area.maxLength });
  count.classList.toggle("over", n > area.maxLength);
}

on(document, "input", "form[data-editor] textarea", (_, area) => preview(area.form));
on(document, "click", "[data-insert]", (_, button) => {
  const area = $("textarea", button.closest("form"));
  area.setRangeText(button.dataset.insert, area.selectionStart, area.selectionEnd, "end");
  area.focus();
  preview(area.form);
});
for (const form of $$("form[data-editor]")) preview(form);

// A label that takes the name of another one is merged into it, after a question.
on(document, "submit", "form[data-label]", async (e, form) => {
  e.preventDefault();
  const data = new URLSearchParams(/** @type {any} */ (new FormData(form)));
  try {
    let answer;
    try {
      answer = await act(form.action, { form: data });
    } catch (error) {
      if (!(error instanceof ActError) || error.code !== "conflict") throw error;
      if (!(await confirm(t("tools.js.merge", { name: data.get("name") ?? "" })))) return;
      data.set("merge", "yes");
      answer = await act(form.action, { form: data });
    }
    form.closest("dialog")?.close();
    toast(answer.message);
    await refresh(form.dataset.label === "follow" ? answer.path : undefined);
  } catch (error) {
    toast(/** @type {Error} */ (error).message, { error: true });
  }
});

// The answer to what drew a secret is the only place where it is.
on(document, "acted", "form[data-secret]", (e) => {
  const secret = e.detail?.secret;
  if (!secret) return;
  const dialog = el("dialog", { "aria-labelledby": "secret-title" },
    el("div", { class: "stack" },
      el("h2", { id: "secret-title" }, t("tools.js.secret.title")),
      el("p", {}, t("tools.js.secret.text")),
      el("p", { class: "code", id: "secret-text" }, secret),
      el("form", { method: "dialog", class: "actions" },
        el("button", { type: "button", class: "btn", "data-copy": "secret-text" }, t("tools.js.copy")),
        el("button", { class: "btn primary" }, t("tools.js.secret.kept")))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
});

// The log shows what happens while somebody looks. Deliveries are not among the
// notices of the live stream: there may be thousands a second.
const every = 3000;
let reading = false;
setInterval(async () => {
  const log = $("#log[data-live]");
  if (!log || document.hidden || reading || $("dialog[open]")) return;
  reading = true;
  try {
    const html = await fetchHTML(log.dataset.live);
    if (log.isConnected) morph(log, html);
  } catch {
    // The page says by itself that the server is away; the next time may succeed.
  } finally {
    reading = false;
  }
}, every);
