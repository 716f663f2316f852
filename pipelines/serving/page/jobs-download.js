/** Results on their way to the disk. A link cannot send a token, so with one the page receives them itself. */

import { ApiError, authorization } from "./api.js";
import { fileSize } from "./format.js";
import { openResults, resultsPath } from "./jobs-api.js";
import { confirmed } from "./jobs-confirm.js";

const LARGE = 2 ** 30; // bytes beyond which it is asked before they are kept in memory
const BROKEN = "The download broke off. Check that you are online and have room on the disk, then try again.";
const saving = new WeakMap(); // what stops the download of a link

/** Follow a click on the link to a job's results; without a token that is the browser's business. */
export async function saveResults(event, { id }) {
  const link = event.currentTarget;
  if (!authorization().Authorization) return;
  event.preventDefault();
  if (saving.has(link)) {
    saving.get(link).abort();
    return;
  }
  const stop = new AbortController();
  saving.set(link, stop);
  try {
    await save(id, stop, (bytes) => showBytes(link, bytes));
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    saving.delete(link);
    link.classList.remove("saving");
  }
}

async function save(id, stop, onBytes) {
  const name = `isnet-${id}.zip`;
  const file = await window.showSaveFilePicker?.({ suggestedName: name });
  onBytes(0);
  const response = await openResults(id, { signal: stop.signal });
  const known = Number(response.headers.get("Content-Length")) > LARGE;
  if (known && !file) await askForMemory(id, stop);
  const counted = response.body.pipeThrough(counter(onBytes, known || file ? null : () => askForMemory(id, stop)));
  await receive(counted, file, name).catch(() => {
    throw new ApiError(BROKEN);
  });
}

async function receive(body, file, name) {
  if (file) await body.pipeTo(await file.createWritable());
  else keep(await new Response(body).blob(), name);
}

/** Count what passes; `onLarge`, where there is one, is waited for once that is very much. */
function counter(onBytes, onLarge) {
  let bytes = 0;
  return new TransformStream({
    async transform(chunk, controller) {
      const before = bytes;
      bytes += chunk.byteLength;
      if (onLarge && before <= LARGE && bytes > LARGE) await onLarge();
      onBytes(bytes);
      controller.enqueue(chunk);
    },
  });
}

async function askForMemory(id, stop) {
  const goOn = await confirmed({
    question: `These results are larger than ${fileSize(LARGE)}`,
    text:
      "This browser cannot write them to the disk as they come: it keeps all of them in memory first, and may run out of it. " +
      "Chrome and Edge can, over https. So can a terminal:",
    command: `curl -H 'Authorization: Bearer TOKEN' ${new URL(resultsPath(id), document.baseURI)} -o isnet-${id}.zip`,
    yes: "Keep them in memory",
    no: "Stop",
  });
  if (!goOn) stop.abort();
}

function keep(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser has not begun yet
}

function showBytes(link, bytes) {
  link.classList.add("saving");
  link.querySelector("span").textContent = `Stop saving (${fileSize(bytes)})`;
  link.setAttribute("aria-label", "Stop saving the results");
}
