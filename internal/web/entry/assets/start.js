// The ticks of the first message, as they come.
import { $, morph } from "../ui/dom.js";
import { fetchHTML } from "../ui/act.js";
import { refresh } from "../ui/page.js";

/** How long the message is watched, and how often it is looked at, in ms. */
const patience = 10 * 60 * 1000;
const pause = 1000;

/** @param {Element} ticks */
function watch(ticks) {
  const end = Date.now() + patience;
  let sent = Boolean(ticks.querySelector(".badge.ok"));
  const look = async () => {
    if (!document.hidden) {
      try {
        morph(ticks, await fetchHTML("/start/message"));
      } catch {
        // The server is away for a moment; the next look may find it.
      }
      if (!sent && ticks.querySelector(".badge.ok")) {
        sent = true; // the step is done, and the page shows it
        await refresh().catch(() => {});
      }
      if (!ticks.isConnected || ticks.querySelector(".badge.info, .problems")) return;
    }
    if (Date.now() < end) setTimeout(look, pause);
  };
  setTimeout(look, pause);
}

const ticks = $("#ticks");
if (ticks && ticks.dataset.over !== "true") watch(ticks);
