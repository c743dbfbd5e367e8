// The bridge to Rust. See src-tauri/src/commands.rs.
import { Channel, invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";
import type { Beginning, Interpreters, RunBatch, RunSummary, Settings, StartedRun } from "./bindings";
import type { Bridge, DoctorFinding, News, Validation } from "./bridge";
import type { ProjectDescription, RunEstimate } from "./documents";

export class TauriBridge implements Bridge {
  begin = () => invoke<Beginning>("begin");
  chooseProject = (folder?: string) => invoke<string | null>("choose_project", { folder: folder ?? null });
  saveSettings = (settings: Settings) => invoke<void>("save_settings", { settings });
  interpreters = () => invoke<Interpreters>("interpreters");
  describe = () => invoke<ProjectDescription>("describe");
  estimate = (args: string[]) => invoke<RunEstimate>("estimate", { arguments: args });
  doctor = () => invoke<DoctorFinding[]>("doctor");
  validate = (kind: "scenario" | "chaos") => invoke<Validation[]>("validate", { kind });
  startRun = (args: string[]) => invoke<number>("start_run", { arguments: args });
  rerun = (command: string) => invoke<number>("rerun", { command });
  resumeRun = (run: string) => invoke<number>("resume_run", { run });
  stopRun = (key: number) => invoke<void>("stop_run", { key });
  startedRuns = () => invoke<StartedRun[]>("started_runs");
  listRuns = () => invoke<RunSummary[]>("list_runs");
  compareRuns = (runs: string[]) => invoke<void>("compare_runs", { runs });
  writeReports = (run: string, budget: number | null) => invoke<void>("write_reports", { run, budget });
  readSource = (path: string) => invoke<string>("read_source", { path });
  openPlace = (path: string) => invoke<void>("open_place", { path });
  setSecret = (name: string, value: string) => invoke<void>("set_secret", { name, value });
  forgetSecret = (name: string) => invoke<void>("forget_secret", { name });

  followRun(key: number, onBatch: (batch: RunBatch) => void): Promise<void> {
    return invoke<void>("follow_run", { key, channel: new Channel<RunBatch>(onBatch) });
  }

  async readPiece(run: string, name: string): Promise<unknown> {
    return parsed(await invoke<ArrayBuffer>("read_piece", { run, name }));
  }

  async readCompared(name: string): Promise<unknown> {
    return parsed(await invoke<ArrayBuffer>("read_compared", { name }));
  }

  async listen<K extends keyof News>(name: K, onNews: (news: News[K]) => void): Promise<void> {
    await listen<News[K]>(name, (event) => onNews(event.payload));
  }
}

function parsed(bytes: ArrayBuffer): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
