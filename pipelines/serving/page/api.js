/** The endpoint's HTTP interface: its model, filling a hole, and how it says no. */

import { readEvents } from "./events.js";

const TOKEN = "isnet-token";
/** Seconds beyond which nobody wants to watch a page wait for its second try. */
const PATIENCE = 60;

const UNREACHABLE = "The server cannot be reached. Check that it is running and that you are online, then try again.";
const BROKEN = "The connection broke before the result came. Run it again.";

/** A request that failed; its message is meant for people. */
export class ApiError extends Error {
  constructor(message, { status = 0, retryAfter = null } = {}) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Send this token from now on, until the tab is closed. */
export function useToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

/** What the endpoint serves: version, device, reconstruction, limits. */
export async function getModel() {
  return (await call("v1/model")).json();
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

async function call(path, request = {}) {
  const headers = new Headers(request.headers);
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  const response = await fetch(path, { ...request, headers }).catch((error) => {
    throw isAbort(error) ? error : new ApiError(UNREACHABLE);
  });
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  const body = await response.json().catch(() => null); // a proxy answers in HTML
  const message = body?.error?.message ?? `The server answered ${response.status} ${response.statusText}.`;
  const seconds = Number.parseFloat(response.headers.get("Retry-After"));
  return new ApiError(message, {
    status: response.status,
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
