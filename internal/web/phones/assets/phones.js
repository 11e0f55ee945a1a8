// The customers' phones: what is on the page is asked for again as soon as
// something changes in the sandbox's world.
import { $, morph, on, parse } from "../ui/dom.js";
import { act } from "../ui/act.js";
import { t } from "../ui/texts.js";

const page = /** @type {HTMLElement} */ ($(".phones"));
const compose = /** @type {HTMLFormElement|null} */ ($("#phones-compose"));
const screen = () => /** @type {HTMLElement} */ ($("#phones-screen"));

/** Parts of the page that follow the world. */
const parts = ["phones-list", "phones-pairings", "phones-head", "phones-chats", "phones-screen", "phones-faults", "phones-notes"];

const toEnd = () => { screen().scrollTop = screen().scrollHeight; };
toEnd();

/** @param {number} ms */
const pause = (ms) => new Promise((go) => setTimeout(go, ms));

const visible = () => document.hidden
  ? new Promise((go) => document.addEventListener("visibilitychange", go, { once: true }))
  : Promise.resolve();

/** Asks what is new, for as long as the page is open. */
async function follow() {
  let wait = 0;
  for (;;) {
    await visible();
    if (wait) await pause(wait);
    try {
      const query = new URLSearchParams({ chat: page.dataset.chat ?? "", seen: page.dataset.seen ?? "" });
      const answer = await fetch(`/phones/${page.dataset.phone}/world?${query}`, { headers: { Accept: "text/html" } });
      if (answer.redirected || answer.status === 404) return location.reload();
      if (answer.status === 200) show(await answer.text(), answer.headers.get("X-Seen"));
      else if (answer.status !== 204) throw new Error(`status ${answer.status}`);
      wait = 0;
    } catch {
      wait = Math.min(5000, (wait || 250) * 2); // the server is away; it comes back
    }
  }
}

/** @param {string} html @param {string|null} seen */
function show(html, seen) {
  const from = parse(html);
  const box = screen();
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  for (const id of parts) {
    const now = document.getElementById(id);
    const next = from.querySelector(`#${id}`);
    if (now && next) morph(now, next);
  }
  if (atEnd) toEnd();
  if (seen) page.dataset.seen = seen;
  page.dispatchEvent(new CustomEvent("phones:shown"));
}

// What is answered or changed.

/** @param {string} name @param {string} id @param {string} words */
function about(name, id, words) {
  if (!compose) return;
  forget();
  /** @type {any} */ (compose.elements.namedItem(name)).value = id;
  $(".phones-about > span", compose).textContent = words;
  $(".phones-about", compose).hidden = false;
  $("textarea", compose).focus();
}

function forget() {
  if (!compose) return;
  for (const name of ["reply", "edit"]) /** @type {any} */ (compose.elements.namedItem(name)).value = "";
  $(".phones-about", compose).hidden = true;
}

/** @param {Element} button */
const said = (button) => button.closest(".phones-bubble")?.querySelector(":scope > p:not(.phones-meta)")?.textContent ?? "";

on(document, "click", "[data-reply]", (_, b) => {
  b.closest("details").open = false;
  about("reply", b.dataset.reply, t("phones.js.reply", { text: said(b) }));
});
on(document, "click", "[data-edit]", (_, b) => {
  b.closest("details").open = false;
  about("edit", b.dataset.edit, t("phones.js.edit"));
  $("textarea", compose ?? document).value = said(b);
});
on(document, "click", "[data-forget]", forget);
on(document, "click", ".phones-actions button", (_, b) => { b.closest("details").open = false; });

if (compose) {
  const text = /** @type {HTMLTextAreaElement} */ ($("textarea", compose));
  const file = /** @type {HTMLInputElement} */ ($("input[type=file]", compose));
  const label = $(".phones-file", compose);
  const attach = label.textContent;
  file.addEventListener("change", () => { label.textContent = file.files?.[0]?.name ?? attach; });
  text.addEventListener("keydown", (e) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
      e.preventDefault();
      if (text.value.trim() || file.files?.length) compose.requestSubmit();
    }
    if (e.key === "Escape") forget();
  });
  compose.addEventListener("acted", () => {
    compose.reset();
    forget();
    label.textContent = attach;
    typed = 0;
    toEnd();
    text.focus();
  });

  // The business sees that the customer is typing.
  let typed = 0;
  /** @type {number|undefined} */
  let idle;
  const tell = (/** @type {string} */ state) =>
    act(`/phones/${page.dataset.phone}/typing`, { form: new URLSearchParams({ to: page.dataset.chat ?? "", state }) }).catch(() => {});
  text.addEventListener("input", () => {
    if (Date.now() - typed > 4000) {
      typed = Date.now();
      tell("composing");
    }
    clearTimeout(idle);
    idle = window.setTimeout(() => {
      if (typed) tell("paused");
      typed = 0;
    }, 3000);
  });
}

follow();
