// The dialog that begins a chat with a number.
import { $ } from "../ui/dom.js";
import { act } from "../ui/act.js";
import { toast } from "../ui/toast.js";
import { uuid } from "./ids.js";

/** @param {(chat: number) => void} opened */
export function newChat(opened) {
  const form = /** @type {HTMLFormElement} */ ($("#new-chat-form"));
  let key = uuid();
  form.addEventListener("input", () => (key = uuid()));
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    const button = $("button.primary", form);
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    const data = Object.fromEntries(new FormData(form));
    try {
      const answer = await act("/inbox/new", { body: { ...data, key } });
      form.closest("dialog")?.close();
      form.reset();
      key = uuid();
      opened(answer.chat);
    } catch (error) {
      const { message, fields = [] } = /** @type {any} */ (error);
      const input = /** @type {any} */ (form.elements.namedItem(fields[0]?.path ?? ""));
      input?.focus();
      toast(message, { error: true });
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
}
