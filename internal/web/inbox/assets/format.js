// How sizes and times are written.

const units = ["byte", "kilobyte", "megabyte", "gigabyte"];

/** Writes a number of bytes for people. @param {number} bytes */
export function size(bytes) {
  let n = bytes;
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1000;
    unit++;
  }
  return new Intl.NumberFormat(document.documentElement.lang, {
    style: "unit", unit: units[unit], unitDisplay: unit ? "short" : "long", maximumFractionDigits: n < 10 && unit ? 1 : 0,
  }).format(n);
}

/** Writes seconds as 1:05. @param {number} seconds */
export function clock(seconds) {
  const s = Math.max(0, Math.round(seconds));
  return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
}

/** Writes the sizes of files that the server gave in bytes. @param {ParentNode} root */
export function sizes(root) {
  for (const e of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-bytes]"))) {
    const bytes = Number(e.dataset.bytes);
    delete e.dataset.bytes;
    if (bytes > 0) e.textContent = `${size(bytes)} · ${e.textContent}`;
  }
}
