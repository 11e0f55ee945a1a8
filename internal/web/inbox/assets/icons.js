// The icons that scripts put into the page: copies of those that the page has.
import { $ } from "../ui/dom.js";

/** Gives an icon of the page's store of icons. @param {string} name @returns {Node} */
export function icon(name) {
  return $(`#icons [data-icon="${name}"] > svg`).cloneNode(true);
}
