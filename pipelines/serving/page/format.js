/** Quantities in words. */

export function megabytes(bytes) {
  const value = bytes / 2 ** 20;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} MB`;
}

export function megapixels(pixels) {
  const value = pixels / 1e6;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} MP`;
}

/** Of a ratio in [0, 1]; what is there at all is never called 0 %. */
export function percent(ratio) {
  if (ratio > 0 && ratio < 0.001) return "under 0.1 %";
  return `${(ratio * 100).toFixed(1)} %`;
}

export function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
}
