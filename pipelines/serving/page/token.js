/** The field for a token, shown to those whom the server does not know. */

import { useToken } from "./api.js";

const form = document.getElementById("token-form");
const field = document.getElementById("token");

/** Show the field, and what the server said. */
export function askForToken({ message }) {
  document.getElementById("refusal").textContent = message;
  form.hidden = false;
  field.select();
  field.focus();
}

/** Use each token that is entered; `check` resolves when the server takes it. */
export function onToken(check, report) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    useToken(field.value);
    try {
      await check();
      form.hidden = true;
    } catch (error) {
      report(error);
    }
  });
}
