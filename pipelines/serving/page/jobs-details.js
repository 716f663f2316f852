/** One job: what it was asked for, what it has filled, what failed and why. */

import { count, whole } from "./format.js";
import { Card } from "./jobs-card.js";
import { Gallery } from "./jobs-gallery.js";
import { labelOf, masksOf, timeOf } from "./jobs-words.js";
import { entry } from "./model.js";

export class Details {
  #root;
  #card;
  #gallery;

  constructor(root, actions, attempt) {
    this.#root = root;
    this.#card = new Card(actions);
    this.#gallery = new Gallery(root.querySelector(".gallery"), attempt);
    root.querySelector(".glance").append(this.#card.element);
  }

  async show(job, request) {
    this.#find("h2").textContent = job.input;
    this.#card.show(job);
    this.#find(".facts").replaceChildren(...factsOf(job));
    this.#showFailures(job);
    await this.#gallery.follow(job, request);
  }

  /** Set the keyboard onto the job's name. */
  focus() {
    this.#find("h2").focus();
  }

  #showFailures({ failures, counts: { failed } }) {
    this.#find(".failures").hidden = failures.length === 0;
    const rows = this.#find("tbody");
    if (rows.children.length !== failures.length) rows.replaceChildren(...failures.map(failureRow));
    this.#find(".failures .shown").textContent =
      failed > failures.length
        ? `The first ${failures.length} of ${whole(failed)}; results.csv in the download has all`
        : `${count(failed, "picture")}, also in results.csv in the download`;
  }

  #find(selector) {
    return this.#root.querySelector(selector);
  }
}

function factsOf(job) {
  const options = Object.entries(job.options).filter(([, value]) => value !== null && value !== "");
  const facts = [
    ["Pictures", job.input],
    ["Masks", masksOf(job)],
    ["Results", job.output],
    ...options.map(([name, value]) => [labelOf(name), String(value)]),
    ["Model", job.model_version],
    ["Handed in", timeOf(job.submitted)],
    ["Started", timeOf(job.started)],
    ["Ended", timeOf(job.ended)],
    ["MLflow run", job.run_id],
    ["Job", job.id],
  ];
  return facts.filter(([, value]) => value).map(([name, value]) => entry(name, value));
}

function failureRow({ input, reason, error }) {
  const row = document.createElement("tr");
  row.role = "row"; // said again, since phones show rows as blocks, which hides that they are rows
  row.append(cell("th", "rowheader", input), cell("td", "cell", reason), cell("td", "cell", error));
  return row;
}

function cell(tag, role, words) {
  const element = document.createElement(tag);
  element.role = role;
  element.textContent = words;
  return element;
}
