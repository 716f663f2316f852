/** Quantities in words. */

export function fileSize(bytes) {
  const [value, unit] = bytes < 2 ** 30 ? [bytes / 2 ** 20, "MB"] : [bytes / 2 ** 30, "GB"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
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

/** 12345 as 12,345. */
export function whole(number) {
  return number.toLocaleString("en");
}

/** Seconds as people say them: 40 s, 12 min, 3 h 20 min. */
export function duration(length) {
  if (length < 90) return `${Math.round(length)} s`;
  const minutes = Math.round(length / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How long ago a time was: just now, 5 minutes ago, yesterday; the date, where that is long. */
export function ago(time) {
  const past = (Date.now() - time) / 1000;
  if (past < 45) return "just now";
  if (past > 7 * 86400) return `on ${time.toLocaleDateString("en", { dateStyle: "medium" })}`;
  const [unit, length] = past < 3600 ? ["minute", 60] : past < 86400 ? ["hour", 3600] : ["day", 86400];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-Math.round(past / length), unit);
}
