// What every page does: forms that are sent without leaving it, questions before
// what can't be undone, dialogs, copying, filters that apply by themselves.
import { $, morph, on, parsePage } from "./dom.js";
import { act, fetchHTML } from "./act.js";
import { confirm, open } from "./dialog.js";
import { leaveFirst, toast } from "./toast.js";
import { t } from "./texts.js";
import "./keys.js";

leaveFirst();

/**
 * Fetches this page again and shows what changed.
 * @param {string} [url] another address to show, which takes the place of this one
 */
export async function refresh(url) {
  const page = parsePage(await fetchHTML(url ?? location.href));
  const main = $("#main", page);
  if (!main) {
    location.assign(url ?? location.href);
    return;
  }
  if (url && url !== location.href) history.replaceState(null, "", url);
  document.title = page.title;
  morph($("#main"), main);
}

on(document, "submit", "form[data-confirm]", async (e, form) => {
  if (form.dataset.confirmed) {
    delete form.dataset.confirmed;
    return;
  }
  e.preventDefault();
  e.stopImmediatePropagation();
  const submitter = e.submitter;
  if (await confirm(form.dataset.confirm)) {
    form.dataset.confirmed = "yes";
    form.requestSubmit(submitter);
  }
});

on(document, "submit", "form[data-act]", async (e, form) => {
  if (e.defaultPrevented) return;
  e.preventDefault();
  const data = new FormData(form, e.submitter);
  const files = [...data.values()].some((v) => v instanceof File && v.size > 0);
  const button = e.submitter;
  button?.setAttribute("aria-busy", "true");
  try {
    const body = files || form.enctype === "multipart/form-data" ? data : new URLSearchParams(/** @type {any} */ (data));
    const answer = await act(form.action, { method: form.method, form: body });
    form.closest("dialog")?.close();
    if (answer.message) toast(answer.message);
    form.dispatchEvent(new CustomEvent("acted", { bubbles: true, detail: answer }));
    if (form.dataset.act !== "stay") await refresh(form.dataset.act === "follow" ? answer.path : undefined);
  } catch (error) {
    problems(form, /** @type {any} */ (error));
  } finally {
    button?.removeAttribute("aria-busy");
  }
});

/**
 * Shows what is wrong with a form's fields beside them, and all else as a toast.
 * @param {HTMLFormElement} form
 * @param {{message: string, fields?: {path: string, message: string}[]}} error
 */
function problems(form, error) {
  for (const old of form.querySelectorAll(".field.error")) {
    old.classList.remove("error");
    old.querySelector(".problem")?.remove();
  }
  let shown = false;
  for (const f of error.fields ?? []) {
    const input = /** @type {any} */ (form.elements.namedItem(f.path));
    const field = input?.closest?.(".field");
    if (!field) continue;
    const p = document.createElement("p");
    p.className = "problem";
    p.id = `problem-${f.path}`;
    p.textContent = f.message;
    field.classList.add("error");
    field.append(p);
    input.setAttribute("aria-describedby", p.id);
    if (!shown) input.focus();
    shown = true;
  }
  if (!shown) toast(error.message, { error: true });
}

on(document, "click", "[data-dialog]", (_, button) => open($(`#${CSS.escape(button.dataset.dialog)}`)));
on(document, "click", "[data-close]", (_, button) => button.closest("dialog")?.close());
on(document, "change", "form[data-apply]", (_, form) => form.requestSubmit());

on(document, "click", "[data-copy]", async (_, button) => {
  const from = button.dataset.copy ? $(`#${CSS.escape(button.dataset.copy)}`) : button.previousElementSibling;
  try {
    await navigator.clipboard.writeText(from.value ?? from.textContent);
    toast(t("ui.js.copied"));
  } catch {
    toast(t("ui.js.copyFailed"), { error: true });
  }
});

document.addEventListener("click", (e) => {
  const menu = $("#menu");
  if (menu?.open && e.target instanceof Element && !e.target.closest(".rail")) menu.open = false;
});
