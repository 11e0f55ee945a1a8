// Requests to our own server.
import { t } from "./texts.js";

/** What the server refused, in words for people. */
export class ActError extends Error {
  /**
   * @param {string} message
   * @param {number} status 0 = the server was not reached
   * @param {string} code
   * @param {{path: string, message: string}[]} fields
   */
  constructor(message, status, code, fields) {
    super(message);
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

/**
 * Sends a request and gives the JSON of the answer. An ActError says what went wrong.
 * @param {string} url
 * @param {{method?: string, body?: any, form?: FormData|URLSearchParams, signal?: AbortSignal, headers?: Record<string, string>}} [options] body becomes JSON
 * @returns {Promise<any>}
 */
export async function act(url, { method, body, form, signal, headers = {} } = {}) {
  const response = await reach(url, {
    method: method ?? (body !== undefined || form ? "POST" : "GET"),
    body: form ?? (body === undefined ? undefined : JSON.stringify(body)),
    headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    signal,
  });
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    // Not our server's answer; a proxy's, perhaps.
  }
  if (!response.ok || answer === null) {
    const e = answer?.error ?? {};
    if (response.status === 401) location.assign(`/signin?next=${encodeURIComponent(location.pathname + location.search)}`);
    throw new ActError(e.message ?? t("ui.js.failed"), response.status, e.code ?? "", e.fields ?? []);
  }
  return answer;
}

/**
 * Fetches a fragment or page as text.
 * @param {string} url
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<string>}
 */
export async function fetchHTML(url, { signal } = {}) {
  const response = await reach(url, { headers: { Accept: "text/html" }, signal });
  if (response.redirected && new URL(response.url).pathname === "/signin") location.assign(response.url);
  if (!response.ok) throw new ActError(t("ui.js.failed"), response.status, "", []);
  return response.text();
}

/** @param {string} url @param {RequestInit} init */
async function reach(url, init) {
  try {
    return await fetch(url, { credentials: "same-origin", ...init });
  } catch (e) {
    if (init.signal?.aborted) throw e;
    throw new ActError(t("ui.js.offline"), 0, "", []);
  }
}
