/** A run as it goes: which pass, how much hole is left in each region, how long it has taken. */

import { count, percent, seconds } from "./format.js";

const TICK = 100; // milliseconds

export class Progress {
  #status;
  #elapsed;
  #regions;
  #most = 1;
  #latest = 0; // regions need not keep step
  #begun = 0;
  #timer = 0;

  constructor(root) {
    this.#status = root.querySelector("[role=status]");
    this.#elapsed = root.querySelector("[role=timer]");
    this.#regions = root.querySelector(".regions");
  }

  /** Start the clock of a run that takes at most so many passes. */
  begin(most) {
    [this.#most, this.#latest] = [most, 0];
    this.#regions.replaceChildren();
    this.#regions.style.setProperty("--most", most);
    this.#begun = performance.now();
    this.#tick();
    this.#timer = setInterval(() => this.#tick(), TICK);
    this.say("Waiting for the first pass");
  }

  say(words) {
    this.#status.textContent = words;
  }

  /** One more pass of one region. */
  pass({ pass, region, regions, hole_ratio: ratio }) {
    this.#latest = Math.max(this.#latest, pass);
    this.say(`Pass ${this.#latest} of at most ${this.#most}`);
    while (this.#regions.children.length < regions) this.#addRegion(regions);
    this.#addBar(this.#regions.children[region], pass, ratio);
  }

  finish({ passes }) {
    this.say(`Filled in ${count(passes, "pass")}`);
  }

  stop() {
    clearInterval(this.#timer);
    this.#tick();
  }

  #tick() {
    this.#elapsed.textContent = seconds(performance.now() - this.#begun);
  }

  /** Bars are as high as the hole, next to what it was at first. */
  #addBar(row, pass, ratio) {
    const list = row.querySelector("ol");
    if (!list.children.length) list.style.setProperty("--first", ratio);
    const bar = document.createElement("li");
    bar.textContent = `Pass ${pass}: hole ${percent(ratio)}`;
    bar.style.setProperty("--ratio", ratio);
    list.append(bar);
    row.querySelector(".ratio").textContent = percent(ratio);
  }

  #addRegion(regions) {
    const row = document.getElementById("region").content.cloneNode(true);
    const name = regions > 1 ? `Region ${this.#regions.children.length + 1}` : "Hole, pass by pass";
    row.querySelector(".name").textContent = name;
    row.querySelector("ol").setAttribute("aria-label", name);
    this.#regions.append(row);
  }
}
