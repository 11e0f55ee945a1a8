// An open chat: its messages, what can be done with each, and the composer below.
import { $, morph, on, parse } from "../ui/dom.js";
import { act, fetchHTML } from "../ui/act.js";
import { toast } from "../ui/toast.js";
import { t, tn } from "../ui/texts.js";
import { Composer } from "./composer.js";
import { Thread } from "./thread.js";
import { sizes } from "./format.js";
import { uuid } from "./ids.js";
import "./player.js";

const tailSize = 30; // a message that is further up is fetched alone

export class ChatConversation extends HTMLElement {
  chat = 0;
  /** @type {HTMLElement} */
  scroller = /** @type {any} */ (null);
  /** @type {Thread} */
  thread = /** @type {any} */ (null);
  /** @type {Composer} */
  composer = /** @type {any} */ (null);
  stale = false; // something changed while it was not shown
  busy = false; // other messages are being loaded
  refreshing = false;
  again = false; // something changed while it was refreshed
  unseen = 0;
  top = -1; // where it was scrolled to; -1 = at the end
  typing = "";
  looking = "";
  /** @type {Set<string>} */
  others = new Set(); // kinds of changes to be looked at
  timer = 0;

  connectedCallback() {
    if (!this.thread) this.start();
    this.show();
  }

  start() {
    this.chat = Number(this.dataset.chat);
    this.scroller = $(".scroller", this);
    this.thread = new Thread(this.scroller);
    this.composer = new Composer(this);
    sizes(this);
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    on(this, "click", "[data-do]", (_, button) => this.do(button.dataset.do, button));
    on(this, "click", "[data-jump]", (e, link) => {
      e.preventDefault();
      this.jump(link.dataset.jump);
    });
    on(this, "click", "[data-react]", (_, button) => this.react(button.closest(".message"), button.dataset.react));
    on(this, "submit", "[data-close-form]", (e) => {
      e.preventDefault();
      this.close();
    });
    on(this, "keydown", ".message", (e, m) => this.key(e, m));
  }

  /** What happens each time that it is put into the page. */
  show() {
    const at = this.dataset.at;
    delete this.dataset.at;
    requestAnimationFrame(() => {
      if (!this.isConnected) return;
      if (at) this.flash(at);
      else if (this.top >= 0 && !this.thread.pinned) this.scroller.scrollTop = this.top;
      else this.thread.toEnd();
    });
    if (this.stale) this.refresh(true);
  }

  /** What is to be kept when another chat is put in its place. */
  hide() {
    this.top = this.thread.pinned ? -1 : this.scroller.scrollTop;
  }

  get waiting() {
    return this.composer.busy;
  }

  scrolled() {
    if (this.thread.atEnd()) this.seen();
    this.pill();
    if (this.busy) return;
    const s = this.scroller;
    if (this.thread.older && s.scrollTop < 600) this.more("older");
    else if (this.thread.newer && s.scrollHeight - s.scrollTop - s.clientHeight < 600) this.more("newer");
  }

  /** @param {"older"|"newer"} which */
  async more(which) {
    const from = which === "older" ? this.thread.first() : this.thread.last();
    if (!from) return;
    this.busy = true;
    try {
      const html = parse(await fetchHTML(`/inbox/${this.chat}/messages?${which === "older" ? "before" : "after"}=${from}`));
      if (which === "older") this.thread.takeOlder(html);
      else this.thread.takeNewer(html);
      sizes(this);
    } catch (e) {
      toast(/** @type {Error} */ (e).message, { error: true });
    } finally {
      setTimeout(() => {
        this.busy = false;
        this.scrolled(); // what came may be too little to scroll
      }, 50);
    }
  }

  seen() {
    if (this.unseen) this.unseen = 0;
  }

  pill() {
    const pill = $(".pill", this);
    pill.hidden = this.thread.atEnd();
    $("[data-pill]", pill).textContent = this.unseen > 0 ? tn("inbox.js.new", this.unseen) : t("inbox.js.newest");
    pill.classList.toggle("has-news", this.unseen > 0);
  }

  /**
   * The server says that something changed here.
   * @param {{kind?: string, message?: number|string}} [change]
   */
  changed(change = {}) {
    if (!this.isConnected) {
      this.stale = true;
      return;
    }
    const old = change.message ? $(`[data-id="${change.message}"]`, this.thread.list) : null;
    if (old && this.thread.messages().slice(-tailSize).indexOf(old) < 0) {
      this.refreshOne(old.dataset.uid);
      return;
    }
    this.others.add(change.kind ?? "");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(this.others.has("chat") || this.others.has("resync")), 60);
  }

  /** @param {string} uid */
  async refreshOne(uid) {
    try {
      this.thread.takeOne(parse(await fetchHTML(`/inbox/${this.chat}/messages?uid=${uid}`)));
    } catch {
      this.stale = true;
    }
  }

  /** Fetches the last messages, and with whole what stands above and below them. @param {boolean} [whole] */
  async refresh(whole = false) {
    if (this.refreshing) {
      this.again = true;
      return;
    }
    this.refreshing = true;
    this.others.clear();
    try {
      const html = parse(await fetchHTML(whole ? `/inbox/${this.chat}/conversation` : `/inbox/${this.chat}/messages`));
      this.stale = false;
      if (whole) this.head(html);
      const fresh = this.thread.takeTail(html);
      sizes(this);
      if (fresh.length > 0) {
        if (!this.thread.atEnd()) this.unseen += fresh.length;
        this.dispatchEvent(new CustomEvent("news", { bubbles: true, detail: fresh.length }));
      }
      this.pill();
    } catch {
      this.stale = true; // tried again with the next notice, or when it is shown
    } finally {
      this.refreshing = false;
      if (this.again) {
        this.again = false;
        this.changed({ kind: "chat" });
      }
    }
  }

  /** @param {DocumentFragment} html */
  head(html) {
    const next = $("chat-conversation", html);
    for (const name of ["name", "phone", "unread", "closed", "mine"]) this.dataset[name] = next.dataset[name];
    const expanded = $('[data-do="panel"]', this).getAttribute("aria-expanded");
    morph($(".chat-head", this), $(".chat-head", next));
    $('[data-do="panel"]', this).setAttribute("aria-expanded", expanded);
    this.people(this.typing, this.looking);
    this.composer.update($(".composer", next));
  }

  /** Says who is typing, or who of the team looks here too; "" = nobody. @param {string} typing @param {string} looking */
  people(typing, looking) {
    this.typing = typing;
    this.looking = looking;
    const line = $("[data-typing]", this);
    line.textContent = typing;
    line.hidden = typing === "";
    $("[data-line]", this).hidden = !line.hidden;
    const badge = $("[data-looking]", this);
    badge.hidden = looking === "";
    badge.title = looking;
    $(".sr-only", badge).textContent = looking;
  }

  /** @param {string} what @param {HTMLElement} button */
  async do(what, button) {
    const m = /** @type {HTMLElement|null} */ (button.closest(".message"));
    switch (what) {
      case "bottom":
        if (this.thread.newer) await this.latest();
        this.thread.toEnd();
        this.seen();
        this.pill();
        break;
      case "reply":
        if (m) this.composer.reply(m);
        break;
      case "react":
        if (m) this.pick(m, button);
        break;
      case "copy":
        if (m) await this.copy(m);
        break;
      case "again":
        if (m) await this.repeat(m, button);
        break;
      case "take":
        await this.change({ assignee: $("#inbox").dataset.email });
        break;
    }
  }

  async latest() {
    const html = parse(await fetchHTML(`/inbox/${this.chat}/messages`));
    this.thread.replace($("ol.thread", html));
  }

  /** @param {HTMLElement} m */
  async copy(m) {
    try {
      await navigator.clipboard.writeText($(".text", m)?.textContent ?? "");
      toast(t("ui.js.copied"));
    } catch {
      toast(t("ui.js.copyFailed"), { error: true });
    }
  }

  /** @param {HTMLElement} m @param {HTMLElement} button */
  async repeat(m, button) {
    button.setAttribute("aria-busy", "true");
    m.dataset.key ??= uuid();
    try {
      await act(`/inbox/${this.chat}/messages/${m.dataset.uid}/again`, { body: { key: m.dataset.key } });
      delete m.dataset.key;
      this.thread.toEnd();
      await this.refresh();
    } catch (e) {
      toast(/** @type {Error} */ (e).message, { error: true });
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  /** @param {HTMLElement} m @param {HTMLElement} button */
  async pick(m, button) {
    const { pickEmoji } = await import("./emoji.js");
    const own = $(".reaction.own span", m)?.textContent ?? "";
    pickEmoji(button, (emoji) => this.react(m, emoji === own ? "" : emoji), { quick: true });
  }

  /** @param {HTMLElement} m @param {string} emoji */
  async react(m, emoji) {
    try {
      await act(`/inbox/${this.chat}/messages/${m.dataset.uid}/react`, { body: { emoji } });
      this.refreshOne(m.dataset.uid ?? "");
    } catch (e) {
      toast(/** @type {Error} */ (e).message, { error: true });
    }
  }

  /** Changes the chat and says so. @param {Record<string, any>} what */
  async change(what) {
    try {
      const answer = await act(`/inbox/${this.chat}/change`, { body: what });
      toast(answer.message);
      await this.refresh(true);
      this.dispatchEvent(new CustomEvent("changed", { bubbles: true, detail: what }));
      return true;
    } catch (e) {
      toast(/** @type {Error} */ (e).message, { error: true });
      return false;
    }
  }

  close() {
    return this.change({ closed: this.dataset.closed !== "true" });
  }

  /** Shows a message, wherever it is. @param {string} uid */
  async jump(uid) {
    if (!document.getElementById(`m-${uid}`)) {
      try {
        const html = parse(await fetchHTML(`/inbox/${this.chat}/messages?around=${uid}`));
        this.thread.replace($("ol.thread", html));
        sizes(this);
      } catch {
        toast(t("inbox.js.not_there"), { error: true });
        return;
      }
    }
    this.flash(uid);
  }

  /** @param {string} uid */
  flash(uid) {
    const m = document.getElementById(`m-${uid}`);
    if (!m) return;
    this.thread.pinned = false;
    m.scrollIntoView({ block: "center" });
    m.focus({ preventScroll: true });
    m.classList.add("found");
    setTimeout(() => m.classList.remove("found"), 2500);
    this.pill();
  }

  /** Arrows go from message to message. @param {KeyboardEvent} e @param {HTMLElement} m */
  key(e, m) {
    if (e.target !== m || e.ctrlKey || e.metaKey || e.altKey) return;
    const list = this.thread.messages();
    const at = list.indexOf(m);
    const goal = { ArrowUp: list[at - 1], ArrowDown: list[at + 1], Home: list[0], End: list.at(-1) }[e.key];
    if (goal) {
      e.preventDefault();
      goal.focus();
    }
  }

  /** The message that has focus, else the last one. */
  chosen() {
    const focused = document.activeElement?.closest(".message");
    const list = this.thread.messages();
    return focused && this.contains(focused) ? /** @type {HTMLElement} */ (focused) : list.findLast((m) => m.classList.contains("in")) ?? list.at(-1);
  }
}

customElements.define("chat-conversation", ChatConversation);
