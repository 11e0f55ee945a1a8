// The ticks of the first message, as they come.
import { $, morph } from "../ui/dom.js";
import { fetchHTML } from "../ui/act.js";
import { refresh } from "../ui/page.js";
import { listen } from "../live/live.js";

/**
 * Keeps the ticks as they are on the server. What comes while they are fetched is
 * fetched together afterwards.
 * @param {HTMLElement} ticks
 */
function follow(ticks) {
  let fetching = false;
  let more = false;
  const look = async () => {
    if (fetching) {
      more = true;
      return;
    }
    fetching = true;
    const sent = Boolean($(".badge.ok", ticks));
    try {
      morph(ticks, await fetchHTML("/start/message"));
      if (!sent && $(".badge.ok", ticks)) await refresh(); // the step is done, and the page shows it
    } catch {
      // The server is away for a moment; live.js says so, and that it is back.
    }
    if ($(".badge.info, .problems", ticks)) leave(); // read, or failed: nothing more will come
    fetching = false;
    if (more) {
      more = false;
      look();
    }
  };
  const leave = listen(["message"], look);
  look(); // it may have changed since the page was made
}

const ticks = $("#ticks");
if (ticks && ticks.dataset.over !== "true") follow(ticks);
