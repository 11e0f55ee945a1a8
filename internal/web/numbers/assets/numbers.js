// Numbers as they fare while somebody looks.
import { $ } from "../ui/dom.js";
import { refresh } from "../ui/page.js";
import { listen } from "../live/live.js";

let planned = 0;

function soon() {
  if (planned) return;
  planned = window.setTimeout(async () => {
    planned = 0;
    if (document.hidden || $("dialog[open]")) return soon();
    try {
      await refresh();
    } catch {
      // The page says by itself that the server is away; the next notice may succeed.
    }
  }, 800);
}

listen(["account", "queue"], soon);
