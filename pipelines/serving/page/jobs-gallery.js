/** What a job has filled so far, small, a page at a time. */

import { whole } from "./format.js";
import { getThumbnails } from "./jobs-api.js";

const PAGE = 24;

export class Gallery {
  #root;
  #list;
  #id = null;
  #tiles = new Map(); // by the result's name, so that pictures do not flicker
  #shown = 0;
  #total = 0;

  /** @param {(action: () => Promise<void>) => void} attempt runs what may fail, and tells people */
  constructor(root, attempt) {
    this.#root = root;
    this.#list = root.querySelector("ul");
    root.querySelector("button").addEventListener("click", () => attempt(() => this.#more()));
  }

  /** Show the first page of a job's results; while the job runs, as far as it is. */
  async follow({ id, counts: { done } }, request) {
    if (id !== this.#id) this.#start(id);
    if (this.#shown < Math.min(PAGE, done)) await this.#load({ offset: 0, limit: PAGE }, request);
    this.#total = Math.max(this.#total, done);
    this.#say();
  }

  #start(id) {
    this.#id = id;
    this.#tiles.clear();
    [this.#shown, this.#total] = [0, 0];
    this.#list.replaceChildren();
  }

  async #more() {
    const before = this.#shown;
    await this.#load({ offset: before, limit: PAGE });
    this.#list.children[before]?.scrollIntoView({ block: "nearest" });
  }

  async #load(page, request) {
    const id = this.#id;
    const { total, thumbnails } = await getThumbnails(id, page, request);
    if (id !== this.#id) return; // another job was opened meanwhile
    this.#total = total;
    this.#list.append(...thumbnails.map((thumbnail) => this.#tile(thumbnail)));
    this.#shown = this.#list.children.length;
    this.#say();
  }

  #tile({ input, output, image }) {
    if (!this.#tiles.has(output)) this.#tiles.set(output, tile({ input, output, image }));
    return this.#tiles.get(output);
  }

  #say() {
    this.#root.querySelector(".shown").textContent = this.#shown
      ? `${whole(this.#shown)} of ${whole(this.#total)}`
      : "None so far";
    this.#root.querySelector("button").hidden = this.#shown === 0 || this.#shown >= this.#total;
  }
}

function tile({ input, output, image }) {
  const item = document.createElement("li");
  const name = document.createElement("span");
  name.textContent = output;
  name.title = output;
  if (image) {
    const picture = document.createElement("img");
    Object.assign(picture, { loading: "lazy", decoding: "async", src: image, alt: `${input}, filled` });
    item.append(picture);
  }
  item.append(name);
  return item;
}
