// What was said in a chat, in its order: taking in what the server sends, without
// moving what somebody looks at.
import { $, $$, morph } from "../ui/dom.js";

const near = 80; // px from the end that count as being there

/** What the server sent, by the element that shows it. @type {WeakMap<Element, string>} */
const sources = new WeakMap();

/** The messages of one conversation and where one is in them. */
export class Thread {
  /** @param {HTMLElement} scroller */
  constructor(scroller) {
    this.scroller = scroller;
    /** @type {HTMLElement} */
    this.list = $("ol.thread", scroller);
    this.older = this.list.dataset.older === "true";
    this.newer = this.list.dataset.newer === "true";
    /** @type {Map<string, Element>} */
    this.days = new Map();
    for (const m of this.messages()) sources.set(m, m.outerHTML);
    this.tidy();
    this.pinned = !this.newer;
    this.place = scroller.scrollTop;
    // Only who scrolls back leaves the end: the event comes later than what it tells of, and by then a picture may have
    // made the end another one.
    scroller.addEventListener("scroll", () => {
      const back = scroller.scrollTop < this.place;
      this.place = scroller.scrollTop;
      if (this.atEnd()) this.pinned = true;
      else if (back) this.pinned = false;
    }, { passive: true });
    // What grows while somebody is at the end, such as a picture, stays in sight.
    new ResizeObserver(() => this.pinned && this.toEnd()).observe(this.list);
    new ResizeObserver(() => this.pinned && this.toEnd()).observe(scroller);
  }

  /** @returns {HTMLElement[]} */
  messages() {
    return $$(":scope > .message:not(.optimistic)", this.list);
  }

  first() {
    return this.messages()[0]?.dataset.uid ?? "";
  }

  last() {
    return this.messages().at(-1)?.dataset.uid ?? "";
  }

  atEnd() {
    const s = this.scroller;
    return !this.newer && s.scrollHeight - s.scrollTop - s.clientHeight < near;
  }

  toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.place = this.scroller.scrollTop;
    this.pinned = !this.newer;
  }

  /**
   * Takes in the last messages of the chat; gives those that are new from others.
   * @param {DocumentFragment} html
   * @returns {HTMLElement[]}
   */
  takeTail(html) {
    const list = /** @type {HTMLElement} */ ($("ol.thread", html));
    const incoming = /** @type {HTMLElement[]} */ ($$(":scope > .message", list));
    this.learn(list);
    const known = new Map(this.messages().map((m) => [m.id, m]));
    if (known.size > 0 && incoming.length > 0 && !incoming.some((m) => known.has(m.id))) {
      if (this.newer) return incoming.filter((m) => m.classList.contains("in"));
      this.replace(list);
      return [];
    }
    const pinned = this.pinned;
    if (this.newer) {
      for (const m of incoming) if (known.has(m.id)) this.renew(/** @type {HTMLElement} */ (known.get(m.id)), m);
      return incoming.filter((m) => !known.has(m.id) && m.classList.contains("in"));
    }
    // What the server doesn't have any more in this part is gone.
    const ids = new Set(incoming.map((m) => m.id));
    const start = incoming.findIndex((m) => known.has(m.id));
    if (start >= 0) {
      let after = false;
      for (const m of this.messages()) {
        if (m.id === incoming[start].id) after = true;
        else if (after && !ids.has(m.id)) m.remove();
      }
    }
    const fresh = [];
    let previous = null;
    for (const next of incoming) {
      let m = known.get(next.id);
      if (m) {
        this.renew(m, next);
        if (previous && this.before(m) !== previous) previous.after(m);
      } else {
        m = next;
        sources.set(m, m.outerHTML);
        if (previous) previous.after(m);
        else this.list.prepend(m);
        if (m.classList.contains("in")) fresh.push(m);
        this.resolve(m);
      }
      previous = m;
    }
    for (const waiting of $$(":scope > .optimistic", this.list)) this.list.append(waiting);
    if (known.size === 0) this.older = list.dataset.older === "true";
    this.tidy();
    if (pinned) this.toEnd();
    return fresh;
  }

  /** @param {HTMLElement} m */
  before(m) {
    let e = m.previousElementSibling;
    while (e && !e.matches(".message:not(.optimistic)")) e = e.previousElementSibling;
    return e;
  }

  /** Shows one message as it is now. @param {DocumentFragment} html */
  takeOne(html) {
    const next = /** @type {HTMLElement|null} */ ($(".message", html));
    const old = next && document.getElementById(next.id);
    if (old && this.list.contains(old)) this.renew(old, next);
    this.tidy();
  }

  /** @param {HTMLElement} old @param {HTMLElement} next */
  renew(old, next) {
    if (sources.get(old) === next.outerHTML) return;
    sources.set(old, next.outerHTML);
    const marks = ["cont", "found"].filter((c) => old.classList.contains(c));
    old.className = next.className;
    old.classList.add(...marks);
    morph(old, next);
  }

  /** Takes away what stood for a message until it came. @param {HTMLElement} m */
  resolve(m) {
    $(`:scope > .optimistic[data-for="${CSS.escape(m.dataset.uid ?? "")}"]`, this.list)?.remove();
  }

  /** Puts older messages before the others; what is looked at stays where it is. @param {DocumentFragment} html */
  takeOlder(html) {
    const list = /** @type {HTMLElement} */ ($("ol.thread", html));
    this.older = list.dataset.older === "true";
    this.learn(list);
    const height = this.scroller.scrollHeight;
    const top = this.scroller.scrollTop;
    this.insert(list, (nodes) => this.list.prepend(...nodes));
    this.scroller.scrollTop = top + this.scroller.scrollHeight - height;
  }

  /** Puts newer messages after the others. @param {DocumentFragment} html */
  takeNewer(html) {
    const list = /** @type {HTMLElement} */ ($("ol.thread", html));
    this.newer = list.dataset.newer === "true";
    this.learn(list);
    this.insert(list, (nodes) => this.list.append(...nodes));
  }

  /** @param {HTMLElement} list @param {(nodes: HTMLElement[]) => void} put */
  insert(list, put) {
    const here = new Set(this.messages().map((m) => m.id));
    const nodes = /** @type {HTMLElement[]} */ ($$(":scope > .message", list)).filter((m) => !here.has(m.id));
    for (const m of nodes) sources.set(m, m.outerHTML);
    put(nodes);
    this.tidy();
  }

  /** Shows another part of the chat. @param {HTMLElement} list */
  replace(list) {
    const waiting = $$(":scope > .optimistic", this.list);
    this.older = list.dataset.older === "true";
    this.newer = list.dataset.newer === "true";
    this.learn(list);
    const nodes = /** @type {HTMLElement[]} */ ($$(":scope > .message", list));
    for (const m of nodes) sources.set(m, m.outerHTML);
    this.list.replaceChildren(...nodes, ...(this.newer ? [] : waiting));
    this.tidy();
  }

  /** Remembers what days are called. @param {HTMLElement} list */
  learn(list) {
    for (const day of $$(":scope > .day", list)) this.days.set(day.dataset.day, day);
  }

  /** One line before each day's first message, one name before each person's. */
  tidy() {
    this.learn(this.list);
    for (const day of $$(":scope > .day", this.list)) day.remove();
    $(":scope > .nothing", this.list)?.toggleAttribute("hidden", this.list.querySelector(".message") !== null);
    let day = "";
    let from = "";
    for (const m of this.messages()) {
      const begins = m.dataset.day !== day;
      if (begins && this.days.has(m.dataset.day ?? "")) m.before(/** @type {Element} */ (this.days.get(m.dataset.day ?? "")));
      const who = m.classList.contains("note") ? `n${m.dataset.from}` : `${m.dataset.from}`;
      m.classList.toggle("cont", !begins && who === from);
      day = m.dataset.day ?? "";
      from = who;
    }
  }
}
