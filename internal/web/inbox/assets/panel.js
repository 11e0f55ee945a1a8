// The side panel: who a chat is with, labels, who is responsible, notes, files.
import { $, $$, morph, on, parse } from "../ui/dom.js";
import { act, fetchHTML } from "../ui/act.js";
import { toast } from "../ui/toast.js";

export class Panel {
  /** @param {() => any} conversation gives the open ChatConversation, if any */
  constructor(conversation) {
    this.root = /** @type {HTMLElement} */ ($("#side-pane"));
    this.conversation = conversation;
    this.chat = 0;
    on(this.root, "click", "[data-do]", (_, button) => this.do(button));
    on(this.root, "change", "[data-assignee]", (_, select) => this.conversation()?.change({ assignee: select.value }));
    on(this.root, "submit", "[data-name-form]", (e, form) => {
      e.preventDefault();
      this.conversation()?.change({ name: form.elements.name.value });
    });
    on(this.root, "submit", "[data-label-form]", (e, form) => {
      e.preventDefault();
      const label = form.elements.label.value.trim();
      if (label && !this.labels().includes(label)) this.label([...this.labels(), label]);
      form.elements.label.value = "";
    });
  }

  get shown() {
    return !this.root.hidden;
  }

  labels() {
    return $$("[data-label]", this.root).map((/** @type {HTMLElement} */ e) => e.dataset.label ?? "");
  }

  /** @param {string[]} labels */
  async label(labels) {
    try {
      await act(`/inbox/${this.chat}/labels`, { body: { labels } });
      await this.refresh();
      $("#panel-label", this.root)?.focus();
    } catch (e) {
      toast(/** @type {Error} */ (e).message, { error: true });
    }
  }

  /** @param {HTMLElement} button */
  do(button) {
    const conversation = this.conversation();
    switch (button.dataset.do) {
      case "unlabel":
        this.label(this.labels().filter((label) => label !== /** @type {HTMLElement} */ (button.closest("[data-label]")).dataset.label));
        break;
      case "unread":
        conversation?.change({ read: false });
        break;
      case "close":
        conversation?.close();
        break;
    }
  }

  /** @param {number} chat */
  async show(chat) {
    this.root.hidden = false;
    $("#inbox").classList.add("has-panel");
    if (this.chat !== chat) {
      this.chat = chat;
      this.root.replaceChildren();
    }
    await this.refresh();
  }

  hide() {
    this.root.hidden = true;
    $("#inbox").classList.remove("has-panel");
  }

  async refresh() {
    if (!this.shown || !this.chat) return;
    const { chat } = this;
    try {
      const html = parse(await fetchHTML(`/inbox/${chat}/panel`));
      if (chat !== this.chat) return;
      if (this.root.childElementCount === 0) this.root.replaceChildren(html);
      else morph(this.root, html);
    } catch {
      // What is shown stays; the next notice asks again.
    }
  }
}
