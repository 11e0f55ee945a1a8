// The inbox as a whole: which chat is open, what the list shows, and what happens
// when something changes.
import { $, $$, on, parse } from "../ui/dom.js";
import { act, fetchHTML } from "../ui/act.js";
import { shortcut } from "../ui/keys.js";
import { open as openDialog } from "../ui/dialog.js";
import { toast } from "../ui/toast.js";
import { t, tn } from "../ui/texts.js";
import { listen, look } from "../live/live.js";
import "./list.js";
import "./conversation.js";
import { lightbox } from "./lightbox.js";
import { newChat } from "./newchat.js";
import { Panel } from "./panel.js";

const keptChats = 8;
const restful = 250; // ms between two looks at the list

document.documentElement.classList.add("scripted");

const root = $("#inbox");
const pane = $("#chat-pane");
const list = /** @type {any} */ ($("chat-list"));
const form = /** @type {HTMLFormElement} */ ($("#filter-form"));
const maySend = root.dataset.send === "true";
const title = document.title;

/** The chats that were open, the last one last. @type {Map<number, any>} */
const kept = new Map();
/** @type {Map<number, Promise<any>>} */
const coming = new Map();
let turn = 0;

/** @returns {any} the open ChatConversation */
const current = () => $("chat-conversation", pane);
const panel = new Panel(current);

const first = current();
if (first) kept.set(first.chat, first);

// Filters.

/** The filter that the form says, without what is the default. */
function query() {
  const q = new URLSearchParams(/** @type {any} */ (new FormData(form)));
  for (const [name, value] of [...q]) if (value === "" || (name === "state" && value === "open")) q.delete(name);
  return q.toString();
}

/** @param {number} [chat] */
function address(chat) {
  const q = query();
  return `/inbox${chat ? `/${chat}` : ""}${q ? `?${q}` : ""}`;
}

function markQuick() {
  const q = new URLSearchParams(query());
  const others = [...q.keys()].some((k) => !["unread", "assignee"].includes(k));
  const assignee = q.get("assignee");
  const unread = q.get("unread") === "1";
  /** @type {Record<string, boolean>} */
  const is = {
    all: q.size === 0, unread: unread && !assignee && !others, mine: assignee === "me" && !unread && !others,
    unassigned: assignee === "nobody" && !unread && !others,
  };
  for (const link of $$("[data-quick]")) {
    if (is[link.dataset.quick]) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  $("#filters").toggleAttribute("data-narrow", [...q.keys()].some((k) => k !== "q"));
}

/** Puts a filter into the form. @param {URLSearchParams} q */
function fill(q) {
  for (const e of /** @type {any} */ (form.elements)) {
    if (e.type === "checkbox") e.checked = q.get(e.name) === e.value;
    else if (e.name === "state") e.value = q.get("state") ?? "open";
    else if (e.name) e.value = q.get(e.name) ?? "";
  }
}

let searching = 0;
/** @param {boolean} push */
async function filter(push) {
  markQuick();
  if (push) history.replaceState(history.state, "", address(current()?.chat));
  try {
    await list.show(query());
    list.select(current()?.chat ?? 0);
    $("#news").textContent = tn("inbox.js.found", list.total);
  } catch (e) {
    toast(/** @type {Error} */ (e).message, { error: true });
  }
}

form.addEventListener("submit", (e) => {
  e.preventDefault();
  filter(true);
});
form.addEventListener("change", (e) => /** @type {HTMLElement} */ (e.target).id !== "search" && filter(true));
$("#search").addEventListener("input", () => {
  clearTimeout(searching);
  searching = setTimeout(() => filter(true), 180);
});
on(document, "click", "[data-quick], [data-clear-filters]", (e, link) => {
  if (e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  fill(new URL(link.href).searchParams);
  filter(true);
});
$("#filters-button").addEventListener("click", (/** @type {Event} */ e) => {
  const shown = $("#filters").classList.toggle("shown");
  /** @type {HTMLElement} */ (e.currentTarget).setAttribute("aria-expanded", String(shown));
});

// Chats.

/** Gives a conversation that can be put into the page. @param {number} chat */
function conversation(chat) {
  const known = kept.get(chat);
  if (known) return Promise.resolve(known);
  const asked = coming.get(chat);
  if (asked) return asked;
  const promise = fetchHTML(`/inbox/${chat}/conversation`).then((html) => {
    const e = /** @type {any} */ (document.importNode(/** @type {Element} */ (parse(html).firstElementChild), true));
    keep(chat, e);
    return e;
  }).finally(() => coming.delete(chat));
  coming.set(chat, promise);
  promise.catch(() => {});
  return promise;
}

/** @param {number} chat @param {any} e */
function keep(chat, e) {
  kept.delete(chat);
  kept.set(chat, e);
  for (const [other, old] of kept) {
    if (kept.size <= keptChats) break;
    if (!old.isConnected && !old.waiting && other !== chat) kept.delete(other);
  }
}

/**
 * Opens a chat.
 * @param {number} chat
 * @param {{push?: boolean, focus?: boolean, message?: string}} [options]
 */
async function openChat(chat, { push = true, focus = true, message = "" } = {}) {
  const mine = ++turn;
  list.select(chat);
  let e;
  try {
    e = await conversation(chat);
  } catch (error) {
    if (mine === turn) toast(/** @type {any} */ (error).status === 404 ? t("inbox.js.no_chat") : /** @type {Error} */ (error).message, { error: true });
    return;
  }
  if (mine !== turn) return;
  const old = current();
  if (old !== e) {
    old?.hide();
    old?.remove();
    pane.prepend(e);
  }
  keep(chat, e);
  $("#no-chat").hidden = true;
  root.classList.add("has-chat");
  if (push) history.pushState({ chat }, "", address(chat));
  document.title = `${e.dataset.name} · ${title}`;
  list.select(chat);
  if (message) e.jump(message);
  if (focus && matchMedia("(pointer: fine)").matches) e.composer.text.focus();
  if (panel.shown) panel.show(chat);
  expanded();
  markRead();
  tellLooking();
}

function closeChat(push = true) {
  turn++;
  const old = current();
  old?.hide();
  old?.remove();
  panel.hide();
  $("#no-chat").hidden = false;
  root.classList.remove("has-chat");
  document.title = title;
  if (push) history.pushState({}, "", address());
  list.select(0);
  tellLooking();
}

/** Somebody looks at the chat: its messages are read. */
async function markRead() {
  const e = current();
  if (!e || document.hidden || e.dataset.unread !== "true") return;
  e.dataset.unread = "false";
  await act(`/inbox/${e.chat}/read`, { method: "POST" }).catch(() => (e.dataset.unread = "true"));
}

let lookedAt = 0;
let leave = () => {};
/** Others see who looks at which chat. */
function tellLooking() {
  const chat = current()?.chat ?? 0;
  if (chat === lookedAt) return;
  leave();
  lookedAt = chat;
  leave = chat ? look(chat) : () => {};
}

function expanded() {
  $('[data-do="panel"]', current() ?? document.createElement("p"))?.setAttribute("aria-expanded", String(panel.shown));
}

on(list, "click", "[data-open]", (e, link) => {
  if (e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
  e.preventDefault();
  openChat(Number(link.dataset.open), { focus: e.detail > 0 || !e.isTrusted || matchMedia("(pointer: fine)").matches });
});
on(document, "click", "[data-open-path]", (e, link) => {
  if (e.ctrlKey || e.metaKey || e.shiftKey) return;
  e.preventDefault();
  openChat(Number(new URL(link.href).pathname.split("/").pop()));
});
on(pane, "click", "[data-back]", (e) => {
  e.preventDefault();
  closeChat();
});
on(root, "click", '[data-do="panel"]', () => togglePanel());

function togglePanel() {
  const e = current();
  if (!e) return;
  if (panel.shown) {
    panel.hide();
    $('[data-do="panel"]', e)?.focus();
  } else {
    panel.show(e.chat);
  }
  expanded();
}

// What is probably opened next is fetched before.
let hovered = 0;
on(list, "pointerdown", "[data-open]", (e, link) => e.button === 0 && conversation(Number(link.dataset.open)));
on(list, "pointerover", "[data-open]", (_, link) => {
  clearTimeout(hovered);
  hovered = setTimeout(() => conversation(Number(link.dataset.open)), 70);
});
list.addEventListener("pointerleave", () => clearTimeout(hovered));

addEventListener("popstate", () => {
  const url = new URL(location.href);
  const before = query();
  fill(url.searchParams);
  if (query() !== before) filter(false);
  const chat = Number(/^\/inbox\/(\d+)$/.exec(url.pathname)?.[1] ?? 0);
  if (chat) openChat(chat, { push: false, focus: false });
  else closeChat(false);
});

// Changes.

let looking = 0;
let looked = 0;
/** Looks at the list again, not more often than restful. */
function lookAgain() {
  if (looking) return;
  looking = setTimeout(async () => {
    looking = 0;
    looked = Date.now();
    try {
      const [tally] = await Promise.all([act("/inbox/tally"), list.refresh()]);
      for (const e of $$("[data-tally]")) e.textContent = new Intl.NumberFormat(document.documentElement.lang).format(tally[e.dataset.tally]);
    } catch {
      // The next notice asks again.
    }
  }, Math.max(30, looked + restful - Date.now()));
}

/** Shows who writes or looks in a chat. @param {any} change */
function showPeople({ chat, people = [] }) {
  const write = people.filter((/** @type {any} */ p) => p.doing !== "looking");
  const e = kept.get(Number(chat));
  const text = write.length > 0 ? doing(write[0], e) : "";
  const here = people.filter((/** @type {any} */ p) => p.doing === "looking" && p.member);
  e?.people?.(text, here.length > 0 && !text ? t("inbox.js.looks", { name: here.map((/** @type {any} */ p) => p.name).join(", ") }) : "");
  const row = $(`#chat-${chat} [data-excerpt]`, list);
  const customer = write.find((/** @type {any} */ p) => !p.member);
  row?.classList.toggle("types", Boolean(customer));
  if (row) row.dataset.typing = customer ? doing(customer, e) : "";
}

/** @param {any} p @param {any} e */
function doing(p, e) {
  const named = p.name && (p.member || !e || e.dataset.group === "true");
  if (p.doing === "recording") return named ? t("inbox.js.records_who", { name: p.name }) : t("inbox.js.records");
  return named ? t("inbox.js.types_who", { name: p.name }) : t("inbox.js.types");
}

listen(["message", "chat", "account", "typing", "settings"], (/** @type {any} */ change) => {
  if (change.kind === "typing") {
    showPeople(change);
    return;
  }
  if (change.kind === "resync") {
    for (const e of kept.values()) e.changed(change);
    panel.refresh();
    lookAgain();
    return;
  }
  const chat = Number(change.chat ?? 0);
  if (change.kind === "account") for (const e of kept.values()) e.changed({ kind: "chat" });
  else kept.get(chat)?.changed(change);
  if (change.kind === "chat" && panel.chat === chat) panel.refresh();
  if (change.kind !== "settings") lookAgain();
});

document.addEventListener("news", (e) => {
  const from = /** @type {any} */ (e.target);
  $("#news").textContent = tn("inbox.js.news", /** @type {CustomEvent} */ (e).detail, { name: from.dataset.name });
  if (from === current()) {
    from.dataset.unread = "true";
    markRead();
  }
});
document.addEventListener("sent", lookAgain);
document.addEventListener("changed", () => {
  panel.refresh();
  lookAgain();
});
document.addEventListener("visibilitychange", () => {
  markRead();
});

// Keys.

/** @param {number} step */
async function go(step) {
  const row = await list.neighbour(step);
  if (row) openChat(Number(row.dataset.chat), { focus: false });
}

shortcut("/", "inbox.js.key.search", () => $("#search").focus());
shortcut("j", "inbox.js.key.next", () => go(1));
shortcut("k", "inbox.js.key.back", () => go(-1));
shortcut("w", "inbox.js.key.write", () => current()?.composer.text.focus());
shortcut("i", "inbox.js.key.panel", togglePanel);
if (maySend) {
  shortcut("e", "inbox.js.key.close", () => current()?.close());
  shortcut("a", "inbox.js.key.take", () => current()?.change({ assignee: root.dataset.email }));
  shortcut("u", "inbox.js.key.unread", () => current()?.change({ read: false }));
  shortcut("r", "inbox.js.key.reply", () => {
    const e = current();
    const m = e?.chosen();
    if (m) e.composer.reply(m);
  });
  shortcut("c", "inbox.js.key.new", () => $('[data-dialog="new-chat"]') && openDialog($("#new-chat")));
}
shortcut("n", "inbox.js.key.note", () => {
  const e = current();
  e?.composer.note(true);
  e?.composer.text.focus();
});
shortcut("Escape", "inbox.js.key.leave", () => (panel.shown ? togglePanel() : current() && closeChat()));

lightbox();
newChat((chat) => openChat(chat));
list.query = query();
list.resize();
list.select(current()?.chat ?? 0);
markQuick();
markRead();
tellLooking();
