import { expect, test } from "vitest";
import type { RunBatch, RunEnd, StreamEvent } from "../src/app/bindings";
import { after, type LiveRun, newRun, outcome, pace } from "../src/app/live";

const AT = "2026-03-02T09:00:00Z";
const later = (seconds: number): string => new Date(Date.parse(AT) + seconds * 1000).toISOString();

function batch(events: StreamEvent[], change: Partial<RunBatch> = {}): RunBatch {
  return { events, log: [], passed_over: 0, garbage: 0, ended: null, ...change };
}

function of(...events: StreamEvent[]): LiveRun {
  return after(newRun(), batch(events));
}

const BEGUN: StreamEvent = { event: "run_started", at: AT, run_id: "one", folder: "/reports/one", seed: 7, trials: 4 };

function started(trial: string, attempt = 1): StreamEvent {
  return { event: "trial_started", at: AT, trial_id: trial, node_id: trial, attempt };
}

function finished(trial: string, verdict: string | null, change: object = {}): StreamEvent {
  return { event: "trial_finished", at: later(2), trial_id: trial, state: "finished", verdict, cause: "task/exit_non_zero", known_finding: null, reason: null, ...change };
}

test("trials are counted as they end", () => {
  const run = of(BEGUN, started("a"), finished("a", "passed"), started("b"), finished("b", "failed"), started("c"));
  expect([run.runId, run.total, run.done, run.passed]).toEqual(["one", 4, 2, 1]);
  expect(run.notPassed.map((one) => [one.trial, one.how])).toEqual([["b", "failed"]]);
  expect([...run.running.keys()]).toEqual(["c"]);
});

test("a running trial shows its stage and the fault that is in force", () => {
  const fault = { at: AT, trial_id: "a", fault: 0, action: "kill", target: "runtime", detail: "", at_ms: 1 };
  let run = of(started("a"), { event: "stage_started", at: AT, trial_id: "a", stage_id: "scan", at_ms: 1 }, { event: "fault_injected", ...fault });
  expect(run.running.get("a")).toEqual({ trial: "a", stage: "scan", fault: "kill runtime", attempt: 1 });
  run = after(run, batch([{ event: "fault_healed", ...fault }]));
  expect(run.running.get("a")?.fault).toBe("");
});

test("an earlier attempt of a trial does not count", () => {
  const run = of(started("a"), finished("a", "failed"), started("a", 2), finished("a", "passed"));
  expect([run.done, run.passed, run.notPassed]).toEqual([1, 1, []]);
});

test("skipped trials and known findings are not failures", () => {
  const run = of(finished("a", null, { state: "skipped", reason: "no freezer" }), finished("b", "failed", { known_finding: "x" }), finished("c", null, { state: "error", reason: "disk full" }));
  expect(run.done).toBe(3);
  expect(run.notPassed.map((one) => one.how)).toEqual(["error", "known"]);
});

test("the time that is left comes from the pace so far", () => {
  expect(pace(of(BEGUN, finished("a", "passed")))).toBeNull();
  expect(pace(of(BEGUN, finished("a", "passed"), finished("b", "passed")))).toEqual({ rate: 1, left: 2 });
});

test("only the last lines of the log are kept, and the others counted", () => {
  const lines = Array.from({ length: 1500 }, (_, k) => `line ${k}`);
  const run = after(newRun(), batch([], { log: lines, passed_over: 3, garbage: 2 }));
  expect([run.log.length, run.log[0], run.passedOver, run.garbage]).toEqual([1000, "line 500", 503, 2]);
});

test("what is not known is passed over", () => {
  expect(of({ event: "unknown" })).toEqual(newRun());
});

test("the end of a run says what it means", () => {
  const end = (change: Partial<RunEnd>): RunEnd => ({ code: 0, signal: null, stopped: false, problem: null, ...change });
  const found = [null, end({}), end({ code: 1 }), end({ code: 2, stopped: true }), end({ code: 10 }), end({ code: 11 }), end({ code: 5 }), end({ code: 77 }), end({ code: null, problem: { message: "x", hint: "", detail: "" } })].map(outcome);
  expect(found).toEqual(["running", "passed", "failed", "stopped", "untrustworthy", "worse", "nothing", "ended", "problem"]);
  const run = after(of(started("a")), batch([], { ended: end({}) }));
  expect(run.running.size).toBe(0);
});
