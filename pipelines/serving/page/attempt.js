/** What may fail, and how people are told. */

import { clearAlert, showAlert } from "./alert.js";
import { ApiError, isAbort } from "./api.js";
import { FileError } from "./photograph.js";
import { askForToken } from "./token.js";

/** Do something that may fail in ways that are told to whoever wanted it; return whether it was done. */
export async function attempt(action) {
  clearAlert();
  try {
    await action();
    return true;
  } catch (error) {
    report(error);
    return false;
  }
}

/** Say what went wrong, or ask for the token that was missing; mistakes of the page are thrown on. */
export function report(error) {
  if (isAbort(error)) return;
  if (!(error instanceof ApiError || error instanceof FileError)) throw error;
  if (error.status === 401) askForToken(error);
  else showAlert(error);
}
