/** The ways a file comes into the page: chosen, dropped, pasted. */

/** Call `open` with each file that is chosen in `input`: with the same one again, and with one from before this ran. */
export function onChosen(input, open) {
  const take = () => {
    const [file] = input.files;
    if (file) open(file);
    input.value = "";
  };
  input.addEventListener("change", take);
  queueMicrotask(take); // once whoever asked is ready
}

/** Call `open` with what is dropped or pasted anywhere, and with the element that it was dropped onto. */
export function onDroppedOrPasted(open) {
  const highlight = (on) => document.body.classList.toggle("dropping", on);
  addEventListener("dragover", (event) => {
    event.preventDefault(); // else the browser leaves the page for the file
    highlight(true);
  });
  addEventListener("dragleave", (event) => highlight(event.relatedTarget !== null));
  addEventListener("drop", (event) => {
    event.preventDefault();
    highlight(false);
    openFirst(event.dataTransfer, open, event.target);
  });
  addEventListener("paste", (event) => openFirst(event.clipboardData, open, event.target));
}

function openFirst({ files: [file] }, open, target) {
  if (file) open(file, target);
}
