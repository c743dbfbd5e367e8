// What is known of a run while it goes on, from the batches of its events.
import type { Problem, RunBatch, RunEnd, StreamEvent } from "./bindings";

export interface RunningTrial {
  trial: string;
  stage: string;
  /** The last fault that is in force: action and target. */
  fault: string;
  attempt: number;
}

export interface EndedTrial {
  trial: string;
  /** The verdict, or how the trial ended without one. */
  how: string;
  cause: string;
  reason: string;
}

export interface LiveRun {
  runId: string;
  folder: string;
  total: number;
  done: number;
  passed: number;
  /** Neither passed nor without an attempt; the newest first. */
  notPassed: EndedTrial[];
  running: Map<string, RunningTrial>;
  log: string[];
  passedOver: number;
  garbage: number;
  /** Times of the events, in milliseconds since the epoch. */
  startedAt: number | null;
  lastAt: number | null;
  ended: RunEnd | null;
}

const MOST_LINES = 1000;
const NOT_TRIED = new Set(["skipped", "not_needed", "not_run"]);

export function newRun(): LiveRun {
  return {
    runId: "",
    folder: "",
    total: 0,
    done: 0,
    passed: 0,
    notPassed: [],
    running: new Map(),
    log: [],
    passedOver: 0,
    garbage: 0,
    startedAt: null,
    lastAt: null,
    ended: null,
  };
}

/** The run after a batch; `run` stays as it is. */
export function after(run: LiveRun, batch: RunBatch): LiveRun {
  const next: LiveRun = { ...run, notPassed: [...run.notPassed], running: new Map(run.running) };
  for (const event of batch.events) apply(next, event);
  const log = [...run.log, ...batch.log];
  next.passedOver += batch.passed_over + Math.max(0, log.length - MOST_LINES);
  next.log = log.slice(-MOST_LINES);
  next.garbage += batch.garbage;
  if (batch.ended) {
    next.ended = batch.ended;
    next.running.clear();
  }
  return next;
}

function apply(run: LiveRun, event: StreamEvent): void {
  if (event.event === "unknown") return;
  const at = Date.parse(event.at);
  if (!Number.isNaN(at)) run.lastAt = at;
  switch (event.event) {
    case "run_started":
      run.runId = event.run_id;
      run.folder = event.folder;
      run.total = event.trials;
      run.startedAt = Number.isNaN(at) ? null : at;
      break;
    case "trial_started":
      run.running.set(event.trial_id, { trial: event.trial_id, stage: "", fault: "", attempt: event.attempt });
      break;
    case "stage_started":
      change(run, event.trial_id, { stage: event.stage_id });
      break;
    case "fault_injected":
      change(run, event.trial_id, { fault: `${event.action} ${event.target}` });
      break;
    case "fault_healed":
      change(run, event.trial_id, { fault: "" });
      break;
    case "trial_finished":
      finish(run, event);
      break;
  }
}

function change(run: LiveRun, trial: string, facts: Partial<RunningTrial>): void {
  const found = run.running.get(trial);
  if (found) run.running.set(trial, { ...found, ...facts });
}

function finish(run: LiveRun, event: Extract<StreamEvent, { event: "trial_finished" }>): void {
  run.running.delete(event.trial_id);
  // An attempt that is followed by another one ends as well.
  const earlier = run.notPassed.findIndex((one) => one.trial === event.trial_id);
  if (earlier >= 0) run.notPassed.splice(earlier, 1);
  else run.done += 1;
  const how = event.known_finding ? "known" : (event.verdict ?? event.state);
  if (how === "passed") run.passed += 1;
  else if (!NOT_TRIED.has(how)) run.notPassed.unshift({ trial: event.trial_id, how, cause: event.cause ?? "", reason: event.reason ?? "" });
}

/** Trials in a second, and the seconds that the others may take; null before two trials have ended. */
export function pace(run: LiveRun): { rate: number; left: number } | null {
  if (run.startedAt === null || run.lastAt === null || run.done < 2) return null;
  const seconds = (run.lastAt - run.startedAt) / 1000;
  if (seconds <= 0) return null;
  const rate = run.done / seconds;
  return { rate, left: (run.total - run.done) / rate };
}

/** What the end of a run means, in a word; null while it goes on. */
export function outcome(ended: RunEnd | null): "running" | "problem" | "stopped" | "passed" | "failed" | "nothing" | "untrustworthy" | "worse" | "ended" {
  if (!ended) return "running";
  if (ended.problem) return "problem";
  if (ended.stopped) return "stopped";
  switch (ended.code) {
    case 0:
      return "passed";
    case 1:
      return "failed";
    case 5:
      return "nothing";
    case 10:
      return "untrustworthy";
    case 11:
      return "worse";
    default:
      return "ended";
  }
}

export function problemIn(run: LiveRun): Problem | null {
  return run.ended?.problem ?? null;
}
