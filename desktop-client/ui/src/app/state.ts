// The state of the window: the open project, the view, the runs, and what went wrong.
import { effect, signal } from "@preact/signals";
import { language } from "../state";
import { dark } from "../theme";
import type { Interpreters, Language, Problem, RunSummary, Settings } from "./bindings";
import { type Bridge, problemOf } from "./bridge";
import type { ProjectDescription } from "./documents";
import { after, type LiveRun, newRun } from "./live";

export type Place =
  | { view: "home" | "compose" | "runs" | "library" | "doctor" | "settings" }
  | { view: "live"; key: number }
  | { view: "run"; run: string }
  | { view: "compared"; runs: string[] };

/** How a run was started. `project` is the root of its project. */
export interface Started {
  command: string;
  project: string;
}

export const VIEWS = ["home", "compose", "runs", "library", "doctor", "settings"] as const;

const NO_SETTINGS: Settings = { language: "system", theme: "system", interpreters: {}, projects: [], presets: [], secrets: [] };

export class AppState {
  readonly place = signal<Place>({ view: "home" });
  readonly version = signal("");
  readonly settings = signal<Settings>(NO_SETTINGS);
  readonly project = signal<string | null>(null);
  readonly description = signal<ProjectDescription | null>(null);
  readonly interpreters = signal<Interpreters | null>(null);
  /** Why the project cannot run anything. */
  readonly blocked = signal<Problem | null>(null);
  readonly loading = signal(false);
  readonly runs = signal<RunSummary[]>([]);
  /** The runs of this session by their keys, in whichever project they were started. */
  readonly live = signal<ReadonlyMap<number, LiveRun>>(new Map());
  readonly started = signal<ReadonlyMap<number, Started>>(new Map());
  /** What went wrong last; the user closes it. */
  readonly problem = signal<Problem | null>(null);
  /** How many runs are ended before the window closes. */
  readonly closing = signal(0);
  /** Rises with each look at a project: an answer to an earlier one is dropped. */
  private looks = 0;

  constructor(readonly bridge: Bridge) {}

  async begin(): Promise<void> {
    effect(() => follow(this.settings.value));
    await this.attempt(async () => {
      const found = await this.bridge.begin();
      this.version.value = found.version;
      this.settings.value = found.settings;
      this.project.value = found.project;
      this.problem.value = found.problem;
      for (const run of await this.bridge.startedRuns()) {
        this.note(run.key, { command: run.command, project: run.project });
        await this.follow(run.key);
      }
    });
    await this.attempt(async () => {
      await this.bridge.listen("menu", (id) => void this.chosen(id));
      await this.bridge.listen("reports-changed", () => void this.refreshRuns());
      await this.bridge.listen("closing", (count) => (this.closing.value = count));
    });
    if (this.project.value) await this.loadProject();
  }

  /** Do something; what goes wrong is shown to the user. Returns whether it worked. */
  async attempt(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (thrown) {
      this.problem.value = problemOf(thrown);
      return false;
    }
  }

  go(place: Place): void {
    this.place.value = place;
    // The viewer keeps its own place in the address.
    history.replaceState(null, "", location.pathname + location.search);
    scrollTo(0, 0);
  }

  async chooseProject(folder?: string): Promise<void> {
    await this.attempt(async () => {
      const root = await this.bridge.chooseProject(folder);
      if (root === null) return;
      const { settings } = await this.bridge.begin();
      this.settings.value = settings;
      this.project.value = root;
      await this.loadProject();
    });
  }

  /** Find the Python of the project, and what can be run. */
  async loadProject(): Promise<void> {
    this.looks += 1;
    const look = this.looks;
    const current = (): boolean => look === this.looks;
    this.loading.value = true;
    this.description.value = null;
    this.interpreters.value = null;
    this.blocked.value = null;
    this.runs.value = [];
    try {
      const interpreters = await this.bridge.interpreters();
      const description = interpreters.problem ? null : await this.bridge.describe();
      if (!current()) return;
      this.interpreters.value = interpreters;
      this.blocked.value = interpreters.problem;
      this.description.value = description;
    } catch (thrown) {
      if (!current()) return;
      this.blocked.value = problemOf(thrown);
    }
    this.loading.value = false;
    await this.refreshRuns();
  }

  async refreshRuns(): Promise<void> {
    if (this.project.value === null) return;
    const look = this.looks;
    await this.attempt(async () => {
      const runs = await this.bridge.listRuns();
      if (look === this.looks) this.runs.value = runs;
    });
  }

  async save(change: Partial<Settings>): Promise<void> {
    const settings = { ...this.settings.value, ...change };
    const before = this.settings.value;
    this.settings.value = settings;
    if (!(await this.attempt(() => this.bridge.saveSettings(settings)))) this.settings.value = before;
    else if (before.interpreters !== settings.interpreters) await this.loadProject();
  }

  /** The Python that the user chose for the open project; empty without one. */
  get python(): string {
    return this.settings.value.interpreters[this.project.value ?? ""] ?? "";
  }

  /** Choose the Python of the open project; an empty path looks for one. */
  async usePython(path: string): Promise<void> {
    const interpreters = { ...this.settings.value.interpreters };
    delete interpreters[this.project.value ?? ""];
    if (path && this.project.value) interpreters[this.project.value] = path;
    await this.save({ interpreters });
  }

  /** The runs of this session that were started in the open project, the newest first. */
  get ownRuns(): [number, LiveRun][] {
    return [...this.live.value].filter(([key]) => this.started.value.get(key)?.project === this.project.value).reverse();
  }

  /** Start a run and show it. `command` is shown above it. */
  async start(command: string, starting: () => Promise<number>): Promise<void> {
    await this.attempt(async () => {
      const project = this.project.value ?? "";
      const key = await starting();
      this.note(key, { command, project });
      await this.follow(key);
      this.go({ view: "live", key });
    });
  }

  rerun(command: string): Promise<void> {
    return this.start(command, () => this.bridge.rerun(command));
  }

  resume(run: string): Promise<void> {
    return this.start(`pytest --execgo-matrix --execgo-resume ${run}`, () => this.bridge.resumeRun(run));
  }

  private note(key: number, started: Started): void {
    this.started.value = new Map(this.started.value).set(key, started);
    this.live.value = new Map(this.live.value).set(key, newRun());
  }

  private follow(key: number): Promise<void> {
    return this.bridge.followRun(key, (batch) => {
      const run = after(this.live.value.get(key) ?? newRun(), batch);
      this.live.value = new Map(this.live.value).set(key, run);
      if (batch.ended) void this.refreshRuns();
    });
  }

  private async chosen(id: string): Promise<void> {
    if (id === "open_project") await this.chooseProject();
    const view = VIEWS.find((one) => one === id);
    if (view) this.go({ view });
  }
}

/** The language and the theme of the settings, also for the viewer. */
function follow(settings: Settings): void {
  language.value = wanted(settings.language);
  dark.value = settings.theme === "system" ? matchMedia("(prefers-color-scheme: dark)").matches : settings.theme === "dark";
  document.documentElement.dataset["theme"] = dark.value ? "dark" : "light";
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
}

function wanted(chosen: Language): "en" | "zh" {
  if (chosen !== "system") return chosen;
  return navigator.language.startsWith("zh") ? "zh" : "en";
}
