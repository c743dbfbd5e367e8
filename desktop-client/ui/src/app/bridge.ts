// What the window asks of the program around it: Rust in the app, or a mock in a browser.
import type { Beginning, Interpreters, Problem, RunBatch, RunSummary, Settings, StartedRun } from "./bindings";
import type { ProjectDescription, RunEstimate } from "./documents";

/** A row of `doctor --json`. */
export interface DoctorFinding {
  what: string;
  state: "ok" | "missing" | "broken";
  detail: string;
  fix: string;
}

/** A row of `scenario validate --json` and `chaos validate --json`. */
export interface Validation {
  path: string;
  ok: boolean;
  error?: string;
}

/** News from outside of the window. */
export interface News {
  "reports-changed": null;
  /** The id of an item of the menu. */
  menu: string;
  /** How many runs are ended before the window closes. */
  closing: number;
}

/** Every function rejects with a {@link Problem}. */
export interface Bridge {
  begin(): Promise<Beginning>;
  /** Without a folder, the user chooses one; null if they choose none. */
  chooseProject(folder?: string): Promise<string | null>;
  saveSettings(settings: Settings): Promise<void>;
  interpreters(): Promise<Interpreters>;
  describe(): Promise<ProjectDescription>;
  estimate(args: string[]): Promise<RunEstimate>;
  doctor(): Promise<DoctorFinding[]>;
  validate(kind: "scenario" | "chaos"): Promise<Validation[]>;
  startRun(args: string[]): Promise<number>;
  rerun(command: string): Promise<number>;
  resumeRun(run: string): Promise<number>;
  followRun(key: number, onBatch: (batch: RunBatch) => void): Promise<void>;
  stopRun(key: number): Promise<void>;
  startedRuns(): Promise<StartedRun[]>;
  listRuns(): Promise<RunSummary[]>;
  readPiece(run: string, name: string): Promise<unknown>;
  compareRuns(runs: string[]): Promise<void>;
  readCompared(name: string): Promise<unknown>;
  writeReports(run: string, budget: number | null): Promise<void>;
  readSource(path: string): Promise<string>;
  openPlace(path: string): Promise<void>;
  setSecret(name: string, value: string): Promise<void>;
  forgetSecret(name: string): Promise<void>;
  listen<K extends keyof News>(name: K, onNews: (news: News[K]) => void): Promise<void>;
}

/** Whatever was thrown, as a problem. */
export function problemOf(thrown: unknown): Problem {
  if (typeof thrown === "object" && thrown !== null && "message" in thrown) {
    const { message, hint, detail } = thrown as Partial<Record<keyof Problem, unknown>>;
    return { message: String(message), hint: typeof hint === "string" ? hint : "", detail: typeof detail === "string" ? detail : "" };
  }
  return { message: String(thrown), hint: "", detail: "" };
}
