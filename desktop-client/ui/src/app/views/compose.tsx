import { useEffect, useMemo, useState } from "preact/hooks";
import { duration } from "../../format";
import { Section } from "../../parts/basics";
import { Button, Choice, Chooser, CopyButton, Field, ProblemNote } from "../basics";
import type { Problem } from "../bindings";
import { problemOf } from "../bridge";
import { argumentsOf, type Choices, choicesOf, commandOf, NOT_COMPOSED, possible, WITH_CONTROLS } from "../choices";
import { say } from "../dictionary";
import type { OptionEntry, ProjectDescription, RunEstimate } from "../documents";
import type { AppState } from "../state";

const PAUSE_MS = 400;

/** Everything that a run can choose; the choices stay while the window is open. */
export function Compose({ app, choices, onChange }: { app: AppState; choices: Choices; onChange: (choices: Choices) => void }) {
  const project = app.description.value;
  if (!project) return app.blocked.value ? <ProblemNote title={say("blocked")} problem={app.blocked.value} /> : <p class="note">{say(app.project.value === null ? "noProject" : "looking")}</p>;
  return <Form app={app} project={project} choices={possible(choices, project)} onChange={onChange} />;
}

function Form({ app, project, choices, onChange }: { app: AppState; project: ProjectDescription; choices: Choices; onChange: (choices: Choices) => void }) {
  const set = (change: Partial<Choices>): void => onChange({ ...choices, ...change });
  const args = argumentsOf(choices, project);
  return (
    <div class="compose">
      <div>
        <Chooser legend={say("scenarios")} hint={say("allHint")} chosen={choices.scenarios} onChange={(scenarios) => set({ scenarios })} entries={project.scenarios.map((one) => ({ name: one.id, hint: one.problem ? say("cannotBeRead", { reason: one.problem }) : one.description, disabled: one.problem !== null }))} />
        <Chooser legend={say("chaosProfiles")} filter chosen={choices.chaos} onChange={(chaos) => set({ chaos: chaos.length > 0 ? chaos : ["none"] })} entries={project.profiles.map((one) => ({ name: one.id, hint: one.problem ? say("cannotBeRead", { reason: one.problem }) : one.description, disabled: one.problem !== null }))} />
        <Chooser legend={say("frameworks")} hint={say("installedHint")} chosen={choices.frameworks} onChange={(frameworks) => set({ frameworks })} entries={project.frameworks.map((one) => ({ name: one.name, hint: one.install === null ? one.modes.join(", ") : say("notInstalled", { command: one.install }), disabled: one.install !== null }))} />
        <Chooser legend={say("modes")} chosen={choices.modes} onChange={(modes) => set({ modes: modes.length > 0 ? modes : ["replay"] })} entries={[...new Set(project.frameworks.flatMap((one) => one.modes))].sort().map((name) => ({ name, hint: "" }))} />
        {choices.modes.includes("live") && <Options project={project} title={say("modelOptions")} choices={choices} set={set} wanted={(option) => option.live_only} open />}
        <div class="fields">
          <Field label={say("repetitions")} value={choices.repetitions} onInput={(repetitions) => set({ repetitions })} />
          <Field label={say("seed")} value={choices.seed} placeholder={standardOf(project, "seed")} onInput={(seed) => set({ seed })} />
          <Field label={say("workers")} value={choices.workers} placeholder="1" onInput={(workers) => set({ workers })} />
          <Choice label={say("harness")} value={choices.harness || (project.harnesses[0] ?? "")} options={project.harnesses.map((name) => [name, name] as const)} onChange={(harness) => set({ harness })} />
        </div>
        <Services project={project} choices={choices} set={set} />
        <Options project={project} title={say("furtherOptions")} choices={choices} set={set} wanted={(option) => !option.live_only} />
      </div>
      <aside>
        <Summary app={app} args={args} />
        <Presets app={app} args={args} onChoose={(found) => onChange(choicesOf(found, project))} />
      </aside>
    </div>
  );
}

/** How large the run is, its command, and the button that starts it. */
function Summary({ app, args }: { app: AppState; args: string[] }) {
  const [estimate, setEstimate] = useState<RunEstimate | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const text = args.join("\n");
  useEffect(() => {
    let current = true;
    setEstimate(null);
    setProblem(null);
    const timer = setTimeout(() => {
      app.bridge.estimate(args).then(
        (found) => current && setEstimate(found),
        (thrown: unknown) => current && setProblem(problemOf(thrown)),
      );
    }, PAUSE_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [text, app.description.value]);
  const command = commandOf(args);
  return (
    <Section title={say("thisRun")}>
      <div aria-live="polite" class="estimate">
        {problem ? <ProblemNote problem={problem} /> : <p class="headline">{estimate ? countOf(estimate) : say("estimating")}</p>}
        {estimate && estimate.not_applicable.length > 0 && (
          <details>
            <summary>{say("notApplicable", { count: estimate.not_applicable.length })}</summary>
            <ul>
              {estimate.not_applicable.map((one) => (
                <li key={`${one.scenario} ${one.chaos} ${one.framework} ${one.mode}`}>
                  {one.scenario} × {one.chaos}: {one.reason}
                </li>
              ))}
            </ul>
          </details>
        )}
      </div>
      <p>
        <Button main disabled={problem !== null || estimate?.trials === 0} onClick={() => void app.start(command, () => app.bridge.startRun(args))}>
          {say("start")}
        </Button>
      </p>
      <h3>{say("command")}</h3>
      <pre tabIndex={0}>{command}</pre>
      <CopyButton text={command} />
    </Section>
  );
}

function countOf(estimate: RunEstimate): string {
  if (estimate.seconds === null) return say("trialCount", { count: estimate.trials });
  return say("trialCountTime", { count: estimate.trials, time: duration(estimate.seconds * 1000), run: estimate.measured_in ?? "" });
}

function Services({ project, choices, set }: { project: ProjectDescription; choices: Choices; set: (change: Partial<Choices>) => void }) {
  const names = useMemo(() => [...new Set(project.launchers.flatMap((one) => one.services))].sort(), [project]);
  return (
    <details>
      <summary>{say("services")}</summary>
      <p class="hint">{say("servicesHint", { kinds: project.launchers.map((one) => one.kind).join(", ") })}</p>
      <div class="fields">
        {names.map((name) => (
          <Field key={name} label={name} value={choices.services[name] ?? ""} placeholder={say("standard")} onInput={(text) => set({ services: { ...choices.services, [name]: text } })} />
        ))}
      </div>
    </details>
  );
}

/** One control for each option that has none of its own. */
function Options({ project, title, choices, set, wanted, open }: { project: ProjectDescription; title: string; choices: Choices; set: (change: Partial<Choices>) => void; wanted: (option: OptionEntry) => boolean; open?: boolean }) {
  const options = project.options.filter((one) => wanted(one) && !WITH_CONTROLS.has(one.word) && !NOT_COMPOSED.has(one.word));
  const put = (word: string, text: string): void => set({ more: { ...choices.more, [word]: text } });
  return (
    <details open={open ?? false}>
      <summary>{title}</summary>
      <div class="fields">
        {options.map((option) =>
          option.kind === "flag" ? (
            <label key={option.word} class="field check">
              <input type="checkbox" checked={choices.more[option.word] === "on"} onChange={(event) => put(option.word, event.currentTarget.checked ? "on" : "")} /> <span>--{option.word}</span>
              <small class="facts">{option.help}</small>
            </label>
          ) : option.word === "provider" ? (
            <Choice key={option.word} label="--provider" value={choices.more["provider"] ?? ""} options={[["", say("standard")], ...project.providers.map((name) => [name, name] as const)]} onChange={(text) => put("provider", text)} />
          ) : (
            <Field key={option.word} label={`--${option.word} ${option.metavar}`} value={choices.more[option.word] ?? ""} placeholder={option.default === "–" ? "" : option.default.replaceAll("`", "")} hint={option.help} many={option.kind === "many"} onInput={(text) => put(option.word, text)} />
          ),
        )}
      </div>
    </details>
  );
}

function Presets({ app, args, onChoose }: { app: AppState; args: string[]; onChoose: (args: string[]) => void }) {
  const [name, setName] = useState("");
  const { presets } = app.settings.value;
  const keep = (): void => {
    void app.save({ presets: [...presets.filter((one) => one.name !== name.trim()), { name: name.trim(), arguments: args }] });
    setName("");
  };
  return (
    <Section title={say("presets")}>
      <ul class="plain">
        {presets.map((preset) => (
          <li key={preset.name} class="tools">
            <Button onClick={() => onChoose(preset.arguments)}>{preset.name}</Button>
            <button type="button" aria-label={say("remove", { name: preset.name })} onClick={() => void app.save({ presets: presets.filter((one) => one !== preset) })}>
              ×
            </button>
          </li>
        ))}
      </ul>
      <div class="fields">
        <Field label={say("presetName")} value={name} onInput={setName} />
      </div>
      <Button disabled={name.trim() === ""} onClick={keep}>
        {say("savePreset")}
      </Button>
    </Section>
  );
}

function standardOf(project: ProjectDescription, word: string): string {
  return project.options.find((one) => one.word === word)?.default.replaceAll("`", "") ?? "";
}
