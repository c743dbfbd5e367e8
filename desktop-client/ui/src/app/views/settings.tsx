import { useState } from "preact/hooks";
import { Section } from "../../parts/basics";
import { Button, Choice, Field } from "../basics";
import type { Language, Theme } from "../bindings";
import { say } from "../dictionary";
import type { AppState } from "../state";
import { Pythons } from "./pythons";

export function Settings({ app }: { app: AppState }) {
  const settings = app.settings.value;
  return (
    <>
      <div class="fields">
        <Choice
          label={say("languageLabel")}
          value={settings.language}
          options={[
            ["system", say("asSystem")],
            ["en", say("english")],
            ["zh", say("chinese")],
          ]}
          onChange={(language) => void app.save({ language: language as Language })}
        />
        <Choice
          label={say("themeLabel")}
          value={settings.theme}
          options={[
            ["system", say("asSystem")],
            ["light", say("light")],
            ["dark", say("dark")],
          ]}
          onChange={(theme) => void app.save({ theme: theme as Theme })}
        />
      </div>
      {app.project.value !== null && <PythonOfProject key={app.project.value} app={app} />}
      <Secrets app={app} />
      <p class="hint">{say("version", { version: app.version.value })}</p>
    </>
  );
}

/** Each project has a Python of its own. */
function PythonOfProject({ app }: { app: AppState }) {
  const [python, setPython] = useState(app.python);
  return (
    <Section title={say("python")}>
      <div class="fields">
        <Field label={say("python")} hint={say("pythonHint")} value={python} onInput={setPython} />
      </div>
      <p>
        <Button disabled={python.trim() === app.python} onClick={() => void app.usePython(python.trim())}>
          {say("save")}
        </Button>
      </p>
      <h3>{say("pythonsFound")}</h3>
      <Pythons app={app} />
    </Section>
  );
}

function Secrets({ app }: { app: AppState }) {
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const { secrets } = app.settings.value;
  const keep = (): void => {
    void app
      .attempt(() => app.bridge.setSecret(name.trim(), value))
      .then((done) => {
        if (!done) return;
        app.settings.value = { ...app.settings.value, secrets: [...new Set([...secrets, name.trim()])] };
        setName("");
        setValue("");
      });
  };
  const forget = (one: string): void => {
    void app
      .attempt(() => app.bridge.forgetSecret(one))
      .then(() => {
        app.settings.value = { ...app.settings.value, secrets: secrets.filter((other) => other !== one) };
      });
  };
  return (
    <Section title={say("secrets")}>
      <p class="hint">{say("secretsHint")}</p>
      <ul class="plain">
        {secrets.map((one) => (
          <li key={one} class="tools">
            <code>{one}</code>
            <button type="button" aria-label={say("remove", { name: one })} onClick={() => forget(one)}>
              ×
            </button>
          </li>
        ))}
      </ul>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          keep();
        }}
      >
        <div class="fields">
          <Field label={say("secretName")} value={name} placeholder="OPENAI_API_KEY" onInput={setName} />
          <Field label={say("secretValue")} type="password" value={value} onInput={setValue} />
        </div>
        <p>
          <button type="submit" disabled={name.trim() === "" || value === ""}>
            {say("keep")}
          </button>
        </p>
      </form>
    </Section>
  );
}
