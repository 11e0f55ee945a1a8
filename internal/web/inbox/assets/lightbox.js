// Pictures as large as the window, one after the other.
import { $, $$, on } from "../ui/dom.js";
import { open } from "../ui/dialog.js";

/** @type {HTMLAnchorElement[]} */
let pictures = [];
let at = 0;

/** @param {number} i */
function show(i) {
  at = Math.min(pictures.length - 1, Math.max(0, i));
  const box = $("#lightbox");
  const link = pictures[at];
  const img = $("img", box);
  img.src = link.href;
  img.alt = $("img", link)?.alt ?? "";
  const save = $("[data-lightbox-save]", box);
  save.href = `${link.href}&save=1`;
  save.setAttribute("download", "");
  $('[data-lightbox="back"]', box).disabled = at === 0;
  $('[data-lightbox="next"]', box).disabled = at === pictures.length - 1;
}

/** Listens for pictures to be opened. */
export function lightbox() {
  const box = $("#lightbox");
  on(document, "click", "[data-lightbox-open]", (e, link) => {
    if (e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    pictures = $$("[data-lightbox-open]", link.closest(".thread, .panel") ?? document);
    show(pictures.indexOf(link));
    open(box);
  });
  on(box, "click", "[data-lightbox]", (_, button) => show(at + (button.dataset.lightbox === "next" ? 1 : -1)));
  box.addEventListener("keydown", (/** @type {KeyboardEvent} */ e) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (step) show(at + step);
  });
}
