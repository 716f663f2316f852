/** The page: a photograph comes in, a hole is painted, the endpoint fills it, the result goes out. */

import { clearAlert, showAlert } from "./alert.js";
import { getModel, inpaint } from "./api.js";
import { attempt, report } from "./attempt.js";
import { Compare } from "./compare.js";
import { Controls } from "./controls.js";
import { fileSize, megapixels, percent, seconds } from "./format.js";
import { onChosen, onDroppedOrPasted } from "./incoming.js";
import { rasterise, readMask } from "./mask.js";
import { UNKNOWN, entry, showModel, showNoModel } from "./model.js";
import { Painter } from "./painting.js";
import { FileError, close, fileFromDataUrl, openPhotograph } from "./photograph.js";
import { Progress } from "./progress.js";
import { listen } from "./shortcuts.js";
import { onToken } from "./token.js";

const $ = (id) => document.getElementById(id);
const painter = new Painter($("overlay"), $("ring"));
const controls = new Controls($("controls"), painter);
const compare = new Compare($("compare"));
const progress = new Progress($("progress"));

let model = UNKNOWN;
let photograph = null;
let filled = null; // the result, a photograph as well
let run = null; // cancels the run that goes on

/** Show what belongs to a state: empty, painting, running or done. */
function enter(state) {
  document.body.dataset.state = state;
  for (const element of document.querySelectorAll("[data-in]")) {
    element.hidden = !element.dataset.in.split(" ").includes(state);
  }
}

// ---- the photograph and its hole

async function open(file) {
  if (run) return showAlert({ message: "Cancel the run before you open another photograph." });
  return attempt(async () => paintOn(await openPhotograph(file, model.limits)));
}

async function openMask(file) {
  return attempt(async () => painter.add({ mask: await readMask(file, photograph) }));
}

function paintOn(opened) {
  if (photograph) close(photograph);
  photograph = opened;
  const { file, width, height } = photograph;
  $("name").textContent = file.name;
  $("dimensions").textContent = `${width} × ${height}, ${megapixels(width * height)}`;
  $("frame").style.setProperty("--width", width);
  $("frame").style.setProperty("--height", height);
  showPainting();
  controls.start(photograph, model.limits);
}

function showPainting() {
  $("picture").src = photograph.image.src;
  $("frame").classList.remove("filling");
  enter("painting");
}

function paintOnResult() {
  const result = filled;
  filled = null; // paintOn closes photographs, not this one
  paintOn(result);
}

// ---- the run

async function fill() {
  if (painter.hole.isBlank) return showAlert({ message: "Paint over what should go first: there is no hole yet." });
  run = new AbortController();
  enter("running");
  progress.begin(controls.options.passes);
  $("cancel").focus();
  await attempt(async () => follow(await request(), run.signal));
  progress.stop();
  run = null;
  if (document.body.dataset.state === "running") showPainting();
  return undefined;
}

async function request() {
  const { mask, pixels } = await rasterise(painter.hole, photograph);
  if (pixels === 0) throw new FileError("Everything painted was erased again: there is no hole to fill.");
  const form = new FormData();
  form.set("image", photograph.file);
  form.set("mask", mask, "mask.png");
  for (const [name, value] of Object.entries(controls.options)) form.set(name, value);
  return form;
}

async function follow(form, signal) {
  const onWait = (wait) => progress.say(`The server is busy. Trying once more in ${wait} s`);
  for await (const { name, data } of inpaint(form, { signal, onWait })) {
    if (name === "pass") showPass(data);
    else await finish(data);
  }
}

function showPass(data) {
  progress.pass(data);
  $("picture").src = data.image;
  $("frame").classList.add("filling");
}

async function finish(result) {
  if (filled) close(filled);
  filled = await openPhotograph(fileFromDataUrl(result.image, photograph.file), UNKNOWN.limits);
  progress.finish(result);
  $("download").href = filled.image.src;
  $("download").download = filled.file.name;
  showFacts(result);
  enter("done");
  compare.show({ before: photograph.image.src, after: filled.image.src });
}

function showFacts({ hole_ratio: ratio, queue_ms: queue, model_ms: network, model_version: version }) {
  $("facts").replaceChildren(
    entry("Hole", `${percent(ratio)} of the photograph`),
    entry("Model", version),
    entry("In the queue", seconds(queue)),
    entry("In the network", seconds(network)),
  );
}

// ---- the server, and what goes wrong

async function loadModel() {
  try {
    model = await getModel();
    showModel(model);
    const { max_pixels: pixels, max_bytes: bytes } = model.limits;
    $("limits").textContent = `Up to ${megapixels(pixels)} and ${fileSize(bytes)}.`;
    if (!model.error) controls.passes = model.reconstruction.max_passes;
  } catch (error) {
    showNoModel(error.message);
    throw error;
  }
}

// ---- wiring

function wire() {
  onDroppedOrPasted(open);
  onChosen($("file"), open);
  onChosen($("mask-file"), openMask);
  onToken(loadModel, report);
  painter.addEventListener("change", clearAlert);
  $("controls").addEventListener("submit", (event) => {
    event.preventDefault();
    fill();
  });
  $("another").addEventListener("click", () => $("file").click());
  $("cancel").addEventListener("click", () => run.abort());
  $("again").addEventListener("click", paintOnResult);
  $("back").addEventListener("click", showPainting);
}

function wireKeys() {
  const painting = (action) => () => document.body.dataset.state === "painting" && action();
  listen({
    b: painting(() => (controls.tool = "brush")),
    e: painting(() => (controls.tool = "eraser")),
    "[": painting(() => controls.changeSize(-4)),
    "]": painting(() => controls.changeSize(4)),
    "Control+z": painting(() => painter.undo()),
    "Control+Shift+z": painting(() => painter.redo()),
    Enter: painting(fill),
    Escape: () => (run ? run.abort() : clearAlert()),
  });
}

wire();
wireKeys();
attempt(loadModel);
