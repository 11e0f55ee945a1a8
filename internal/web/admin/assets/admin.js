// Helps with what a browser knows: the names of time zones.
import { $, el } from "../ui/dom.js";

/** Fills the list of time zones; without it the field takes any text. */
function zones() {
  const list = $("#zones");
  const intl = /** @type {any} */ (Intl);
  if (!list || !intl.supportedValuesOf) return;
  list.replaceChildren(...["UTC", ...intl.supportedValuesOf("timeZone")].map((zone) => el("option", { value: zone })));
}

/** A workspace without a limit has no number of credits. */
function limit() {
  const box = $("#unlimited");
  const field = $("#credits");
  if (!box || !field) return;
  const apply = () => { field.disabled = box.checked; };
  box.addEventListener("change", apply);
  apply();
}

zones();
limit();
