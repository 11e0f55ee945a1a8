// Follows a pairing: asks every second whether there is another step to show.
import { $, morph } from "../ui/dom.js";

const every = 1000;
let asking = false;

async function look() {
  const step = $("#step");
  if (!step || asking || document.hidden) return;
  asking = true;
  try {
    const response = await fetch(`/numbers/pair/step?seen=${encodeURIComponent(step.dataset.seen)}`, {
      credentials: "same-origin", headers: { Accept: "text/html" },
    });
    if (response.status !== 200 || response.redirected) return;
    const html = await response.text();
    // Somebody may be typing a number while another tab begins a pairing.
    if (step.isConnected) {
      morph(step, html);
      step.dataset.seen = response.headers.get("X-Seen") ?? "";
    }
  } catch {
    // The server is away for now; the next time may succeed.
  } finally {
    asking = false;
  }
}

setInterval(look, every);
document.addEventListener("visibilitychange", look);
