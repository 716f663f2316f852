/** The endpoint's HTTP interface to bulk jobs. */

import { ApiError, authorization, call, read, refusal } from "./api.js";

const BROKEN = "The connection broke before the server had taken the job. Check that you are online, then start it again.";

/** The caller's jobs, newest first. */
export async function listJobs(request) {
  return (await read("v1/jobs", request)).jobs;
}

export async function getJob(id, request) {
  return read(jobPath(id), request);
}

/** Stop a job; what is done is kept. */
export async function cancelJob(id) {
  return read(jobPath(id), { method: "DELETE" });
}

/** Some results, small: `{total, thumbnails: [{input, output, image}]}`. */
export async function getThumbnails(id, { offset, limit }, request) {
  return read(`${jobPath(id)}/thumbnails?offset=${offset}&limit=${limit}`, request);
}

/** Where the zip file with a job's results is. */
export function resultsPath(id) {
  return `${jobPath(id)}/results`;
}

/** The zip file with a job's results, on its way. */
export async function openResults(id, request) {
  return call(resultsPath(id), request);
}

/** Start a job on pictures that the server can reach itself. */
export async function submitPaths(job, request) {
  const headers = { "Content-Type": "application/json" };
  return read("v1/jobs", { ...request, method: "POST", headers, body: JSON.stringify(job) });
}

/**
 * Start a job on pictures that are sent. (fetch does not say how far it is.)
 *
 * @param {FormData} form pictures, masks and options
 * @param {AbortSignal} signal
 * @param {(ratio: number) => void} onProgress called with the share that has been sent
 */
export async function submitUpload(form, { signal, onProgress }) {
  const request = new XMLHttpRequest();
  request.open("POST", "v1/jobs");
  for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
  request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(loaded / total));
  await sent(request, form, signal);
  const { status, statusText } = request;
  const wait = request.getResponseHeader("Retry-After");
  const response = new Response(request.responseText, { status, statusText, headers: wait ? { "Retry-After": wait } : {} });
  if (!response.ok) throw await refusal(response);
  return response.json();
}

function sent(request, form, signal) {
  return new Promise((resolve, reject) => {
    request.addEventListener("load", resolve);
    request.addEventListener("error", () => reject(new ApiError(BROKEN)));
    request.addEventListener("abort", () => reject(signal.reason));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

function jobPath(id) {
  return `v1/jobs/${encodeURIComponent(id)}`;
}
