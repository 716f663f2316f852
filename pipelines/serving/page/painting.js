/** The brush: turns mouse, touch and pen into strokes, and shows the hole over the photograph. */

import { Hole, drawStroke } from "./hole.js";

const STRIPES = 12; // pixels of the screen that the film's pattern repeats after
const MOMENT = 900; // milliseconds
const ERASER_BUTTON = 32; // of a pen that is turned around

/**
 * A canvas over the photograph, and a ring that follows the pointer.
 * Fires `change` whenever the hole is another one.
 */
export class Painter extends EventTarget {
  /** What the next stroke is: the brush's diameter in pixels of the photograph, and whether it erases. */
  size = 1;
  erase = false;
  hole = new Hole();

  #canvas;
  #context;
  #ring;
  #hiding = 0; // the timer that hides the ring
  #film = null; // what the hole is drawn with
  #width = 1; // of the photograph
  #height = 1;
  #stroke = null;
  #touches = new Set();

  constructor(canvas, ring) {
    super();
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#ring = ring;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#end(event));
    canvas.addEventListener("pointercancel", (event) => this.#cancel(event));
    canvas.addEventListener("pointerleave", () => (ring.hidden = true));
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }

  /** Begin with an unharmed photograph. */
  start({ width, height }) {
    [this.#width, this.#height] = [width, height];
    this.hole = new Hole();
    this.#changed();
  }

  /** Add a mask file or a clearing. */
  add(step) {
    this.hole.add(step);
    this.#changed();
  }

  undo() {
    this.hole.undo();
    this.#changed();
  }

  redo() {
    this.hole.redo();
    this.#changed();
  }

  /** Show how large the brush is: around the pointer, or for a moment in the middle. */
  showSize() {
    const { clientWidth, clientHeight } = this.#canvas;
    const hovered = this.#canvas.matches(":hover") && !this.#ring.hidden;
    if (hovered) return this.#resizeRing();
    this.#placeRing(clientWidth / 2, clientHeight / 2);
    this.#hiding = setTimeout(() => (this.#ring.hidden = true), MOMENT);
    return undefined;
  }

  /** Draw everything anew, at the resolution of the screen. */
  redraw() {
    const canvas = this.#canvas;
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
    this.#context.scale(canvas.width / this.#width, canvas.height / this.#height);
    this.#film = film(this.#context);
    this.hole.draw(this.#context, this.#film);
    if (this.#stroke) drawStroke(this.#context, this.#stroke, this.#film);
  }

  #begin(event) {
    this.#touches.add(event.pointerId);
    if (this.#touches.size > 1) return this.#drop(); // a second finger scrolls and zooms
    if (event.button !== 0 && !(event.buttons & ERASER_BUTTON)) return undefined;
    this.#canvas.setPointerCapture(event.pointerId);
    const erase = this.erase || Boolean(event.buttons & ERASER_BUTTON);
    this.#stroke = { erase, size: this.size, points: [] };
    return this.#extend([event]);
  }

  #move(event) {
    if (event.pointerType !== "touch") this.#followWithRing(event);
    if (this.#stroke && this.#touches.has(event.pointerId)) this.#extend(event.getCoalescedEvents?.() ?? [event]);
  }

  #end(event) {
    this.#touches.delete(event.pointerId);
    if (!this.#stroke) return;
    this.hole.add(this.#stroke);
    this.#stroke = null;
    this.#changed();
  }

  #cancel(event) {
    this.#touches.delete(event.pointerId);
    this.#drop();
  }

  #drop() {
    this.#stroke = null;
    this.redraw();
  }

  #extend(events) {
    const { points } = this.#stroke;
    const known = points.length;
    const box = this.#canvas.getBoundingClientRect();
    for (const { clientX, clientY } of events) {
      points.push([
        ((clientX - box.left) / box.width) * this.#width,
        ((clientY - box.top) / box.height) * this.#height,
      ]);
    }
    drawStroke(this.#context, this.#stroke, this.#film, known);
  }

  #followWithRing({ clientX, clientY }) {
    const box = this.#canvas.getBoundingClientRect();
    this.#placeRing(clientX - box.left, clientY - box.top);
  }

  #placeRing(x, y) {
    clearTimeout(this.#hiding);
    this.#ring.hidden = false;
    this.#ring.style.left = `${x}px`;
    this.#ring.style.top = `${y}px`;
    this.#resizeRing();
  }

  #resizeRing() {
    const { style } = this.#ring;
    style.width = style.height = `${(this.size * this.#canvas.clientWidth) / this.#width}px`;
  }

  #changed() {
    this.redraw();
    this.dispatchEvent(new Event("change"));
  }
}

/** The red of masking film; its stripes tell it from what is red in the photograph. */
function film(context) {
  const style = getComputedStyle(context.canvas);
  const tile = stripes(style.getPropertyValue("--film"), style.getPropertyValue("--film-stripe"));
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(context.getTransform().inverse()); // stripes of the screen's, not the photograph's, pixels
  return pattern;
}

/** A tile of diagonal stripes that fits to itself on all sides. */
function stripes(colour, stripe) {
  const side = Math.round(STRIPES * devicePixelRatio);
  const tile = document.createElement("canvas");
  tile.width = tile.height = side;
  const context = tile.getContext("2d");
  context.fillStyle = colour;
  context.fillRect(0, 0, side, side);
  context.strokeStyle = stripe;
  context.lineWidth = side / 5;
  for (const shift of [-side, 0, side]) {
    context.moveTo(shift - side / 2, side * 1.5);
    context.lineTo(shift + side * 1.5, -side / 2);
  }
  context.stroke();
  return tile;
}
