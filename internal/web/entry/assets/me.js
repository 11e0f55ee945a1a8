// The appearance, which is this browser's own. ui/theme.js applies it on every page.
import { $, $$, on } from "../ui/dom.js";

const key = "theme";
const choice = $("#appearance");

/** @returns {string} "light", "dark", or "" for the system's */
function chosen() {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

if (choice) {
  choice.hidden = false;
  for (const radio of $$("input", choice)) radio.checked = radio.value === chosen();
  on(choice, "change", "input", (_, radio) => {
    try {
      if (radio.value) localStorage.setItem(key, radio.value);
      else localStorage.removeItem(key);
    } catch {
      // Storage may be forbidden; then it holds for this page only.
    }
    if (radio.value) document.documentElement.dataset.theme = radio.value;
    else delete document.documentElement.dataset.theme;
  });
}
