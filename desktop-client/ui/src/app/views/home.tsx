import { Section } from "../../parts/basics";
import { Button, ProblemNote } from "../basics";
import { argumentsOf, commandOf, noChoices } from "../choices";
import { say } from "../dictionary";
import type { AppState } from "../state";
import { RunTable } from "./run_table";

const MOST_RECENT = 5;

/** What a user needs first: a project, whether it can run, and a first run. */
export function Home({ app }: { app: AppState }) {
  const project = app.project.value;
  return (
    <>
      {project === null ? (
        <Section title={say("noProject")}>
          <p>{say("firstStep")}</p>
          <p>
            <Button main onClick={() => void app.chooseProject()}>
              {say("openProject")}
            </Button>
          </p>
        </Section>
      ) : (
        <>
          <Health app={app} />
          {app.description.value && <QuickStart app={app} />}
          <Section title={say("recentRuns")}>
            {app.runs.value.length === 0 ? (
              <p class="hint">{say("noRuns", { folder: app.description.value?.reports_folder ?? `${project}/reports` })}</p>
            ) : (
              <>
                <RunTable app={app} runs={app.runs.value.slice(0, MOST_RECENT)} />
                <p>
                  <Button onClick={() => app.go({ view: "runs" })}>{say("allRuns")}</Button>
                </p>
              </>
            )}
          </Section>
        </>
      )}
      <Projects app={app} />
    </>
  );
}

function Health({ app }: { app: AppState }) {
  const found = app.description.value;
  const blocked = app.blocked.value;
  return (
    <Section title={say("health")}>
      {app.loading.value && <p class="note">{say("looking")}</p>}
      {blocked && (
        <>
          <ProblemNote title={say("blocked")} problem={blocked} />
          <p class="tools">
            <Button onClick={() => void app.loadProject()}>{say("tryAgain")}</Button>
            <Button onClick={() => app.go({ view: "settings" })}>{say("settings")}</Button>
          </p>
        </>
      )}
      {found && (
        <div class="note good">
          <p>{say("healthy", { version: found.pytest_execgo, python: found.python })}</p>
          <p>
            {say("counts", {
              scenarios: found.scenarios.length,
              profiles: found.profiles.length,
              frameworks: found.frameworks.filter((one) => one.install === null).length,
            })}{" "}
            {found.builtin_scenarios && say("builtin")}
          </p>
        </div>
      )}
    </Section>
  );
}

function QuickStart({ app }: { app: AppState }) {
  const found = app.description.value;
  if (!found) return null;
  const run = (chaos: string[]): void => {
    const args = argumentsOf({ ...noChoices(), chaos }, found);
    void app.start(commandOf(args), () => app.bridge.startRun(args));
  };
  const ofRuntime = found.profiles.filter((one) => one.faults.length > 0 && one.faults.every((fault) => fault.endsWith(" runtime")) && one.expectation === "should_recover");
  return (
    <Section title={say("quickStart")}>
      <ul class="cards">
        <li>
          <Button main onClick={() => run(["none"])}>
            {say("runOnce")}
          </Button>
          <p class="hint">{say("runOnceHint")}</p>
        </li>
        {ofRuntime.length > 0 && (
          <li>
            <Button onClick={() => run(ofRuntime.map((one) => one.id))}>{say("runFaults")}</Button>
            <p class="hint">{say("runFaultsHint")}</p>
          </li>
        )}
        <li>
          <Button onClick={() => app.go({ view: "compose" })}>{say("compose")}</Button>
          <p class="hint">{say("composeHint")}</p>
        </li>
      </ul>
    </Section>
  );
}

function Projects({ app }: { app: AppState }) {
  const others = app.settings.value.projects.filter((one) => one !== app.project.value);
  if (app.project.value === null && others.length === 0) return null;
  return (
    <Section title={say("recentProjects")}>
      <ul class="plain">
        {others.map((folder) => (
          <li key={folder}>
            <Button onClick={() => void app.chooseProject(folder)}>{folder}</Button>
          </li>
        ))}
        <li>
          <Button onClick={() => void app.chooseProject()}>{say("openProject")}</Button>
        </li>
      </ul>
    </Section>
  );
}
