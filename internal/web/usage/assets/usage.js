// The queue shows what happens while somebody looks.
import { $ } from "../ui/dom.js";
import { refresh } from "../ui/page.js";
import { listen } from "../live/live.js";

const pause = 1500; // ms: a queue that moves tells of every message

let planned = 0;
let running = false;

function soon() {
  if (planned || !$("[data-live]")) return;
  planned = window.setTimeout(show, pause);
}

async function show() {
  planned = 0;
  if (running || document.hidden || $("dialog[open]")) {
    soon();
    return;
  }
  running = true;
  try {
    await refresh();
  } catch {
    // The page says by itself that the server is away; the next notice may succeed.
  } finally {
    running = false;
  }
}

listen(["message", "queue", "account"], soon);
