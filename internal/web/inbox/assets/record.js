// Recording a voice note.
import { $ } from "../ui/dom.js";
import { t } from "../ui/texts.js";
import { typing } from "../live/live.js";
import { clock } from "./format.js";

// What WhatsApp plays as it is comes first; the server makes the others fit, if it can.
const types = ["audio/ogg;codecs=opus", "audio/webm;codecs=opus", "audio/mp4"];
const longest = 15 * 60; // seconds

export class Recorder {
  /** @param {any} composer */
  constructor(composer) {
    this.composer = composer;
    this.on = false;
    this.bar = $(".recording", composer.form);
    if (!navigator.mediaDevices || !("MediaRecorder" in window)) $('[data-do="record"]', composer.form)?.remove();
  }

  async start() {
    if (this.on) return;
    this.on = true;
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
      this.on = false;
      this.composer.complain(t("inbox.js.no_microphone"));
      return;
    }
    const mimeType = types.find((type) => MediaRecorder.isTypeSupported(type));
    this.recorder = new MediaRecorder(this.stream, { mimeType, audioBitsPerSecond: 32000 });
    /** @type {Blob[]} */
    const parts = [];
    this.recorder.ondataavailable = (e) => parts.push(e.data);
    this.recorder.onstop = () => this.stopped(parts);
    this.recorder.start(1000);
    this.began = Date.now();
    $("[data-clock]", this.bar).textContent = clock(0);
    this.bar.hidden = false;
    $(".composer-row", this.composer.form).hidden = true;
    this.timer = setInterval(() => this.tick(), 250);
    $('[data-do="record-send"]', this.bar).focus();
  }

  tick() {
    typing(this.composer.chat, "recording");
    const seconds = (Date.now() - (this.began ?? 0)) / 1000;
    $("[data-clock]", this.bar).textContent = clock(seconds);
    if (seconds >= longest) this.finish(true);
  }

  /** Ends the recording, to send it or not. @param {boolean} send */
  finish(send) {
    if (!this.on || this.recorder?.state === "inactive") return;
    this.wanted = send;
    this.recorder?.stop();
  }

  /** @param {Blob[]} parts */
  stopped(parts) {
    clearInterval(this.timer);
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.on = false;
    typing(this.composer.chat, "looking");
    this.bar.hidden = true;
    $(".composer-row", this.composer.form).hidden = false;
    this.composer.text.focus();
    const type = (this.recorder?.mimeType || "audio/webm").split(";")[0];
    const blob = new Blob(parts, { type });
    if (!this.wanted || blob.size === 0) return;
    this.composer.outbox.add({
      path: "voice", body: { reply_to: this.composer.takeReply() }, shown: "", blob, name: `${t("inbox.js.voice")}.${type.split("/")[1]}`,
    });
  }
}
