/** A job at a glance: its state, how far it is, and what can be done with it. */

import { resultsPath } from "./jobs-api.js";
import { isActive, progressOf, stateOf, whenOf } from "./jobs-words.js";

/** A card; `element` is to be put into the page. */
export class Card {
  element = document.createElement("div");

  #job = null;
  #cancelling = false;

  /**
   * @param {(job) => Promise<boolean>} cancel whether it is being cancelled now
   * @param {(event: MouseEvent, job) => Promise<void>} download what a click on the link to the results does
   */
  constructor({ cancel, download }) {
    this.element.className = "card";
    this.element.append(document.getElementById("card").content.cloneNode(true));
    this.#find(".cancel").addEventListener("click", () => this.#cancel(cancel));
    this.#find(".download").addEventListener("click", (event) => this.#download(event, download));
  }

  show(job) {
    this.#job = job;
    this.#cancelling &&= isActive(job);
    this.element.dataset.state = job.state;
    this.#say(".state span", stateOf(job, this.#cancelling));
    this.#find(".state use").setAttribute("href", `#icon-${job.state}`);
    this.#say(".numbers", progressOf(job));
    this.#say(".reason", job.error ?? "");
    this.#say(".model", job.model_version);
    this.#showTime(job);
    this.#showBar(job);
    this.#showActions(job);
  }

  async #cancel(cancel) {
    this.#cancelling = await cancel(this.#job);
    this.show(this.#job);
  }

  async #download(event, download) {
    await download(event, this.#job);
    this.show(this.#job);
  }

  #showTime(job) {
    const { words, time } = whenOf(job);
    const element = this.#find("time");
    this.#say("time", words);
    element.dateTime = time.toISOString();
    element.title = time.toLocaleString();
  }

  #showBar(job) {
    const bar = this.#find("[role=progressbar]");
    const { total, done, failed } = job.counts;
    const counted = total !== null && job.state !== "queued";
    bar.setAttribute("aria-label", `Progress of ${job.input}`);
    bar.setAttribute("aria-valuetext", progressOf(job));
    bar.style.setProperty("--done", counted ? done / Math.max(1, total) : 0);
    bar.style.setProperty("--failed", counted ? failed / Math.max(1, total) : 0);
    bar.classList.toggle("unknown", job.state === "running" && !counted);
    if (!counted) return bar.removeAttribute("aria-valuenow");
    bar.setAttribute("aria-valuemax", total);
    return bar.setAttribute("aria-valuenow", done + failed);
  }

  #showActions(job) {
    const cancel = this.#find(".cancel");
    cancel.hidden = !isActive(job);
    cancel.disabled = this.#cancelling;
    cancel.setAttribute("aria-label", `Cancel ${job.input}`);
    const download = this.#find(".download");
    download.hidden = !job.results || job.counts.done + job.counts.failed === 0;
    download.href = resultsPath(job.id);
    if (download.classList.contains("saving")) return;
    const label = isActive(job) ? "Download what is done" : "Download results";
    this.#say(".download span", label);
    download.setAttribute("aria-label", `${label} of ${job.input}`);
  }

  #say(selector, words) {
    const element = this.#find(selector);
    if (element.textContent !== words) element.textContent = words; // else what is selected in it is lost
  }

  #find(selector) {
    return this.element.querySelector(selector);
  }
}
