import { useState } from "preact/hooks";
import { Section } from "../../parts/basics";
import { Button } from "../basics";
import { say } from "../dictionary";
import { outcome } from "../live";
import type { AppState } from "../state";
import { RunTable } from "./run_table";

const MOST_SHOWN = 500;

/** The history of runs, those that something else started as well. */
export function Runs({ app }: { app: AppState }) {
  const [filter, setFilter] = useState("");
  const [chosen, setChosen] = useState<string[]>([]);
  const runs = app.runs.value;
  const found = runs.filter((run) => run.id.includes(filter.trim()));
  const choose = (run: string): void => setChosen(chosen.includes(run) ? chosen.filter((one) => one !== run) : [...chosen, run]);
  // The newest run is first in the list, and last in a comparison.
  const ordered = runs.filter((run) => chosen.includes(run.id)).map((run) => run.id).reverse();
  return (
    <>
      {app.ownRuns.length > 0 && (
        <Section title={say("thisSession")}>
          <ul class="plain">
            {app.ownRuns.map(([key, run]) => (
              <li key={key}>
                <Button onClick={() => app.go({ view: "live", key })}>
                  {run.runId || say("starting")} · {say("progress", { done: run.done, total: run.total })}
                  {outcome(run.ended) === "running" && ` · ${say("isRunning")}`}
                </Button>
              </li>
            ))}
          </ul>
        </Section>
      )}
      <Section title={say("allRuns")}>
        <p class="tools">
          <input type="search" aria-label={say("filter")} placeholder={say("filter")} value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
          <Button disabled={ordered.length < 2} onClick={() => app.go({ view: "compared", runs: ordered })}>
            {say("compareChosen")}
          </Button>
          <span class="hint">{say("compareHint")}</span>
        </p>
        {found.length === 0 ? <p class="hint">{say("noRuns", { folder: app.description.value?.reports_folder ?? "reports" })}</p> : <RunTable app={app} runs={found.slice(0, MOST_SHOWN)} chosen={chosen} onChoose={choose} />}
      </Section>
    </>
  );
}
