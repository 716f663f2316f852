/** What stands beside the photograph while it is painted on: brush, history, mask file, options. */

import { percent } from "./format.js";
import { estimateRatio } from "./mask.js";

const LARGE = 1e6; // pixels above which only the surroundings of the hole are worth the time
const SUSPICIOUS = 0.6; // share of the hole above which a mask was probably meant the other way round

/** The form's fields, and what they say about the painter's next stroke and its hole. */
export class Controls {
  #form;
  #fields;
  #painter;
  #photograph = null;

  constructor(form, painter) {
    this.#form = form;
    this.#fields = form.elements;
    this.#painter = painter;
    painter.addEventListener("change", () => this.#showHole());
    form.addEventListener("input", () => this.#show());
    this.#fields.size.addEventListener("input", () => this.changeSize(0));
    this.#wireHistory();
    form.querySelector("details").open = matchMedia("(min-width: 60rem)").matches;
  }

  /** Begin with another photograph, and with the strategy that suits its size. */
  start(photograph, { max_region_pixels: limit }) {
    this.#photograph = photograph;
    const large = photograph.width * photograph.height > Math.min(LARGE, limit);
    this.#fields.strategy.value = large ? "crop" : "original";
    this.#painter.start(photograph);
    this.#show();
  }

  /** What the request is sent with: `{strategy, passes}`. */
  get options() {
    return { strategy: this.#fields.strategy.value, passes: Number(this.#fields.passes.value) };
  }

  set passes(number) {
    this.#fields.passes.value = number;
    this.#show();
  }

  set tool(name) {
    this.#fields.tool.value = name;
    this.#show();
  }

  changeSize(steps) {
    this.#fields.size.value = Number(this.#fields.size.value) + steps;
    this.#show();
    this.#painter.showSize();
  }

  #wireHistory() {
    const { undo, redo, clear } = this.#fields;
    undo.addEventListener("click", () => this.#painter.undo());
    redo.addEventListener("click", () => this.#painter.redo());
    clear.addEventListener("click", () => this.#painter.add({ cleared: true }));
  }

  #show() {
    const { strategy, passes } = this.options;
    this.#say(".passes output", passes);
    this.#say("summary span", `${strategy}, at most ${passes}`);
    if (this.#photograph) this.#showBrush(this.#photograph);
  }

  /** Sizes from a hair to half the photograph, so that each step of the slider looks alike. */
  #showBrush({ width, height }) {
    const { size, tool } = this.#fields;
    const shorter = Math.min(width, height);
    const diameter = Math.round((shorter / 200) * 100 ** (size.value / 100));
    this.#painter.size = Math.max(1, diameter);
    this.#painter.erase = tool.value === "eraser";
    this.#say(".size output", `${this.#painter.size} px`);
    size.setAttribute("aria-valuetext", `${this.#painter.size} pixels`);
  }

  #showHole() {
    const { hole } = this.#painter;
    const { undo, redo, clear } = this.#fields;
    undo.disabled = !hole.canUndo;
    redo.disabled = !hole.canRedo;
    clear.disabled = hole.isBlank;
    const ratio = estimateRatio(hole, this.#photograph);
    const doubt = hole.hasMaskFile && ratio > SUSPICIOUS ? ". Is white the hole in your mask?" : "";
    this.#say(".run-bar p", hole.isBlank ? "Nothing painted yet" : `Hole ${percent(ratio)}${doubt}`);
  }

  #say(selector, words) {
    this.#form.querySelector(selector).textContent = words;
  }
}
