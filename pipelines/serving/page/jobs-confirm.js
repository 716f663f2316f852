/** A question before something that cannot be taken back. */

const dialog = document.getElementById("confirm");

/**
 * Ask; `command` is another way, to be copied into a terminal.
 *
 * @returns {Promise<boolean>} whether the answer was `yes`
 */
export function confirmed({ question, text, command = "", yes, no }) {
  dialog.querySelector("h2").textContent = question;
  dialog.querySelector("p").textContent = text;
  dialog.querySelector("code").textContent = command;
  dialog.querySelector("[value=yes]").textContent = yes;
  dialog.querySelector("[value=no]").textContent = no;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
