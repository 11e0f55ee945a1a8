// The composer: what somebody writes, with what, and where it stays until the
// server has it.
import { $, el, on } from "../ui/dom.js";
import { toast } from "../ui/toast.js";
import { t } from "../ui/texts.js";
import { typing } from "../live/live.js";
import { Outbox } from "./outbox.js";
import { Slash } from "./slash.js";
import { Tray } from "./uploads.js";
import { Recorder } from "./record.js";

const warnFrom = 200; // characters left from which on they are counted

/** @param {string} key @param {string} [value] */
function stored(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    if (value === "") localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // A browser may refuse; a draft is then kept while the page is open.
  }
  return null;
}

export class Composer {
  /** @param {any} conversation a ChatConversation */
  constructor(conversation) {
    this.conversation = conversation;
    this.chat = conversation.chat;
    this.form = /** @type {HTMLFormElement} */ ($(".composer", conversation));
    this.text = /** @type {HTMLTextAreaElement} */ ($("textarea", this.form));
    this.limit = Number(this.form.dataset.limit);
    this.blocked = this.form.hasAttribute("data-blocked");
    this.noting = this.blocked;
    this.replyTo = "";
    this.outbox = new Outbox(conversation);
    this.tray = new Tray(this);
    this.recorder = new Recorder(this);
    this.slash = new Slash(this);
    // Others may use this browser too, and their drafts are theirs.
    this.draft = `draft:${$("#inbox").dataset.member}:${this.chat}`;
    this.text.value = stored(this.draft) ?? "";
    const enter = /** @type {HTMLInputElement} */ ($("[data-enter]", this.form));
    enter.checked = stored("enter") !== "no";
    enter.addEventListener("change", () => stored("enter", enter.checked ? "" : "no"));
    this.enter = enter;
    this.form.addEventListener("submit", (e) => {
      e.preventDefault();
      this.send();
    });
    this.text.addEventListener("input", () => this.input());
    this.text.addEventListener("keydown", (e) => this.key(e));
    on(this.form, "click", "[data-do]", (_, button) => this.do(button.dataset.do, button));
    this.grow();
  }

  get busy() {
    return this.outbox.waiting > 0 || this.tray.items.length > 0 || this.recorder.on;
  }

  /** Takes over what the server says of a chat that was open. @param {HTMLElement} next */
  update(next) {
    if (next.hasAttribute("data-blocked") === this.blocked) {
      const lines = /** @type {HTMLElement[]} */ ([...this.form.querySelectorAll(":scope > .composer-line")]);
      lines.forEach((line) => line.remove());
      this.form.prepend(...next.querySelectorAll(":scope > .composer-line"));
      return;
    }
    if (this.busy) return;
    this.form.replaceWith(next);
    this.conversation.composer = new Composer(this.conversation);
  }

  input() {
    this.grow();
    this.slash.input();
    // Notes are nobody's business outside of the team.
    if (!this.noting) typing(this.chat, this.text.value.trim() === "" ? "looking" : "typing");
    clearTimeout(this.saving);
    this.saving = setTimeout(() => stored(this.draft, this.text.value), 300);
  }

  grow() {
    this.text.style.blockSize = "auto";
    this.text.style.blockSize = `${Math.min(this.text.scrollHeight + 2, 220)}px`;
    const left = this.limit - [...this.text.value].length;
    const count = $("[data-count]", this.form);
    count.hidden = this.noting || left > warnFrom;
    count.textContent = t("inbox.js.left", { n: left });
    count.classList.toggle("over", left < 0);
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    if (this.slash.key(e)) return;
    if (e.key === "Enter" && !e.isComposing) {
      const send = this.enter.checked ? !e.shiftKey : e.ctrlKey || e.metaKey;
      if (send) {
        e.preventDefault();
        this.send();
      }
    } else if (e.key === "Escape") {
      if (this.replyTo) this.noReply();
      else if (this.noting && !this.blocked) this.note(false);
      else this.text.blur();
    }
  }

  /** @param {string} what @param {HTMLElement} button */
  async do(what, button) {
    switch (what) {
      case "attach":
        $("[data-files]", this.form).click();
        break;
      case "note":
        this.note(!this.noting);
        this.text.focus();
        break;
      case "no-reply":
        this.noReply();
        break;
      case "emoji": {
        const { pickEmoji } = await import("./emoji.js");
        pickEmoji(button, (emoji) => this.insert(emoji));
        break;
      }
      case "record":
        this.recorder.start();
        break;
      case "record-send":
        this.recorder.finish(true);
        break;
      case "record-drop":
        this.recorder.finish(false);
        break;
    }
  }

  /** @param {string} text */
  insert(text) {
    this.text.focus();
    this.text.setRangeText(text, this.text.selectionStart, this.text.selectionEnd, "end");
    this.input();
  }

  /** Writes notes, which only the team sees, or messages. @param {boolean} on */
  note(on) {
    if (this.blocked) return;
    this.noting = on;
    this.form.classList.toggle("note-mode", on);
    $('[data-do="note"]', this.form).setAttribute("aria-pressed", String(on));
    this.text.placeholder = (on ? this.text.dataset.note : this.text.dataset.message) ?? "";
    if (on) this.noReply();
    this.grow();
  }

  /** @param {HTMLElement} m */
  reply(m) {
    if (this.blocked || !$('[data-do="reply"]', m)) return;
    this.note(false);
    this.replyTo = m.dataset.uid ?? "";
    const bar = $(".reply-bar", this.form);
    $("[data-reply-who]", bar).textContent = $(".sender", m)?.textContent.trim() || (m.classList.contains("in") ? this.conversation.dataset.name : t("inbox.js.you"));
    $("[data-reply-text]", bar).textContent = ($(".text", m) ?? $(".document .clip", m))?.textContent ?? $("[alt]", m)?.getAttribute("alt") ?? $("voice-player", m)?.dataset.name ?? "";
    bar.hidden = false;
    this.text.focus();
  }

  noReply() {
    this.replyTo = "";
    $(".reply-bar", this.form).hidden = true;
  }

  /** The answered message's uid, which is answered once. */
  takeReply() {
    const uid = this.replyTo;
    this.noReply();
    return uid;
  }

  async send() {
    const text = this.text.value.trim();
    if (!this.noting && [...text].length > this.limit) {
      toast(t("inbox.js.too_long", { n: this.limit }), { error: true });
      return;
    }
    if (this.noting) {
      if (text === "") return;
      this.clear();
      this.outbox.add({ path: "note", body: { text }, shown: text, note: true });
      return;
    }
    const files = this.tray.take();
    if (text === "" && files.length === 0) return;
    const reply = this.takeReply();
    this.clear();
    if (files.length === 0) {
      this.outbox.add({ path: "send", body: { text, reply_to: reply }, shown: text });
    }
    files.forEach((file, i) => {
      const first = i === 0;
      this.outbox.add({
        path: "send", body: { text: first ? text : "", reply_to: first ? reply : "" }, shown: first ? text : "", file,
      });
    });
  }

  clear() {
    this.text.value = "";
    clearTimeout(this.saving);
    stored(this.draft, "");
    this.grow();
    this.slash.close();
    typing(this.chat, "looking");
  }

  /** Says what was refused above the composer. @param {string} message */
  complain(message) {
    this.form.prepend(el("p", { class: "composer-line warn", role: "alert" }, el("span", {}, message)));
    setTimeout(() => $(".composer-line[role=alert]", this.form)?.remove(), 10000);
  }
}
