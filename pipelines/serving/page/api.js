/** The endpoint's HTTP interface: who asks, its model, filling a hole, and how it says no. */

import { readEvents } from "./events.js";

const TOKEN = "isnet-token";
/** Seconds beyond which nobody wants to watch a page wait for its second try. */
const PATIENCE = 60;

export const UNREACHABLE = "The server cannot be reached. Check that it is running and that you are online, then try again.";
const BROKEN = "The connection broke before the result came. Run it again.";

/** A request that failed; its message is meant for people. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = "", retryAfter = null } = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code; // the server's, for programs
    this.retryAfter = retryAfter;
  }
}

/** Send this token from now on, until the tab is closed. */
export function useToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** Headers that say who asks: none where nobody has entered a token. */
export function authorization() {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** What the endpoint serves: version, device, reconstruction, limits, and whether it takes jobs. */
export async function getModel(request = {}) {
  return read("v1/model", request);
}

/**
 * Fill the hole; yield `{name: "pass", data}` after each pass and `{name: "result", data}` last.
 *
 * @param {FormData} form image, mask and options
 * @param {AbortSignal} signal cancels the request, or the wait for its second try
 * @param {(seconds: number) => void} onWait called when the server is busy and is asked once more
 * @throws {ApiError} whatever the server or the network has against it
 */
export async function* inpaint(form, { signal, onWait }) {
  const request = { method: "POST", body: form, signal, headers: { Accept: "text/event-stream" } };
  const response = await callPatiently("v1/inpaint/stream", request, onWait);
  for await (const event of unbroken(readEvents(response.body))) {
    if (event.name === "error") throw new ApiError(event.data.error.message);
    yield event;
    if (event.name === "result") return;
  }
  throw new ApiError(BROKEN);
}

async function callPatiently(path, request, onWait) {
  try {
    return await call(path, request);
  } catch (error) {
    const busy = [429, 503].includes(error.status) && error.retryAfter !== null && error.retryAfter <= PATIENCE;
    if (!busy) throw error;
    onWait(error.retryAfter);
    await pause(error.retryAfter * 1000, request.signal);
    return call(path, request);
  }
}

/** Ask the endpoint; `path` and `request` are those of `fetch`. @throws {ApiError} */
export async function call(path, request = {}) {
  const headers = { ...request.headers, ...authorization() };
  const response = await fetch(path, { ...request, headers }).catch((error) => {
    throw isAbort(error) ? error : new ApiError(UNREACHABLE);
  });
  if (!response.ok) throw await refusal(response);
  return response;
}

/** Ask the endpoint for JSON. @throws {ApiError} */
export async function read(path, request = {}) {
  const response = await call(path, request);
  return response.json().catch((error) => {
    throw isAbort(error) ? error : new ApiError(UNREACHABLE);
  });
}

/** What an answer that is not OK says. */
export async function refusal(response) {
  const body = await response.json().catch(() => null); // a proxy answers in HTML
  const message = body?.error?.message ?? `The server answered ${response.status} ${response.statusText}.`;
  const seconds = Number.parseFloat(response.headers.get("Retry-After"));
  return new ApiError(message, {
    status: response.status,
    code: body?.error?.code ?? "",
    retryAfter: Number.isFinite(seconds) ? seconds : null,
  });
}

async function* unbroken(events) {
  try {
    yield* events;
  } catch (error) {
    throw isAbort(error) ? error : new ApiError(BROKEN);
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Whether an error only says that somebody cancelled. */
export function isAbort(error) {
  return error.name === "AbortError";
}
