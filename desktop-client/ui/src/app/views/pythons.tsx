import { Button } from "../basics";
import type { InterpreterSource } from "../bindings";
import { type AppKey, say } from "../dictionary";
import type { AppState } from "../state";

const SOURCES: Record<InterpreterSource, AppKey> = { setting: "sourceSetting", variable: "sourceVariable", venv: "sourceVenv", path: "sourcePath" };

/** Every Python that was found, and which one runs the project. */
export function Pythons({ app }: { app: AppState }) {
  const found = app.interpreters.value;
  if (!found) return <p class="hint">{say(app.project.value === null ? "noProject" : "looking")}</p>;
  return (
    <ul class="plain">
      {found.found.map((one) => (
        <li key={`${one.source} ${one.path}`} class={one.problem ? "bad" : "good"}>
          <span aria-hidden="true">{one.problem ? "✗" : "✓"}</span> <code>{one.path}</code> ({say(SOURCES[one.source])}) {one.version}
          {one.path === found.chosen ? <span class="tag">{say("inUse")}</span> : !one.problem && <Button onClick={() => void app.usePython(one.path)}>{say("use", { path: one.path })}</Button>}
          {one.problem && <p class="facts">{one.problem.message}</p>}
          {one.problem?.hint && (
            <p>
              <code>{one.problem.hint}</code>
            </p>
          )}
        </li>
      ))}
    </ul>
  );
}
