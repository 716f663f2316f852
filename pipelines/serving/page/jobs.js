/** The page of bulk jobs: many photographs are handed in, followed, and taken away filled. */

import { clearAlert } from "./alert.js";
import { ApiError, getModel, isAbort } from "./api.js";
import { attempt, report } from "./attempt.js";
import { onDroppedOrPasted } from "./incoming.js";
import { cancelJob, getJob, listJobs } from "./jobs-api.js";
import { confirmed } from "./jobs-confirm.js";
import { Details } from "./jobs-details.js";
import { saveResults } from "./jobs-download.js";
import { JobForm } from "./jobs-form.js";
import { JobList } from "./jobs-list.js";
import { Polling } from "./jobs-polling.js";
import { Upload } from "./jobs-upload.js";
import { isActive } from "./jobs-words.js";
import { showModel, showNoModel } from "./model.js";
import { askForToken, onToken } from "./token.js";

const QUICK = 1000; // milliseconds between two looks at jobs that go on, while somebody looks at them
const SLOW = 15_000;
const AGAIN = 3000; // after a failure

const $ = (id) => document.getElementById(id);
const actions = { cancel, download };
const form = new JobForm($("new"), attempt);
const upload = new Upload($("upload"), $("start"));
const list = new JobList($("jobs"), actions);
const details = new Details($("details"), actions, attempt);
const polling = new Polling(look);

let model = null;
let opened = null; // id of the job whose details are shown
let listed = false; // whether the jobs have been shown
let arriving = false; // whether the keyboard is to be set onto what comes next

/** Show what belongs to a state: loading, off, list, details or missing. */
function enter(state) {
  document.body.dataset.state = state;
  for (const element of document.querySelectorAll("[data-in]")) {
    element.hidden = !element.dataset.in.split(" ").includes(state);
  }
}

// ---- looking at the jobs

/** Look at what is shown; return the milliseconds until the next time, null for never. */
async function look(signal) {
  try {
    if (!model) await learn({ signal });
    if (!model.jobs) throw new ApiError("", { status: 404, code: "jobs_off" });
    const jobs = opened ? [await showOne(opened, { signal })] : await showAll({ signal });
    trouble("");
    return jobs.some(isActive) && !document.hidden ? QUICK : SLOW;
  } catch (error) {
    return isAbort(error) ? null : afterFailure(error);
  }
}

async function learn(request) {
  const known = await getModel(request);
  showModel(known);
  if (known.jobs) form.offer(known);
  model = known;
}

async function showAll(request) {
  const jobs = await listJobs(request);
  list.show(jobs);
  $("none").hidden = jobs.length > 0;
  if (!listed) $("making").open = jobs.length === 0 || matchMedia("(min-width: 60rem)").matches;
  listed = true;
  document.title = "ISNet: jobs";
  enter("list");
  return jobs;
}

async function showOne(id, request) {
  const job = await getJob(id, request);
  enter("details");
  document.title = `ISNet: ${job.input}`;
  const shown = details.show(job, request);
  if (arriving) details.focus();
  arriving = false;
  await shown;
  return job;
}

function afterFailure(error) {
  if (!(error instanceof ApiError)) throw error;
  const { status, code, message, retryAfter } = error;
  if (!model) showNoModel(message);
  if (status === 401) askForToken(error);
  else if (code === "jobs_off") enter("off");
  else if (status === 404 && opened) enter("missing");
  else {
    trouble(`${message} Asking again.`);
    return retryAfter === null ? AGAIN : retryAfter * 1000;
  }
  trouble("");
  return null;
}

function trouble(words) {
  $("trouble").textContent = words;
}

/** Show what the address asks for: one job, or all of them. */
function follow() {
  const left = opened;
  const [, id] = /^#job=(.+)$/.exec(location.hash) ?? [];
  opened = id ? decodeURIComponent(id) : null;
  arriving = Boolean(opened && model);
  clearAlert();
  return polling.now().then(() => left && !opened && list.focus(left));
}

// ---- what is done with jobs

async function start() {
  await attempt(async () => {
    const send = form.prepare();
    form.disabled = true;
    const job = await upload.show(send).finally(() => (form.disabled = false));
    form.clear();
    await polling.now();
    list.focus(job.id);
  });
}

async function cancel(job) {
  const sure = await confirmed({
    question: `Cancel ${job.input}?`,
    text: "What is done is kept and can be downloaded. A cancelled job cannot be continued here.",
    yes: "Cancel the job",
    no: "Keep it going",
  });
  if (!sure) return false;
  return attempt(async () => {
    await cancelJob(job.id);
    polling.now();
  });
}

function download(event, job) {
  return attempt(() => saveResults(event, job));
}

// ---- wiring

function wire() {
  onDroppedOrPasted((file, target) => {
    if (document.body.dataset.state === "list") attempt(() => form.take(file, target));
  });
  onToken(async () => {
    await learn();
    polling.now();
  }, report);
  $("new").addEventListener("submit", (event) => {
    event.preventDefault();
    start();
  });
  addEventListener("hashchange", follow);
  addEventListener("keydown", ({ key }) => key === "Escape" && clearAlert());
}

wire();
follow();
