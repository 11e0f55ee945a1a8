// The time zone: the browser's, and those to choose from.
import { $, el } from "../ui/dom.js";

const zone = $("#zone");
if (zone) {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  if (zone.hasAttribute("data-guess") && timeZone) zone.value = timeZone;
  $("#zones").append(...Intl.supportedValuesOf("timeZone").map((value) => el("option", { value })));
}
