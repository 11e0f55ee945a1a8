// What was sent from this page and is not on the server yet. One after the other,
// so that the order stays; each with a key, so that it is sent once, however often
// it is tried.
import { $, on } from "../ui/dom.js";
import { act } from "../ui/act.js";
import { t } from "../ui/texts.js";
import { uuid } from "./ids.js";

/**
 * @typedef {{path: string, body: Record<string, any>, shown: string, note?: boolean, file?: any,
 *   blob?: Blob, name?: string}} Sending
 * @typedef {Sending & {key: string, li: HTMLElement, state: "waits"|"refused"|"done"}} Entry
 */

const tries = 3;

export class Outbox {
  /** @param {any} conversation */
  constructor(conversation) {
    this.conversation = conversation;
    /** @type {Entry[]} */
    this.entries = [];
    this.running = false;
    on(conversation.scroller, "click", '[data-do="retry"], [data-do="drop"]', (_, button) => this.again(button));
  }

  get waiting() {
    return this.entries.length;
  }

  /** @param {Sending} what */
  add(what) {
    const li = /** @type {HTMLElement} */ ($("#pending-bubble").content.firstElementChild.cloneNode(true));
    $(".text", li).textContent = what.shown;
    $(".text", li).hidden = what.shown === "";
    li.classList.toggle("note", what.note === true);
    const name = what.file?.name ?? what.name;
    if (name) {
      $(".attached", li).hidden = false;
      $(".attached span", li).textContent = name;
    }
    const { thread } = this.conversation;
    if (thread.newer) this.conversation.latest();
    thread.list.append(li);
    thread.tidy();
    thread.toEnd();
    this.entries.push({ ...what, key: uuid(), li, state: "waits" });
    this.run();
  }

  async run() {
    if (this.running) return;
    this.running = true;
    for (let e = this.next(); e; e = this.next()) await this.send(e);
    this.running = false;
  }

  next() {
    return this.entries.find((e) => e.state === "waits");
  }

  /** @param {Entry} e */
  async send(e) {
    for (let n = 1; ; n++) {
      try {
        const answer = await this.post(e);
        e.state = "done";
        e.li.dataset.for = answer.uid;
        this.entries = this.entries.filter((other) => other !== e);
        if (document.getElementById(`m-${answer.uid}`)) e.li.remove();
        else await this.conversation.refresh();
        this.conversation.dispatchEvent(new CustomEvent("sent", { bubbles: true }));
        return;
      } catch (error) {
        const { status = 0, message } = /** @type {any} */ (error);
        // Not reached, or down for a moment: the key lets it be tried again.
        if ((status === 0 || status >= 502) && n < tries && !e.file?.failed) {
          $(".state", e.li).textContent = t("inbox.js.trying");
          await new Promise((done) => setTimeout(done, 1000 * n * n));
          continue;
        }
        e.state = "refused";
        $(".refused", e.li).hidden = false;
        $(".refused p", e.li).textContent = message;
        $(".meta", e.li).hidden = true;
        this.conversation.thread.toEnd();
        return;
      }
    }
  }

  /** @param {Entry} e */
  async post(e) {
    const base = `/inbox/${this.conversation.chat}`;
    if (e.blob) {
      const q = new URLSearchParams({ key: e.key, name: e.name ?? "", reply_to: e.body.reply_to ?? "" });
      const response = await fetch(`${base}/voice?${q}`, { method: "POST", body: e.blob, headers: { Accept: "application/json", "Content-Type": e.blob.type } });
      const answer = await response.json().catch(() => null);
      if (!response.ok) throw Object.assign(new Error(answer?.error?.message ?? t("ui.js.failed")), { status: response.status });
      return answer;
    }
    const body = { ...e.body };
    if (e.file) {
      body.file = await e.file.uploaded;
      if (!e.file.inline) body.document = true;
    }
    if (!e.note) body.key = e.key;
    return act(`${base}/${e.path}`, { body });
  }

  /** @param {HTMLElement} button */
  again(button) {
    const e = this.entries.find((entry) => entry.li.contains(button));
    if (!e) return;
    if (button.dataset.do === "drop") {
      e.li.remove();
      this.entries = this.entries.filter((other) => other !== e);
      return;
    }
    $(".refused", e.li).hidden = true;
    $(".meta", e.li).hidden = false;
    $(".state", e.li).textContent = t("inbox.js.trying");
    if (e.file?.failed) e.file.retry();
    e.state = "waits";
    this.run();
  }
}
