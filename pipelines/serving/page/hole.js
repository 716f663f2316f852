/** The hole as it is painted: strokes in the photograph's own pixels, with undo and redo. */

/**
 * @typedef {{erase: boolean, size: number, points: [number, number][]}} Stroke diameter and path, in pixels
 * @typedef {{mask: CanvasImageSource}} MaskFile opaque where the hole is; stands for everything before it
 * @typedef {{cleared: true}} Cleared
 */
export class Hole {
  #steps = [];
  #undone = [];

  /** Take one more step: a stroke, a mask file, or that everything is cleared. */
  add(step) {
    this.#steps.push(step);
    this.#undone = [];
  }

  undo() {
    if (this.canUndo) this.#undone.push(this.#steps.pop());
  }

  redo() {
    if (this.canRedo) this.#steps.push(this.#undone.pop());
  }

  get canUndo() {
    return this.#steps.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** Whether there is nothing to clear. What was erased stroke by stroke does not count. */
  get isBlank() {
    return this.#visible.every((step) => step.cleared || step.erase);
  }

  /** Whether a mask file is part of it. */
  get hasMaskFile() {
    return this.#visible.some((step) => step.mask);
  }

  /** Draw it onto a transparent canvas whose transform maps the photograph's pixels, in `colour`. */
  draw(context, colour) {
    for (const step of this.#visible) {
      if (step.mask) drawMask(context, step.mask, colour);
      else if (step.points) drawStroke(context, step, colour);
    }
  }

  get #visible() {
    const start = this.#steps.findLastIndex((step) => step.mask || step.cleared);
    return this.#steps.slice(Math.max(start, 0));
  }
}

/** Draw a stroke, or its end from the point numbered `from`. */
export function drawStroke(context, { erase, size, points }, colour, from = 0) {
  context.save();
  context.globalCompositeOperation = erase ? "destination-out" : "source-over";
  context.strokeStyle = context.fillStyle = colour;
  context.lineWidth = size;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  if (points.length === 1) {
    context.arc(...points[0], size / 2, 0, 2 * Math.PI);
    context.fill();
  } else {
    for (const point of points.slice(Math.max(from - 1, 0))) context.lineTo(...point);
    context.stroke();
  }
  context.restore();
}

function drawMask(context, mask, colour) {
  context.save();
  context.drawImage(mask, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = colour;
  context.fillRect(0, 0, mask.width, mask.height);
  context.restore();
}
