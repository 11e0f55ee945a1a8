// The texts that scripts need, in the member's language. The page brings them along.
import { $ } from "./dom.js";

/** @type {Record<string, string>} */
const texts = JSON.parse($("#texts")?.textContent || "{}");

/**
 * Gives a text with its places filled in.
 * @param {string} key
 * @param {Record<string, string|number>} [args]
 * @returns {string}
 */
export function t(key, args = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (place, name) => String(args[name] ?? place));
}

/**
 * Gives the text for a count, of "key.one" and "key.other".
 * @param {string} key
 * @param {number} n
 * @param {Record<string, string|number>} [args]
 */
export function tn(key, n, args = {}) {
  return t(`${key}.${n === 1 ? "one" : "other"}`, { n, ...args });
}
