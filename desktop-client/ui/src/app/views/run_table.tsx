import { duration } from "../../format";
import type { RunState, RunSummary } from "../bindings";
import { Button } from "../basics";
import { type AppKey, say } from "../dictionary";
import type { AppState } from "../state";

const STATES: Record<RunState, AppKey> = { finished: "finished", running: "isRunning", unfinished: "unfinished" };

/** Runs with what can be done with each. With `chosen`, each has a check box. */
export function RunTable({ app, runs, chosen, onChoose }: { app: AppState; runs: readonly RunSummary[]; chosen?: readonly string[]; onChoose?: (run: string) => void }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={say("runs")}>
      <table class="grid runs">
        <thead>
          <tr>
            {chosen && <td />}
            {(["run", "state", "startedAt", "took", "passed", "actions"] as const).map((key) => (
              <th scope="col" key={key}>
                {say(key)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.id}>
              {chosen && (
                <td>
                  <input type="checkbox" aria-label={say("choose", { run: run.id })} checked={chosen.includes(run.id)} disabled={!run.has_page} onChange={() => onChoose?.(run.id)} />
                </td>
              )}
              <th scope="row">{run.id}</th>
              <td>{say(STATES[run.state])}</td>
              <td class="number">{run.started_at ? new Date(run.started_at).toLocaleString() : "–"}</td>
              <td class="number">{took(run)}</td>
              <td class={`number ${verdictOf(run)}`}>
                {run.passed ?? "–"} / {run.trials ?? "–"}
              </td>
              <td>
                <Actions app={app} run={run} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Actions({ app, run }: { app: AppState; run: RunSummary }) {
  const write = async (): Promise<void> => {
    if (await app.attempt(() => app.bridge.writeReports(run.id, null))) await app.refreshRuns();
  };
  return (
    <span class="tools">
      {run.has_page && <Button onClick={() => app.go({ view: "run", run: run.id })}>{say("openRun")}</Button>}
      {!run.has_page && run.state !== "running" && <Button onClick={() => void write()}>{say("writeReports")}</Button>}
      {run.state === "unfinished" && app.description.value && <Button onClick={() => void app.resume(run.id)}>{say("resume")}</Button>}
    </span>
  );
}

function took(run: RunSummary): string {
  if (!run.started_at || !run.finished_at) return "–";
  return duration(Date.parse(run.finished_at) - Date.parse(run.started_at));
}

function verdictOf(run: RunSummary): string {
  if (run.passed === null || run.trials === null) return "";
  return run.passed === run.trials ? "passed" : "failed";
}
