// Sets the appearance that was chosen in this browser before anything is painted.
"use strict";
(() => {
  let theme = "";
  try {
    theme = localStorage.getItem("theme") ?? "";
  } catch {
    // Storage may be forbidden; then the system's appearance holds.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
