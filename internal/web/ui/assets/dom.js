// What every script does with the document.

/**
 * The first element that matches.
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {any}
 */
export const $ = (selector, root = document) => root.querySelector(selector);

/**
 * All elements that match.
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {any[]}
 */
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// Browsers that know Trusted Types let only this policy make HTML of a string.
// What it is given was rendered by our own server, which has escaped it.
const types = /** @type {any} */ (window).trustedTypes;
const policy = types?.createPolicy("tideline", { createHTML: (/** @type {string} */ s) => s });

/**
 * Makes nodes of HTML that our server rendered. Scripts in it do not run.
 * @param {string} html
 * @returns {DocumentFragment}
 */
export function parse(html) {
  const t = document.createElement("template");
  t.innerHTML = policy ? policy.createHTML(html) : html;
  return t.content;
}

/**
 * Makes a document of a whole page that our server rendered.
 * @param {string} html
 * @returns {Document}
 */
export function parsePage(html) {
  return new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");
}

/**
 * Listens on root for events of elements below it that match selector, also of
 * those that come later.
 * @param {EventTarget} root
 * @param {string} events separated by spaces
 * @param {string} selector
 * @param {(event: any, element: any) => void} fn
 */
export function on(root, events, selector, fn) {
  for (const event of events.split(" ")) {
    root.addEventListener(event, (e) => {
      const target = /** @type {Element|null} */ (e.target instanceof Element ? e.target : null);
      const found = target?.closest(selector);
      if (found) fn(e, found);
    });
  }
}

/**
 * Makes an element.
 * @param {string} name
 * @param {Record<string, any>} [attributes] "class", "aria-…", "data-…"; true and false for those without value; functions listen ("onclick")
 * @param {...(Node|string|null|undefined)} children
 * @returns {any}
 */
export function el(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") e.addEventListener(key.slice(2), value);
    else if (value === true) e.setAttribute(key, "");
    else if (value !== false && value != null) e.setAttribute(key, String(value));
  }
  e.append(...children.filter((c) => c != null));
  return e;
}

/**
 * Changes what is in target into content, keeping the elements that stay: those
 * with the same id, or of the same name in the same place. What somebody is typing
 * into, what has focus and what plays is left alone, and so is what is marked
 * data-keep.
 * @param {Element} target
 * @param {Node|string} content
 */
export function morph(target, content) {
  const from = typeof content === "string" ? parse(content) : content;
  children(target, from);
}

/** @param {Node} target @param {Node} from */
function children(target, from) {
  /** @type {Map<string, Element>} */
  const named = new Map();
  for (const node of target.childNodes) {
    if (node instanceof Element && node.id) named.set(node.id, node);
  }
  let at = target.firstChild;
  for (const next of [...from.childNodes]) {
    const id = next instanceof Element ? next.id : "";
    const old = id ? named.get(id) : at && same(at, next) ? at : null;
    if (old) {
      named.delete(id);
      if (old === at) at = at.nextSibling;
      else target.insertBefore(old, at);
      node(old, next);
    } else {
      target.insertBefore(next, at);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    target.removeChild(gone);
  }
}

/** @param {Node} a @param {Node} b */
function same(a, b) {
  if (a.nodeType !== b.nodeType || a.nodeName !== b.nodeName) return false;
  return !(a instanceof Element && b instanceof Element) || (!a.id && !b.id);
}

/** @param {Node} old @param {Node} next */
function node(old, next) {
  if (!(old instanceof Element) || !(next instanceof Element)) {
    if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
    return;
  }
  if (old.nodeName !== next.nodeName) {
    old.replaceWith(next);
    return;
  }
  if (old.hasAttribute("data-keep") || old.isEqualNode(next)) return;
  const typing = old === document.activeElement && old.matches("input, textarea, select");
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && !(name === "open" && old.matches("dialog, details"))) old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value && !(typing && name === "value")) old.setAttribute(name, value);
  }
  if (old.matches("audio, video") && !(/** @type {HTMLMediaElement} */ (old).paused)) return;
  if (!typing) children(old, next);
}
