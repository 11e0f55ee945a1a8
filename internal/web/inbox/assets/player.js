// The player of voice notes and audio: play, the shape of the sound, where one is in
// it, speed. Without a script the browser's own player stands here.
import { el } from "../ui/dom.js";
import { t } from "../ui/texts.js";
import { clock } from "./format.js";
import { icon } from "./icons.js";

const bars = 40;
const speeds = [1, 1.5, 2];
const SVG = "http://www.w3.org/2000/svg";

/** @type {HTMLAudioElement|null} */
let playing = null;
let speed = speeds[0];

class VoicePlayer extends HTMLElement {
  /** @type {HTMLAudioElement} */
  audio = /** @type {any} */ (null);
  seconds = 0; // as its sender says
  /** @type {HTMLElement} */
  button = /** @type {any} */ (null);
  /** @type {HTMLInputElement} */
  range = /** @type {any} */ (null);
  /** @type {SVGElement} */
  shape = /** @type {any} */ (null);
  /** @type {HTMLElement} */
  time = /** @type {any} */ (null);
  /** @type {HTMLElement} */
  faster = /** @type {any} */ (null);

  connectedCallback() {
    if (this.audio) return;
    this.setAttribute("data-keep", "");
    this.audio = /** @type {HTMLAudioElement} */ (this.querySelector("audio"));
    this.audio.removeAttribute("controls");
    this.seconds = Number(this.dataset.seconds) || 0;
    const name = this.dataset.name ?? "";
    this.button = el("button", { type: "button", class: "btn icon small primary", "aria-label": t("inbox.js.play", { name }), onclick: () => this.toggle() }, icon("play"));
    this.range = el("input", { type: "range", min: 0, max: 1000, step: 1, value: 0, "aria-label": t("inbox.js.position", { name }), oninput: () => this.seek() });
    this.range.addEventListener("keydown", (/** @type {KeyboardEvent} */ e) => this.key(e));
    this.shape = this.draw();
    this.time = el("span", { class: "small" }, this.seconds ? clock(this.seconds) : "");
    this.faster = el("button", { type: "button", class: "btn quiet small", onclick: () => this.next() });
    this.say();
    this.append(this.button, el("span", { class: "sound" }, this.shape, this.range), this.time, this.faster);
    this.audio.addEventListener("timeupdate", () => this.tell());
    this.audio.addEventListener("loadedmetadata", () => this.tell());
    this.audio.addEventListener("play", () => this.state(true));
    this.audio.addEventListener("pause", () => this.state(false));
    this.audio.addEventListener("ended", () => {
      this.audio.currentTime = 0;
      this.tell();
    });
    this.audio.addEventListener("error", () => {
      this.time.textContent = t("inbox.js.cant_play");
    });
  }

  get duration() {
    return Number.isFinite(this.audio.duration) && this.audio.duration > 0 ? this.audio.duration : this.seconds;
  }

  draw() {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${bars * 4} 32`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    let wave = "";
    try {
      wave = atob(this.dataset.wave ?? "");
    } catch {
      // A sender's phone may send anything.
    }
    for (let i = 0; i < bars; i++) {
      const loud = wave ? Math.min(100, wave.charCodeAt(Math.floor((i * wave.length) / bars))) : 18;
      const height = 3 + (loud / 100) * 27;
      const bar = document.createElementNS(SVG, "rect");
      bar.setAttribute("x", String(i * 4));
      bar.setAttribute("width", "2.4");
      bar.setAttribute("rx", "1.2");
      bar.setAttribute("y", String(16 - height / 2));
      bar.setAttribute("height", String(height));
      svg.append(bar);
    }
    return svg;
  }

  async toggle() {
    if (!this.audio.paused) {
      this.audio.pause();
      return;
    }
    playing?.pause();
    playing = this.audio;
    this.audio.playbackRate = speed;
    this.say();
    try {
      await this.audio.play();
    } catch {
      this.time.textContent = t("inbox.js.cant_play");
    }
  }

  /** @param {boolean} on */
  state(on) {
    this.button.replaceChildren(icon(on ? "pause" : "play"));
    this.button.setAttribute("aria-label", t(on ? "inbox.js.pause" : "inbox.js.play", { name: this.dataset.name ?? "" }));
  }

  seek() {
    if (this.duration) this.audio.currentTime = (Number(this.range.value) / 1000) * this.duration;
    this.tell();
  }

  /** Arrows go five seconds. @param {KeyboardEvent} e */
  key(e) {
    const step = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5 }[e.key];
    if (step === undefined) return;
    e.preventDefault();
    this.audio.currentTime = Math.min(this.duration, Math.max(0, this.audio.currentTime + step));
    this.tell();
  }

  next() {
    speed = speeds[(speeds.indexOf(speed) + 1) % speeds.length];
    this.say();
    this.audio.playbackRate = speed;
  }

  /** Says how fast it plays. */
  say() {
    this.faster.textContent = `${speed}×`;
    this.faster.setAttribute("aria-label", t("inbox.js.speed", { speed }));
  }

  tell() {
    const part = this.duration ? this.audio.currentTime / this.duration : 0;
    if (document.activeElement !== this.range || !this.range.matches(":active")) this.range.value = String(Math.round(part * 1000));
    this.range.setAttribute("aria-valuetext", `${clock(this.audio.currentTime)} / ${clock(this.duration)}`);
    this.time.textContent = clock(this.audio.currentTime > 0 ? this.audio.currentTime : this.duration);
    [...this.shape.children].forEach((bar, i) => bar.classList.toggle("played", i < part * bars));
  }
}

customElements.define("voice-player", VoicePlayer);
