/** The list of jobs. */

import { Card } from "./jobs-card.js";
import { masksOf } from "./jobs-words.js";

export class JobList {
  #list;
  #actions;
  #rows = new Map(); // by the job's id, so that the keyboard's place outlives each answer

  /** Show jobs in `list`, with the actions of cards. */
  constructor(list, actions) {
    this.#list = list;
    this.#actions = actions;
  }

  show(jobs) {
    const known = this.#rows;
    this.#rows = new Map(jobs.map((job) => [job.id, known.get(job.id) ?? this.#makeRow(job)]));
    for (const job of jobs) this.#rows.get(job.id).card.show(job);
    const elements = jobs.map(({ id }) => this.#rows.get(id).element);
    for (const element of [...this.#list.children]) if (!elements.includes(element)) element.remove();
    elements.forEach((element, place) => this.#put(element, place));
  }

  /** Set the keyboard onto a job, and show it. */
  focus(id) {
    this.#rows.get(id)?.element.querySelector("a").focus();
  }

  #put(element, place) {
    const there = this.#list.children[place];
    if (there !== element) this.#list.insertBefore(element, there ?? null);
  }

  #makeRow(job) {
    const element = document.createElement("li");
    element.append(document.getElementById("row").content.cloneNode(true));
    const link = element.querySelector("a");
    link.textContent = job.input;
    link.href = `#job=${encodeURIComponent(job.id)}`;
    element.querySelector(".masks").textContent = masksOf(job);
    const card = new Card(this.#actions);
    element.append(card.element);
    return { element, card };
  }
}
