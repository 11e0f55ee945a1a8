// The list of chats: as long as there are chats, with only those in the document
// that can be seen. Windows of it are fetched when they are looked at.
import { $, $$, parse } from "../ui/dom.js";
import { fetchHTML } from "../ui/act.js";

const overscan = 6; // rows beyond what is seen
const keptWindows = 12;

/** What the server sent, by the element that shows it. @type {WeakMap<Element, string>} */
const sources = new WeakMap();

/** @typedef {{rows: HTMLElement[], used: number}} Window */

export class ChatList extends HTMLElement {
  /** @type {HTMLElement} */
  list = /** @type {any} */ (null);
  size = 0; // rows of a window
  total = 0;
  /** @type {Map<number, Window>} */
  windows = new Map();
  /** @type {Map<number, AbortController>} */
  loading = new Map();
  /** @type {Map<number, HTMLElement>} */
  shown = new Map();
  query = "";
  current = 0; // the open chat
  focusAt = 0;
  uses = 0;
  version = 0; // grows with each filter
  rowHeight = 0;

  connectedCallback() {
    if (this.list) return;
    this.list = $("ul.rows", this);
    this.size = Number(this.dataset.size);
    this.total = Number(this.dataset.total);
    const first = /** @type {HTMLElement[]} */ ($$(":scope > li", this.list));
    this.windows.set(0, { rows: first, used: 0 });
    this.classList.add("virtual");
    this.rowHeight = first[0]?.offsetHeight || this.measure();
    first.forEach((row, i) => {
      this.place(row, i);
      this.shown.set(i, row);
    });
    this.resize();
    this.addEventListener("scroll", () => this.render(), { passive: true });
    this.addEventListener("keydown", (e) => this.key(e));
    this.addEventListener("focusin", (e) => this.follow(e));
    new ResizeObserver(() => this.render()).observe(this);
    this.render();
  }

  /** The height of a row in a list that has none yet. */
  measure() {
    const probe = document.createElement("li");
    probe.className = "chat-row";
    this.list.append(probe);
    const height = probe.offsetHeight;
    probe.remove();
    return height || 80;
  }

  /** @param {HTMLElement} row @param {number} at */
  place(row, at) {
    row.style.transform = `translateY(${at * this.rowHeight}px)`;
    row.dataset.at = String(at);
    const link = $("a", row);
    link.tabIndex = at === this.focusAt ? 0 : -1;
    if (Number(row.dataset.chat) === this.current) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }

  resize() {
    this.list.style.blockSize = `${this.total * this.rowHeight}px`;
    const narrow = this.query.replace(/(^|&)state=open/, "") !== "";
    for (const e of $$("[data-empty]", this)) e.hidden = this.total > 0 || (e.dataset.empty === "narrow") !== narrow;
  }

  /** Puts the rows that can be seen into the document, and takes the others out. */
  render() {
    if (!this.rowHeight) return;
    const from = Math.max(0, Math.floor(this.scrollTop / this.rowHeight) - overscan);
    const to = Math.min(this.total, Math.ceil((this.scrollTop + this.clientHeight) / this.rowHeight) + overscan);
    for (const [at, row] of this.shown) {
      if ((at < from || at >= to) && !row.contains(document.activeElement)) {
        row.remove();
        this.shown.delete(at);
      }
    }
    for (let n = Math.floor(from / this.size); n * this.size < to; n++) {
      const window = this.windows.get(n);
      if (!window) {
        this.want(n);
        continue;
      }
      window.used = ++this.uses;
      for (let i = Math.max(from, n * this.size); i < Math.min(to, (n + 1) * this.size); i++) {
        const row = window.rows[i - n * this.size];
        if (row && this.shown.get(i) !== row) this.put(i, row);
      }
    }
  }

  /** @param {number} at @param {HTMLElement} row */
  put(at, row) {
    this.shown.get(at)?.remove();
    this.place(row, at);
    // In the order of the list, for who reads it by ear.
    let before = null;
    for (const other of this.list.children) {
      if (Number(/** @type {HTMLElement} */ (other).dataset.at) > at) {
        before = other;
        break;
      }
    }
    this.list.insertBefore(row, before);
    this.shown.set(at, row);
  }

  /** Fetches a window once the list rests there. @param {number} n */
  want(n) {
    if (this.loading.has(n)) return;
    const stop = new AbortController();
    this.loading.set(n, stop);
    setTimeout(async () => {
      const from = this.scrollTop / this.rowHeight;
      const to = from + this.clientHeight / this.rowHeight;
      if (stop.signal.aborted) return;
      if ((n + 1) * this.size < from - overscan || n * this.size > to + overscan) {
        this.loading.delete(n); // somebody scrolled past it
        return;
      }
      try {
        const rows = await this.fetch(n, stop.signal);
        if (rows) {
          this.keep(n, rows);
          this.render();
        }
      } catch {
        // Shown by the line that tells of lost connections; scrolling asks again.
      } finally {
        if (this.loading.get(n) === stop) this.loading.delete(n);
      }
    }, 40);
  }

  /** @param {number} n @param {AbortSignal} [signal] @returns {Promise<HTMLElement[]|null>} */
  async fetch(n, signal) {
    const version = this.version;
    const html = await fetchHTML(`/inbox/rows?offset=${n * this.size}${this.query ? `&${this.query}` : ""}`, { signal });
    if (version !== this.version) return null;
    const list = /** @type {HTMLElement} */ (parse(html).firstElementChild);
    const total = Number(list.dataset.total);
    if (total !== this.total) {
      this.total = total;
      this.resize();
    }
    return /** @type {HTMLElement[]} */ ([...list.children]);
  }

  /** @param {number} n @param {HTMLElement[]} rows */
  keep(n, rows) {
    const old = this.windows.get(n)?.rows ?? [];
    const same = new Map(old.map((row) => [row.id, row]));
    this.windows.set(n, {
      rows: rows.map((row) => {
        // The same row stays the same element, so that focus and hover stay.
        const known = same.get(row.id);
        if (!known) return row;
        if (sources.get(known) !== row.outerHTML) {
          sources.set(known, row.outerHTML);
          known.className = row.className;
          known.replaceChildren(...(this.holds(known) ? this.refill(known, row) : row.children));
        }
        return known;
      }),
      used: ++this.uses,
    });
    if (this.windows.size > keptWindows) {
      const [oldest] = [...this.windows].sort((a, b) => a[1].used - b[1].used)[0];
      if (oldest !== n) this.windows.delete(oldest);
    }
  }

  /** @param {HTMLElement} row */
  holds(row) {
    return row.contains(document.activeElement);
  }

  /** Fills a row that has focus without taking its link away. @param {HTMLElement} row @param {HTMLElement} next */
  refill(row, next) {
    const link = $("a", row);
    link.replaceChildren(...$("a", next).childNodes);
    link.href = $("a", next).href;
    return [link];
  }

  /** Fetches again what is looked at; the rest when it is looked at again. */
  async refresh() {
    const from = Math.max(0, Math.floor(this.scrollTop / this.rowHeight));
    const to = (this.scrollTop + this.clientHeight) / this.rowHeight;
    /** @type {number[]} */
    const numbers = [];
    for (let n = Math.floor(from / this.size); n === Math.floor(from / this.size) || n * this.size < to; n++) numbers.push(n);
    const version = this.version;
    const fetched = await Promise.all(numbers.map((n) => this.fetch(n)));
    if (version !== this.version) return;
    for (const n of [...this.windows.keys()]) if (!numbers.includes(n)) this.windows.delete(n);
    fetched.forEach((rows, i) => rows && this.keep(numbers[i], rows));
    this.settle();
  }

  /** Shows what the windows say now. */
  settle() {
    const rows = new Set([...this.windows.values()].flatMap((w) => w.rows));
    for (const [at, row] of [...this.shown]) {
      if (!rows.has(row) || this.at(at) !== row) {
        this.shown.delete(at);
        if (!rows.has(row)) row.remove();
      }
    }
    for (const row of /** @type {HTMLElement[]} */ ([...this.list.children])) if (!rows.has(row)) row.remove();
    this.render();
    for (const [at, row] of this.shown) this.place(row, at); // they were filled anew
    const held = new Set(this.shown.values());
    for (const row of /** @type {HTMLElement[]} */ ([...this.list.children])) if (!held.has(row)) row.remove();
  }

  /** @param {number} at */
  at(at) {
    return this.windows.get(Math.floor(at / this.size))?.rows[at % this.size];
  }

  /** Shows another list. @param {string} query */
  async show(query) {
    this.version++;
    this.query = query;
    for (const stop of this.loading.values()) stop.abort();
    this.loading.clear();
    this.setAttribute("aria-busy", "true");
    try {
      const rows = await this.fetch(0);
      if (!rows) return;
      this.windows.clear();
      this.keep(0, rows);
      this.focusAt = 0;
      this.scrollTop = 0;
      this.resize();
      this.settle();
    } finally {
      this.removeAttribute("aria-busy");
    }
  }

  /** Marks the chat that is open; 0 = none. @param {number} chat */
  select(chat) {
    this.current = chat;
    for (const [at, row] of this.shown) {
      if (Number(row.dataset.chat) === chat) this.focusAt = at;
    }
    for (const [at, row] of this.shown) this.place(row, at);
  }

  /** The place of a chat among what was fetched; -1 = unknown. @param {number} chat */
  find(chat) {
    for (const [n, w] of this.windows) {
      const i = w.rows.findIndex((row) => Number(row.dataset.chat) === chat);
      if (i >= 0) return n * this.size + i;
    }
    return -1;
  }

  /** Gives the row that is so many places after the open chat. @param {number} step */
  async neighbour(step) {
    const now = this.find(this.current);
    return this.reach(now < 0 ? 0 : now + step);
  }

  /** Scrolls a place into sight and gives its row, when it is there. @param {number} at @returns {Promise<HTMLElement|undefined>} */
  async reach(at) {
    if (at < 0 || at >= this.total) return undefined;
    const top = at * this.rowHeight;
    if (top < this.scrollTop) this.scrollTop = top;
    else if (top + this.rowHeight > this.scrollTop + this.clientHeight) this.scrollTop = top + this.rowHeight - this.clientHeight;
    const n = Math.floor(at / this.size);
    if (!this.windows.has(n)) {
      const rows = await this.fetch(n);
      if (rows) this.keep(n, rows);
    }
    this.render();
    return this.at(at);
  }

  /** @param {KeyboardEvent} e */
  async key(e) {
    const page = Math.max(1, Math.floor(this.clientHeight / this.rowHeight) - 1);
    /** @type {Record<string, number>} */
    const goals = {
      ArrowDown: this.focusAt + 1, ArrowUp: this.focusAt - 1, PageDown: Math.min(this.total - 1, this.focusAt + page),
      PageUp: Math.max(0, this.focusAt - page), Home: 0, End: this.total - 1,
    };
    const goal = goals[e.key];
    if (goal === undefined || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    if (goal < 0 || goal >= this.total) return;
    this.focusAt = goal;
    const row = await this.reach(goal);
    for (const [at, other] of this.shown) this.place(other, at);
    $("a", row ?? document.createElement("p"))?.focus({ preventScroll: true });
    this.render();
  }

  /** @param {FocusEvent} e */
  follow(e) {
    const row = e.target instanceof Element ? /** @type {HTMLElement|null} */ (e.target.closest(".chat-row")) : null;
    if (!row || row.dataset.at === undefined) return;
    this.focusAt = Number(row.dataset.at);
    for (const [at, other] of this.shown) $("a", other).tabIndex = at === this.focusAt ? 0 : -1;
  }
}

customElements.define("chat-list", ChatList);
