/** Jobs in words. */

import { ago, duration, whole } from "./format.js";

const STATES = { queued: "Queued", running: "Running", finished: "Finished", failed: "Failed", cancelled: "Cancelled" };

/** Whether anything about a job can still change. */
export function isActive({ state }) {
  return state === "queued" || state === "running";
}

export function stateOf({ state }, cancelling) {
  return cancelling ? "Cancelling" : STATES[state];
}

/** How far a job is: counts, speed, time left or taken. */
export function progressOf(job) {
  if (job.state === "queued") return "Waits for its turn";
  return [countsOf(job), ...speedOf(job)].join(" · ");
}

function countsOf({ state, counts: { total, done, failed } }) {
  if (total === null && state === "running") return "Looking for pictures";
  const all = total === null ? "" : ` of ${whole(total)}`;
  return `${whole(done)}${all} done${failed ? ` · ${whole(failed)} failed` : ""}`;
}

function* speedOf({ state, started, ended, images_per_second: speed, seconds_left: left }) {
  if (speed !== null) yield `${Number(speed.toPrecision(2))} images/s`;
  if (state === "running" && left !== null) yield `about ${duration(left)} left`;
  if (started && ended) yield `took ${duration((new Date(ended) - new Date(started)) / 1000)}`;
}

/** The latest thing that happened to a job: `{words, time}`. */
export function whenOf({ submitted, started, ended }) {
  const [verb, text] = ended ? ["Ended", ended] : started ? ["Started", started] : ["Handed in", submitted];
  const time = new Date(text);
  return { words: `${verb} ${ago(time)}`, time };
}

/** A point of time, to the minute; nothing for what has not happened. */
export function timeOf(text) {
  return text && new Date(text).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" });
}

export function masksOf({ masks }) {
  if (masks === "alpha") return "Transparent pixels";
  if (masks.startsWith("chroma:")) return `Pixels of the colour #${masks.slice("chroma:".length)}`;
  return masks;
}

/** `max_failures` as `Max failures`. */
export function labelOf(option) {
  const words = option.replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
}
