import { useState } from "preact/hooks";
import { Section } from "../../parts/basics";
import { Button, ProblemNote } from "../basics";
import type { Validation } from "../bridge";
import { say } from "../dictionary";
import type { ProfileEntry, ScenarioEntry } from "../documents";
import type { AppState } from "../state";

/** The files of scenarios and chaos profiles: read, check, open. */
export function Library({ app }: { app: AppState }) {
  const found = app.description.value;
  const [shown, setShown] = useState<{ path: string; text: string } | null>(null);
  const [checked, setChecked] = useState<Validation[] | null>(null);
  if (!found) return app.blocked.value ? <ProblemNote title={say("blocked")} problem={app.blocked.value} /> : <p class="note">{say(app.project.value === null ? "noProject" : "looking")}</p>;
  const show = (path: string): void => {
    void app.attempt(async () => setShown({ path, text: await app.bridge.readSource(path) }));
  };
  const validate = (): void => {
    void app.attempt(async () => setChecked([...(await app.bridge.validate("scenario")), ...(await app.bridge.validate("chaos"))]));
  };
  return (
    <>
      <p class="tools">
        <Button onClick={validate}>{say("validate")}</Button>
      </p>
      {checked && <Checked findings={checked} />}
      <div class="columns">
        <div>
          <Section title={say("scenarios")}>
            <ul class="plain entries">
              {found.scenarios.map((one) => (
                <li key={one.id}>
                  <Button onClick={() => show(one.path)}>{one.id}</Button>
                  <ScenarioFacts entry={one} />
                </li>
              ))}
            </ul>
          </Section>
          <Section title={say("chaosProfiles")}>
            <ul class="plain entries">
              {found.profiles.map((one) => (
                <li key={one.id}>
                  <Button onClick={() => show(one.path)}>{one.id}</Button>
                  <ProfileFacts entry={one} />
                </li>
              ))}
            </ul>
          </Section>
        </div>
        {shown && (
          <section class="source">
            <h2>{shown.path}</h2>
            <p class="tools">
              <Button onClick={() => void app.attempt(() => app.bridge.openPlace(shown.path))}>{say("openInEditor")}</Button>
            </p>
            <pre tabIndex={0}>{shown.text}</pre>
          </section>
        )}
      </div>
    </>
  );
}

function ScenarioFacts({ entry }: { entry: ScenarioEntry }) {
  if (entry.problem) return <p class="note bad">{say("cannotBeRead", { reason: entry.problem })}</p>;
  return (
    <p class="facts">
      {entry.description} {entry.stages !== null && say("stagesTasks", { stages: entry.stages, tasks: entry.tasks ?? 0, checks: entry.checks })}
    </p>
  );
}

function ProfileFacts({ entry }: { entry: ProfileEntry }) {
  if (entry.problem) return <p class="note bad">{say("cannotBeRead", { reason: entry.problem })}</p>;
  return (
    <p class="facts">
      {entry.description} <span class="tag">{say(entry.builtin ? "builtinProfile" : "ownProfile")}</span>
      {entry.faults.map((fault) => (
        <span class="tag" key={fault}>
          {fault}
        </span>
      ))}
      {say("expects", { what: entry.expectation.replaceAll("_", " ") })}
    </p>
  );
}

function Checked({ findings }: { findings: Validation[] }) {
  const wrong = findings.filter((one) => !one.ok);
  return (
    <div class={`note ${wrong.length === 0 ? "good" : "bad"}`} role="status">
      <p>{say("allValid", { count: findings.length - wrong.length, of: findings.length })}</p>
      <ul>
        {wrong.map((one) => (
          <li key={one.path}>{one.error}</li>
        ))}
      </ul>
    </div>
  );
}
