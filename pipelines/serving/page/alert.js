/** What went wrong, in words, until it is put away or no longer true. */

const box = document.getElementById("alert");
const text = box.querySelector("[role=alert]");

box.querySelector("button").addEventListener("click", clearAlert);

/** Say it; `command` is something to copy into a terminal. */
export function showAlert({ message, command = "" }) {
  const paragraph = document.createElement("p");
  paragraph.textContent = message;
  text.replaceChildren(paragraph);
  if (command) {
    const code = document.createElement("code");
    code.textContent = command;
    text.append(code);
  }
  box.hidden = false;
}

export function clearAlert() {
  box.hidden = true;
  text.replaceChildren();
}
