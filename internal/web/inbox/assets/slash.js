// Text templates: "/" at the beginning of a message looks for one.
import { $, el } from "../ui/dom.js";
import { act } from "../ui/act.js";
import { t } from "../ui/texts.js";

export class Slash {
  /** @param {any} composer */
  constructor(composer) {
    this.composer = composer;
    this.box = $(".slash", composer.form);
    this.box.id = `slash-${composer.chat}`;
    /** @type {{id: number, name: string, text: string}[]} */
    this.found = [];
    this.at = 0;
    this.asked = "";
    this.turn = 0;
  }

  get open() {
    return !this.box.hidden;
  }

  close() {
    this.box.hidden = true;
    this.found = [];
    this.composer.text.removeAttribute("aria-activedescendant");
    this.composer.text.removeAttribute("aria-controls");
  }

  input() {
    const match = /^\/([^\n]{0,60})$/.exec(this.composer.text.value);
    if (!match) {
      if (this.open) this.close();
      return;
    }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(match[1].trim()), 120);
  }

  /** @param {string} search */
  async look(search) {
    const turn = ++this.turn;
    try {
      const { templates } = await act(`/inbox/templates?${new URLSearchParams({ q: search, chat: String(this.composer.chat) })}`);
      if (turn !== this.turn || !this.composer.text.value.startsWith("/")) return;
      this.found = templates;
      this.at = 0;
      this.draw();
    } catch {
      this.close();
    }
  }

  draw() {
    this.box.hidden = false;
    const id = this.box.id;
    this.box.replaceChildren(this.found.length === 0
      ? el("p", { class: "muted small" }, t("inbox.js.no_templates"))
      : el("ul", { role: "listbox", id: `${id}-list`, "aria-label": t("inbox.js.templates") }, ...this.found.map((found, i) =>
        el("li", { role: "option", id: `${id}-${i}`, "aria-selected": String(i === this.at), onmousedown: (/** @type {Event} */ e) => {
          e.preventDefault();
          this.use(i);
        } }, el("b", { class: "clip" }, found.name), el("span", { class: "clip muted" }, found.text)))));
    const { text } = this.composer;
    if (this.found.length > 0) {
      text.setAttribute("aria-controls", `${id}-list`);
      text.setAttribute("aria-activedescendant", `${id}-${this.at}`);
      $(`#${id}-${this.at}`, this.box)?.scrollIntoView({ block: "nearest" });
    }
  }

  /** @param {KeyboardEvent} e @returns {boolean} whether the key was for the list */
  key(e) {
    if (!this.open) return false;
    if (e.key === "Escape") {
      this.close();
    } else if (this.found.length > 0 && (e.key === "ArrowDown" || e.key === "ArrowUp")) {
      this.at = (this.at + (e.key === "ArrowDown" ? 1 : this.found.length - 1)) % this.found.length;
      this.draw();
    } else if (this.found.length > 0 && (e.key === "Enter" || e.key === "Tab")) {
      this.use(this.at);
    } else {
      return false;
    }
    e.preventDefault();
    return true;
  }

  /** @param {number} i */
  use(i) {
    const { id, text } = this.found[i];
    this.composer.text.value = text; // the server has filled in its places
    this.close();
    this.composer.text.focus();
    this.composer.input();
    act(`/inbox/templates/${id}/used`, { method: "POST" }).catch(() => {});
  }
}
