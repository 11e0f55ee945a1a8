// Follows what changes. A notice says what to fetch again and has no content:
//   listen(["message", "chat"], (change) => …)   change: {kind, account, chat, message}
// After a gap every listener gets {kind: "resync"}: fetch all that is shown.
import { $ } from "../ui/dom.js";
import { act } from "../ui/act.js";
import { t } from "../ui/texts.js";

/**
 * @typedef {{member?: number, name: string, doing: "typing"|"recording"|"looking"}} Person a member, or without one a contact
 * @typedef {{kind: string, account?: number, chat?: number, message?: number, people?: Person[]}} Change
 */

/** Times in milliseconds. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;
const SAY_AFTER = 2_000; // a line that is back at once is nobody's concern
const HIDDEN_PAUSE = 5 * 60_000; // a tab in the background gives its connection back
const SILENCE = 50_000; // the server gives a sign of life every 20 s
const LOOK_EVERY = 30_000;
const TYPE_EVERY = 3_000;

/** @type {{kinds: Set<string>, fn: (change: Change) => void}[]} */
let listeners = [];

// A browser opens six connections to a server and no more (by HTTP/1.1), and a stream
// is one of them. So of the tabs that nobody sees, only the last to connect has one.
const tabs = new BroadcastChannel("tideline live");
tabs.addEventListener("message", () => {
  if (document.visibilityState === "hidden") stop();
});

/** @type {EventSource | null} */
let source = null;
let last = document.documentElement.dataset.live ?? ""; // id of the last notice
let followed = last !== ""; // whether all since the page was read will come
let failures = 0;
let again = 0; // timers
let saying = 0;
let hiding = 0;
let silence = 0;
let said = false;
let stopped = false; // the tab is hidden for long, or left

/**
 * Calls fn for each change of the kinds: message, chat, account, queue, settings,
 * typing. It also gets {kind: "resync"}.
 * @param {string[]} kinds
 * @param {(change: Change) => void} fn
 * @returns {() => void} ends it
 */
export function listen(kinds, fn) {
  const listener = { kinds: new Set([...kinds, "resync"]), fn };
  listeners.push(listener);
  if (!source && !again && !stopped) connect();
  return () => {
    listeners = listeners.filter((l) => l !== listener);
  };
}

/** @param {Change} change */
function tell(change) {
  for (const l of listeners) {
    if (!l.kinds.has(change.kind)) continue;
    try {
      l.fn(change);
    } catch (e) {
      reportError(e);
    }
  }
}

function connect() {
  clearTimeout(again);
  again = 0;
  source?.close();
  const s = new EventSource(last ? `/live?after=${encodeURIComponent(last)}` : "/live");
  source = s;
  tabs.postMessage("connected");
  alive();
  s.addEventListener("beat", alive);
  s.addEventListener("hello", (e) => {
    if (e.lastEventId) last = e.lastEventId;
    failures = 0;
    alive();
    connected();
    if (!followed) {
      followed = true;
      tell({ kind: "resync" });
    }
  });
  s.addEventListener("message", (e) => {
    if (e.lastEventId) last = e.lastEventId;
    const change = JSON.parse(e.data);
    if (change.kind === "message" && looking.has(change.chat)) seen(change.chat);
    tell(change);
  });
  s.addEventListener("signedout", () => location.reload());
  s.addEventListener("error", () => {
    if (s === source) reconnect();
  });
}

/** Notes a sign of life. A machine that slept does not know that its connection is gone. */
function alive() {
  clearTimeout(silence);
  silence = window.setTimeout(reconnect, SILENCE);
}

/** Closes the stream and opens another after a pause that grows and varies. */
function reconnect() {
  clearTimeout(silence);
  source?.close();
  source = null;
  if (stopped || again) return;
  failures++;
  disconnected();
  const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (failures - 1)) * (0.5 + Math.random());
  again = window.setTimeout(async () => {
    // A stream can't say why it is refused. An ordinary request can, and leads to
    // where one signs in when that is why.
    if (failures % 3 === 0) await act("/live/state").catch(() => {});
    if (!stopped) connect();
  }, pause);
}

function disconnected() {
  if (saying || said) return;
  saying = window.setTimeout(() => {
    saying = 0;
    said = true;
    show(t("live.js.lost"));
  }, SAY_AFTER);
}

function connected() {
  clearTimeout(saying);
  saying = 0;
  if (!said) return;
  said = false;
  show(t("live.js.back"));
  window.setTimeout(() => {
    if (!said) show("");
  }, 3_000);
}

/** @param {string} text in the line that every page has; "" hides it */
function show(text) {
  const line = $("#connection");
  if (!line) return;
  line.hidden = text === "";
  line.textContent = text;
  line.classList.toggle("lost", said);
}

function stop() {
  stopped = true;
  for (const timer of [again, saying, silence]) clearTimeout(timer);
  again = saying = 0;
  source?.close();
  source = null;
}

function resume() {
  if (!stopped && (source || !again)) return;
  stopped = false;
  failures = 0;
  if (listeners.length > 0) connect();
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.visibilityState === "hidden") {
    hiding = window.setTimeout(stop, HIDDEN_PAUSE);
    return;
  }
  resume();
  for (const chat of looking.keys()) report(chat, "looking");
});
if (document.visibilityState === "hidden") hiding = window.setTimeout(stop, HIDDEN_PAUSE);
addEventListener("online", () => {
  if (!stopped) resume();
});
addEventListener("pagehide", stop);
addEventListener("pageshow", (e) => {
  if (e.persisted) resume();
});

/** @type {Map<number, number>} chats that are open here, with their timers */
const looking = new Map();

/**
 * Says that a chat is open, until the function that it gives is called.
 * @param {number} chat
 * @returns {() => void}
 */
export function look(chat) {
  leave(chat);
  const repeat = () => {
    if (document.visibilityState === "visible") report(chat, "looking");
  };
  looking.set(chat, window.setInterval(repeat, LOOK_EVERY));
  repeat();
  return () => {
    if (leave(chat)) report(chat, "");
  };
}

let seeing = 0;

/**
 * Something new is on screen.
 * @param {number} chat
 */
function seen(chat) {
  clearTimeout(seeing);
  seeing = window.setTimeout(() => {
    if (looking.has(chat) && document.visibilityState === "visible") report(chat, "looking");
  }, 500);
}

/** @param {number} chat */
function leave(chat) {
  const timer = looking.get(chat);
  if (timer === undefined) return false;
  clearInterval(timer);
  return looking.delete(chat);
}

let typedAt = 0;
let typedIn = 0;

/**
 * Says that the member is writing in a chat: call it at every key, it sends what is
 * needed. With "looking" they stopped; with "recording" they speak.
 * @param {number} chat
 * @param {"typing"|"recording"|"looking"} [doing]
 */
export function typing(chat, doing = "typing") {
  const now = Date.now();
  if (doing === "looking") {
    if (!typedAt) return;
    typedAt = 0;
  } else {
    if (chat === typedIn && now - typedAt < TYPE_EVERY) return;
    typedAt = now;
    typedIn = chat;
  }
  report(chat, doing);
}

/** @param {number} chat @param {string} doing */
function report(chat, doing) {
  // That nobody hears of it is no reason to disturb anybody.
  fetch("/live/typing", {
    method: "POST",
    keepalive: true,
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify({ chat, doing }),
  }).catch(() => {});
}
