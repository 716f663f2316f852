/** What is known of the server's model, and the footer that shows it. */

import { fileSize, megapixels } from "./format.js";

/** What the page goes by until the server has said what it takes. */
export const UNKNOWN = {
  reconstruction: { max_passes: 11 },
  limits: { max_bytes: Infinity, max_pixels: Infinity, max_region_pixels: Infinity },
};

/** List version, device and limits in the footer. */
export function showModel({ version, design, parameters, device, precision, backend, limits, licence, error }) {
  const loaded = { Model: version, Network: `${design}, ${(parameters / 1e6).toFixed(1)} M parameters`, "Runs on": `${device}, ${precision}, ${backend}` };
  const facts = {
    ...(error ? { Model: `not loaded: ${error}` } : loaded),
    ...(licence ? { Licence: licence } : {}),
    Takes: `${limits.formats.map((name) => name.toUpperCase()).join(", ")} up to ${megapixels(limits.max_pixels)} and ${fileSize(limits.max_bytes)}`,
    Computes: `up to ${megapixels(limits.max_region_pixels)} a pass, for ${limits.max_seconds} s`,
  };
  const entries = Object.entries(facts).map(([name, value]) => entry(name, value));
  document.getElementById("model").replaceChildren(...entries);
}

/** Say in the footer why nothing is known. */
export function showNoModel(message) {
  document.getElementById("model").replaceChildren(entry("Model", message));
}

/** One pair of a `dl`. */
export function entry(name, value) {
  const group = document.createElement("div");
  const term = document.createElement("dt");
  const description = document.createElement("dd");
  term.textContent = name;
  description.textContent = value;
  group.append(term, description);
  return group;
}
