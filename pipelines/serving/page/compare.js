/** Before and after, with a line between them to drag. */

const STEP = 2; // per cent that an arrow key moves the line by
const STRIDE = 10;

const KEYS = {
  ArrowLeft: (at) => at - STEP,
  ArrowDown: (at) => at - STEP,
  ArrowRight: (at) => at + STEP,
  ArrowUp: (at) => at + STEP,
  PageDown: (at) => at - STRIDE,
  PageUp: (at) => at + STRIDE,
  Home: () => 0,
  End: () => 100,
};

/** The comparison in `root`, which holds two pictures and a `role=slider`. */
export class Compare {
  #root;
  #slider;
  #at = 50;

  constructor(root) {
    this.#root = root;
    this.#slider = root.querySelector("[role=slider]");
    root.addEventListener("pointerdown", (event) => this.#grab(event));
    root.addEventListener("pointermove", (event) => {
      if (root.hasPointerCapture(event.pointerId)) this.#follow(event);
    });
    this.#slider.addEventListener("keydown", (event) => this.#press(event));
  }

  /** Show both pictures, the line in the middle, the keyboard on it. */
  show({ before, after }) {
    this.#root.querySelector(".before").src = before;
    this.#root.querySelector(".after").src = after;
    this.#moveTo(50);
    this.#slider.focus();
  }

  #grab(event) {
    if (event.button !== 0) return;
    event.preventDefault(); // else the press takes the focus away again
    this.#root.setPointerCapture(event.pointerId);
    this.#slider.focus({ preventScroll: true });
    this.#follow(event);
  }

  #follow({ clientX }) {
    const { left, width } = this.#root.getBoundingClientRect();
    this.#moveTo(((clientX - left) / width) * 100);
  }

  #press(event) {
    const move = KEYS[event.key];
    if (!move) return;
    event.preventDefault();
    this.#moveTo(move(this.#at));
  }

  #moveTo(percent) {
    this.#at = Math.min(100, Math.max(0, percent));
    const rounded = Math.round(this.#at);
    this.#root.style.setProperty("--cut", `${this.#at}%`);
    this.#slider.setAttribute("aria-valuenow", rounded);
    this.#slider.setAttribute("aria-valuetext", `${rounded} % before, ${100 - rounded} % after`);
  }
}
