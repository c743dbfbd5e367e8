import { useEffect, useState } from "preact/hooks";
import { Section } from "../../parts/basics";
import { Button, CopyButton, ProblemNote } from "../basics";
import type { Problem } from "../bindings";
import { type DoctorFinding, problemOf } from "../bridge";
import { say } from "../dictionary";
import type { AppState } from "../state";
import { Pythons } from "./pythons";

const GLYPHS = { ok: "✓", missing: "–", broken: "✗" } as const;

/** What a run needs, what of it is there, and the command that fixes the rest. */
export function Doctor({ app }: { app: AppState }) {
  const [findings, setFindings] = useState<DoctorFinding[] | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const check = (): void => {
    setFindings(null);
    setProblem(null);
    app.bridge.doctor().then(setFindings, (thrown: unknown) => setProblem(problemOf(thrown)));
  };
  useEffect(() => {
    if (app.project.value !== null) check();
  }, [app.project.value, app.interpreters.value]);
  if (app.project.value === null) return <p class="note">{say("noProject")}</p>;
  return (
    <>
      <Section title={say("pythonsFound")}>
        <Pythons app={app} />
      </Section>
      <Section title={say("health")}>
        <p>
          <Button onClick={check}>{say("runDoctor")}</Button>
        </p>
        {problem && <ProblemNote problem={problem} />}
        {!findings && !problem && <p class="note">{say("checking")}</p>}
        {findings && (
          <div class="scroll" tabIndex={0} role="region" aria-label={say("doctor")}>
            <table class="grid">
              <thead>
                <tr>
                  {(["state", "what", "found", "fix"] as const).map((key) => (
                    <th scope="col" key={key}>
                      {say(key)}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {findings.map((one) => (
                  <tr key={one.what}>
                    <td class={one.state === "ok" ? "passed" : one.state === "broken" ? "failed" : "skipped"}>
                      <span aria-hidden="true">{GLYPHS[one.state]}</span> {say(one.state)}
                    </td>
                    <th scope="row">{one.what}</th>
                    <td>{one.detail}</td>
                    <td>
                      {one.fix && (
                        <>
                          <code>{one.fix}</code> <CopyButton text={one.fix} />
                        </>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Section>
    </>
  );
}
