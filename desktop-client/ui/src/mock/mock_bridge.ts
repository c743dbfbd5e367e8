// The program around the window, played in a plain browser with the documents of a recorded run.
//
// The address chooses what happens: ?python=missing, ?plugin=missing, ?project=none, ?run=crash|protocol|hangs,
// ?page=damaged, ?disk=full, ?trials=5000, ?lang=zh, ?theme=dark, ?pace=MS (pause between two events).
import type { Beginning, Interpreters, Problem, RunBatch, RunEnd, RunSummary, Settings, StartedRun, StreamEvent } from "../app/bindings";
import type { Bridge, DoctorFinding, News, Validation } from "../app/bridge";
import type { ProjectDescription, RunEstimate } from "../app/documents";
import type { ViewerIndex } from "../types";
import recorded from "./run.json";

const PROJECT = "/home/user/project";
/** Another project: it has one scenario only, and answers late. */
const OTHER = "/home/user/other";
const LATE_MS = 300;
const PYTHON = `${PROJECT}/.venv/bin/python`;
const PAUSE_MS = 15;

class MockRun {
  readonly history: RunBatch[] = [];
  private readonly followers: ((batch: RunBatch) => void)[] = [];
  ended: RunEnd | null = null;
  stopped = false;

  constructor(readonly command: string, readonly id: string) {}

  follow(follower: (batch: RunBatch) => void): void {
    for (const batch of this.history) follower(batch);
    this.followers.push(follower);
  }

  send(change: Partial<RunBatch>): void {
    const batch: RunBatch = { events: [], log: [], passed_over: 0, garbage: 0, ended: null, ...change };
    this.history.push(batch);
    if (batch.ended) this.ended = batch.ended;
    for (const follower of this.followers) follower(batch);
  }

  end(code: number | null, problem: Problem | null = null): void {
    if (!this.ended) this.send({ ended: { code, signal: code === null ? 9 : null, stopped: this.stopped, problem } });
  }
}

export class MockBridge implements Bridge {
  private readonly runs = new Map<number, MockRun>();
  private readonly listeners: { [K in keyof News]?: (news: News[K]) => void } = {};
  private readonly finished: RunSummary[] = [summary("monday", "2026-03-02T09:00:00Z", 4, 2), summary("sunday", "2026-03-01T09:00:00Z", 4, 4), { ...summary("killed", "2026-02-28T09:00:00Z", 4, null), state: "unfinished", has_page: false }];
  private settings: Settings;
  /** What was asked of this bridge, for tests. */
  readonly asked: string[] = [];

  constructor(private readonly choices: URLSearchParams) {
    const language = choices.get("lang");
    const theme = choices.get("theme");
    this.settings = {
      language: language === "zh" || language === "en" ? language : "system",
      theme: theme === "dark" || theme === "light" ? theme : "system",
      interpreters: {},
      projects: this.is("project", "none") ? [] : [PROJECT, OTHER],
      presets: [],
      secrets: [],
    };
    Object.assign(window, { mock: this });
  }

  async begin(): Promise<Beginning> {
    return { version: "0.1.0", protocol: 1, settings: this.settings, project: this.settings.projects[0] ?? null, problem: null };
  }

  async chooseProject(folder = PROJECT): Promise<string | null> {
    this.settings = { ...this.settings, projects: [folder, ...this.settings.projects.filter((one) => one !== folder)] };
    return folder;
  }

  async saveSettings(settings: Settings): Promise<void> {
    if (this.is("disk", "full")) throw problem("cannot write /home/user/.config/settings.json: no space left on device", "free some space on this disk, then try again");
    this.settings = settings;
  }

  async interpreters(): Promise<Interpreters> {
    if (this.is("python", "missing")) {
      return { found: [], chosen: null, problem: problem(`no Python was found for ${PROJECT}`, "install Python 3.11 or newer, or choose one in Settings, or set EXECGO_PYTHON") };
    }
    if (this.is("plugin", "missing")) {
      const missing = problem(`pytest-execgo is not installed for ${PYTHON}`, `${PYTHON} -m pip install pytest-execgo`);
      return { found: [{ path: PYTHON, source: "venv", version: null, problem: missing }], chosen: null, problem: missing };
    }
    return { found: [{ path: PYTHON, source: "venv", version: "0.1.0", problem: null }], chosen: PYTHON, problem: null };
  }

  async describe(): Promise<ProjectDescription> {
    const found = recorded.description as unknown as ProjectDescription;
    if (this.settings.projects[0] !== OTHER) return found;
    await later(LATE_MS);
    this.asked.push("describe other");
    return { ...found, root: OTHER, reports_folder: `${OTHER}/reports`, scenarios: found.scenarios.slice(0, 1) };
  }

  async estimate(args: string[]): Promise<RunEstimate> {
    const repetitions = Number(args.find((one) => one.startsWith("--repetitions="))?.split("=")[1] ?? 1);
    if (Number.isNaN(repetitions)) throw problem("execgo: --execgo-repetitions: expected a whole number from 1", "");
    const chaos = Math.max(1, args.filter((one) => one.startsWith("--chaos=")).length);
    const scenarios = args.filter((one) => one.startsWith("--scenario=")).length || recorded.description.scenarios.length;
    const trials = scenarios * chaos * repetitions;
    return { ...(recorded.estimate as unknown as RunEstimate), trials, seconds: trials * 0.8 };
  }

  async doctor(): Promise<DoctorFinding[]> {
    return [
      { what: "Python", state: "ok", detail: "3.11.7", fix: "" },
      { what: "embedded fleet", state: "ok", detail: "three services ready in 0.21 s", fix: "" },
      { what: "framework langgraph", state: "missing", detail: "not installed", fix: "pip install 'pytest-execgo[langgraph]'" },
      { what: "reports folder", state: "broken", detail: `${PROJECT}/reports is not a writable directory`, fix: "make it writable, or choose another: --execgo-reports DIR" },
    ];
  }

  async validate(kind: "scenario" | "chaos"): Promise<Validation[]> {
    if (kind === "chaos") return recorded.description.profiles.map((one) => ({ path: one.path, ok: true }));
    return recorded.description.scenarios.map((one, k) => (k === 0 ? { path: one.path, ok: false, error: `${one.path}:7: checks[0].kind: unknown kind 'equal'; did you mean 'equals'?` } : { path: one.path, ok: true }));
  }

  async startRun(args: string[]): Promise<number> {
    this.asked.push(`start ${args.join(" ")}`);
    return this.play(args.join(" "), "tuesday");
  }

  async rerun(command: string): Promise<number> {
    this.asked.push(`rerun ${command}`);
    return this.play(command, "rerun");
  }

  async resumeRun(run: string): Promise<number> {
    this.asked.push(`resume ${run}`);
    return this.play(run, run);
  }

  async followRun(key: number, onBatch: (batch: RunBatch) => void): Promise<void> {
    this.runs.get(key)?.follow(onBatch);
  }

  async stopRun(key: number): Promise<void> {
    const run = this.runs.get(key);
    if (!run) throw problem(`there is no run ${key} in this session`, "");
    run.stopped = true;
    setTimeout(() => this.finish(run, 2), 100);
  }

  async startedRuns(): Promise<StartedRun[]> {
    return [...this.runs].map(([key, run]) => ({ key, command: run.command, project: PROJECT, run_id: run.id, folder: `${PROJECT}/reports/${run.id}`, ended: run.ended }));
  }

  async listRuns(): Promise<RunSummary[]> {
    return this.settings.projects[0] === OTHER ? [] : [...this.finished];
  }

  async readPiece(run: string, name: string): Promise<unknown> {
    if (this.is("page", "damaged")) throw problem(`${PROJECT}/reports/${run}/index.html: it does not hold ${name}`, "write the page anew: python -m pytest_execgo report RUN");
    const found = (recorded.pieces as Record<string, unknown>)[name];
    if (name !== "index") return found;
    const index = found as ViewerIndex;
    const many = Number(this.choices.get("trials") ?? 0);
    return { ...(many > 0 ? multiplied(index, many) : index), run: { ...index.run, run_id: run } };
  }

  async compareRuns(runs: string[]): Promise<void> {
    this.asked.push(`compare ${runs.join(" ")}`);
  }

  async readCompared(name: string): Promise<unknown> {
    const pieces = recorded.pieces as Record<string, unknown>;
    const index = pieces["index"] as ViewerIndex;
    if (name !== "index") return pieces[name.replace(/^\d+\//, "")];
    const cells = Object.fromEntries(index.run.cells.map((cell) => [cell.cell_id, { passed: cell.trials, trials: cell.trials }]));
    const comparison = {
      schema_version: "1" as const, base: "sunday", new: "monday", metrics: [], gates: [], new_cells: [], gone_cells: [], newly_green: [], newly_named: [], warnings: [],
      newly_red: index.run.cells.filter((cell) => cell.passed < cell.trials).map((cell) => cell.cell_id),
      gate: { verdict: "BLOCK" as const, difference: -0.5, low: -0.9, high: -0.1, margin: 0.05, more_trials: null },
    };
    return { ...index, compared: [{ run_id: "sunday", comparison, cells, trials: index.trials.trial_id }] };
  }

  async writeReports(run: string): Promise<void> {
    this.asked.push(`report ${run}`);
    const found = this.finished.findIndex((one) => one.id === run);
    if (found >= 0) this.finished[found] = { ...this.finished[found]!, has_page: true };
  }

  async readSource(path: string): Promise<string> {
    return `# ${path}\nschema_version: "1"\nid: greeting\ndescription: Greets everybody in names.txt.\n`;
  }

  async openPlace(path: string): Promise<void> {
    this.asked.push(`open ${path}`);
  }

  async setSecret(name: string): Promise<void> {
    if (!/^[A-Za-z_]\w*$/.test(name)) throw problem(`"${name}" is not the name of an environment variable`, "a name has letters, digits and underscores, such as OPENAI_API_KEY");
    this.asked.push(`secret ${name}`);
  }

  async forgetSecret(name: string): Promise<void> {
    this.asked.push(`forget ${name}`);
  }

  async listen<K extends keyof News>(name: K, onNews: (news: News[K]) => void): Promise<void> {
    Object.assign(this.listeners, { [name]: onNews });
  }

  /** Send news to the window, for tests. */
  tell<K extends keyof News>(name: K, news: News[K]): void {
    (this.listeners[name] as ((news: News[K]) => void) | undefined)?.(news);
  }

  private is(name: string, value: string): boolean {
    return this.choices.get(name) === value;
  }

  private play(command: string, id: string): number {
    const key = this.runs.size + 1;
    const run = new MockRun(command, id);
    this.runs.set(key, run);
    const events = recorded.events.map((line) => JSON.parse(line.replaceAll("monday", id)) as StreamEvent);
    const pause = Number(this.choices.get("pace") ?? PAUSE_MS);
    const many = Number(this.choices.get("trials") ?? 0);
    if (this.is("run", "crash")) setTimeout(() => run.end(null, problem("the run was ended by signal 9", "its finished trials are kept; resume it to run the others")), 50);
    else if (this.is("run", "protocol")) setTimeout(() => run.end(2, problem("pytest-execgo 9.0 of this project writes protocol 2; this client reads protocol 1", "update this client")), 50);
    else if (many > 0) void this.playMany(run, many);
    else void this.playEvents(run, events, pause);
    return key;
  }

  private async playEvents(run: MockRun, events: StreamEvent[], pause: number): Promise<void> {
    run.send({ log: ["============ test session starts ============"] });
    for (const [k, event] of events.entries()) {
      await later(pause);
      if (run.stopped || run.ended) return;
      run.send({ events: [event], log: k % 3 === 0 ? [`line ${k} of the output of pytest`] : [] });
      if (this.is("run", "hangs") && event.event === "trial_started") return;
    }
    this.finish(run, 1);
  }

  private async playMany(run: MockRun, many: number): Promise<void> {
    const at = new Date().toISOString();
    run.send({ events: [{ event: "run_started", at, run_id: run.id, folder: `${PROJECT}/reports/${run.id}`, seed: 7, trials: many }] });
    for (let done = 0; done < many; done += 100) {
      await later(2);
      const events: StreamEvent[] = [];
      for (let k = done; k < Math.min(done + 100, many); k += 1) {
        const trial_id = `greeting-reference-replay-none-r${k}`;
        events.push({ event: "trial_started", at, trial_id, node_id: trial_id, attempt: 1 });
        events.push({ event: "trial_finished", at: new Date().toISOString(), trial_id, state: "finished", verdict: k % 10 ? "passed" : "failed", cause: k % 10 ? "none/no_failure" : "task/exit_non_zero", known_finding: null, reason: null });
      }
      run.send({ events, log: [`${done} of ${many}`] });
    }
    this.finish(run, 1);
  }

  private finish(run: MockRun, code: number): void {
    const old = this.finished.findIndex((one) => one.id === run.id);
    if (old >= 0) this.finished.splice(old, 1);
    this.finished.unshift(run.stopped ? { ...summary(run.id, new Date().toISOString(), 4, 1), state: "unfinished" } : summary(run.id, new Date().toISOString(), 4, 2));
    run.end(code);
    this.tell("reports-changed", null);
  }
}

function summary(id: string, started: string, trials: number, passed: number | null): RunSummary {
  const ended = new Date(Date.parse(started) + 3456).toISOString();
  return { id, state: "finished", started_at: started, finished_at: passed === null ? null : ended, trials, passed, has_page: true };
}

/** The index with its trials repeated, for a large run. */
function multiplied(index: ViewerIndex, many: number): ViewerIndex {
  const { trials } = index;
  const of = trials.trial_id.length;
  const repeat = <T>(list: readonly T[]): T[] => Array.from({ length: many }, (_, k) => list[k % of]!);
  const ids = Array.from({ length: many }, (_, k) => trials.trial_id[k % of]!.replace(/r0$/, `r${Math.floor(k / of)}`));
  return { ...index, trials: { trial_id: ids, cell: repeat(trials.cell), verdict: repeat(trials.verdict), cause: repeat(trials.cause), injected: repeat(trials.injected), recovery: repeat(trials.recovery), wall_ms: repeat(trials.wall_ms), attempt: repeat(trials.attempt), has_detail: repeat(trials.has_detail) } };
}

function problem(message: string, hint: string): Problem {
  return { message, hint, detail: "" };
}

function later(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
