// Files that are to be sent: by the button, dropped or pasted; uploaded while the
// text is still being written.
import { $, on } from "../ui/dom.js";
import { act } from "../ui/act.js";
import { toast } from "../ui/toast.js";
import { t } from "../ui/texts.js";
import { size } from "./format.js";
import { icon } from "./icons.js";

const maxFiles = 10;

/** One file on its way to the server. */
class Upload {
  /** @param {File} file @param {HTMLElement} li */
  constructor(file, li) {
    this.file = file;
    this.name = file.name || t("inbox.js.pasted");
    this.li = li;
    this.failed = false;
    this.inline = /^(image\/(jpeg|png|gif|webp)|video\/|audio\/)/.test(file.type);
    this.preview = "";
    if (/^image\/(jpeg|png|gif|webp|avif)/.test(file.type)) {
      const img = document.createElement("img");
      img.src = this.preview = URL.createObjectURL(file);
      img.alt = "";
      $(".preview", li).replaceChildren(img);
    } else {
      $(".preview", li).replaceChildren(icon("file"));
    }
    $("[data-name]", li).textContent = this.name;
    /** @type {Promise<string>} */
    this.uploaded = this.start();
    this.uploaded.catch(() => {});
  }

  retry() {
    this.uploaded = this.start();
    this.uploaded.catch(() => {});
  }

  /** Sends the bytes; resolves with the uid. @returns {Promise<string>} */
  start() {
    this.failed = false;
    const state = $("[data-state]", this.li);
    const progress = /** @type {HTMLProgressElement} */ ($("progress", this.li));
    progress.setAttribute("aria-label", t("inbox.js.uploading", { name: this.name }));
    return new Promise((resolve, reject) => {
      const xhr = new XMLHttpRequest();
      this.xhr = xhr;
      xhr.open("POST", `/inbox/upload?${new URLSearchParams({ name: this.name })}`);
      xhr.setRequestHeader("Accept", "application/json");
      xhr.setRequestHeader("Content-Type", this.file.type || "application/octet-stream");
      xhr.upload.onprogress = (e) => {
        if (!e.lengthComputable) return;
        progress.value = e.loaded / e.total;
        state.textContent = `${size(e.loaded)} / ${size(e.total)}`;
      };
      const fail = (/** @type {string} */ message, /** @type {number} */ status) => {
        this.failed = true;
        this.li.classList.add("failed");
        state.textContent = message;
        reject(Object.assign(new Error(message), { status }));
      };
      xhr.onerror = () => fail(t("ui.js.offline"), 400);
      xhr.onabort = () => fail(t("inbox.js.upload_stopped"), 400);
      xhr.onload = () => {
        let answer = null;
        try {
          answer = JSON.parse(xhr.responseText);
        } catch {
          // Not our server's answer.
        }
        if (xhr.status !== 200 || !answer?.uid) {
          fail(answer?.error?.message ?? t("ui.js.failed"), xhr.status);
          return;
        }
        progress.value = 1;
        state.textContent = size(answer.size);
        this.uid = answer.uid;
        this.inline = answer.inline;
        this.li.classList.remove("failed");
        resolve(answer.uid);
      };
      xhr.send(this.file);
    });
  }

  /** Takes the file back. */
  drop() {
    this.xhr?.abort();
    if (this.uid) act(`/inbox/upload/${this.uid}/discard`, { method: "POST" }).catch(() => {});
    this.clear();
  }

  clear() {
    if (this.preview) URL.revokeObjectURL(this.preview);
    this.li.remove();
  }
}

/** The files that go with the next message. */
export class Tray {
  /** @param {any} composer */
  constructor(composer) {
    this.composer = composer;
    /** @type {Upload[]} */
    this.items = [];
    const form = composer.form;
    this.list = $(".tray", form);
    const input = $("[data-files]", form);
    input?.addEventListener("change", () => {
      this.add([...input.files]);
      input.value = "";
    });
    composer.text.addEventListener("paste", (/** @type {ClipboardEvent} */ e) => {
      const files = [...(e.clipboardData?.files ?? [])];
      if (files.length === 0) return;
      e.preventDefault();
      this.add(files);
    });
    on(this.list, "click", '[data-do="remove-upload"]', (_, button) => this.remove(button));
    const { conversation } = composer;
    if (composer.blocked || conversation.dropping) return;
    conversation.dropping = true;
    let depth = 0;
    const files = (/** @type {DragEvent} */ e) => e.dataTransfer?.types.includes("Files");
    conversation.addEventListener("dragenter", (/** @type {DragEvent} */ e) => {
      if (files(e) && ++depth > 0) conversation.classList.add("dropping");
    });
    conversation.addEventListener("dragleave", (/** @type {DragEvent} */ e) => {
      if (files(e) && --depth <= 0) conversation.classList.remove("dropping");
    });
    conversation.addEventListener("dragover", (/** @type {DragEvent} */ e) => files(e) && e.preventDefault());
    conversation.addEventListener("drop", (/** @type {DragEvent} */ e) => {
      if (!files(e)) return;
      e.preventDefault();
      depth = 0;
      conversation.classList.remove("dropping");
      conversation.composer.tray.add([...(e.dataTransfer?.files ?? [])]);
    });
  }

  /** @param {File[]} files */
  add(files) {
    if (this.composer.blocked) return;
    this.composer.note(false);
    for (const file of files) {
      if (this.items.length >= maxFiles) {
        toast(t("inbox.js.too_many", { n: maxFiles }), { error: true });
        break;
      }
      const li = /** @type {HTMLElement} */ ($("#upload-item").content.firstElementChild.cloneNode(true));
      this.list.append(li);
      this.items.push(new Upload(file, li));
    }
    this.list.hidden = this.items.length === 0;
    this.composer.text.focus();
  }

  /** @param {HTMLElement} button */
  remove(button) {
    const item = this.items.find((i) => i.li.contains(button));
    if (!item) return;
    item.drop();
    this.items = this.items.filter((i) => i !== item);
    this.list.hidden = this.items.length === 0;
    this.composer.text.focus();
  }

  /** Gives the files to be sent; what failed stays, to be seen. */
  take() {
    const taken = this.items.filter((i) => !i.failed);
    this.items = this.items.filter((i) => i.failed);
    for (const i of taken) i.clear();
    this.list.hidden = this.items.length === 0;
    return taken;
  }
}
