// Small parts that several views of the app use.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { copyText } from "../parts/basics";
import type { Problem } from "./bindings";
import { say } from "./dictionary";

export function Button({ onClick, children, main, disabled }: { onClick: () => void; children: ComponentChildren; main?: boolean; disabled?: boolean }) {
  return (
    <button type="button" class={main ? "main" : ""} disabled={disabled ?? false} onClick={onClick}>
      {children}
    </button>
  );
}

/** A problem: its line, what to do next, and the longer text below. */
export function ProblemNote({ problem, title, onClose }: { problem: Problem; title?: string; onClose?: () => void }) {
  return (
    <div class="note bad problem" role="alert">
      {title && <p class="headline">{title}</p>}
      <p>{problem.message}</p>
      {problem.hint && (
        <p>
          <code>{problem.hint}</code> <CopyButton text={problem.hint} />
        </p>
      )}
      {problem.detail && <pre tabIndex={0}>{problem.detail}</pre>}
      {onClose && <Button onClick={onClose}>{say("close")}</Button>}
    </div>
  );
}

export function CopyButton({ text }: { text: string }) {
  const [done, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    await copyText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return <Button onClick={() => void copy()}>{done ? say("copied") : say("copy")}</Button>;
}

/** Check boxes for names, each with a hint. A text filters long lists. */
export function Chooser({ legend, hint, entries, chosen, onChange, filter }: { legend: string; hint?: string; entries: readonly { name: string; hint: string; disabled?: boolean }[]; chosen: readonly string[]; onChange: (names: string[]) => void; filter?: boolean }) {
  const [text, setText] = useState("");
  const shown = entries.filter((one) => one.name.includes(text) || one.hint.toLowerCase().includes(text.toLowerCase()));
  const toggle = (name: string): void => onChange(chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]);
  const free = shown.filter((one) => !one.disabled).map((one) => one.name);
  return (
    <fieldset>
      <legend>{legend}</legend>
      {hint && <p class="hint">{hint}</p>}
      {filter && (
        <p class="tools">
          <input type="search" aria-label={`${say("filter")}: ${legend}`} placeholder={say("filter")} value={text} onInput={(event) => setText(event.currentTarget.value)} />
          <Button onClick={() => onChange([...new Set([...chosen, ...free])])}>{say("all")}</Button>
          <Button onClick={() => onChange(chosen.filter((one) => !free.includes(one)))}>{say("none")}</Button>
        </p>
      )}
      <ul class={filter ? "choices long" : "choices"}>
        {shown.map((one) => (
          <li key={one.name}>
            <label>
              <input type="checkbox" checked={chosen.includes(one.name)} disabled={one.disabled ?? false} onChange={() => toggle(one.name)} /> <b>{one.name}</b> <span class="facts">{one.hint}</span>
            </label>
          </li>
        ))}
      </ul>
    </fieldset>
  );
}

/** A text. With `many`, each line is a value of its own. */
export function Field({ label, value, onInput, hint, placeholder, type, many }: { label: string; value: string; onInput: (text: string) => void; hint?: string; placeholder?: string; type?: string; many?: boolean }) {
  return (
    <label class="field">
      <span>{label}</span>
      {many ? (
        <textarea rows={Math.max(1, value.split("\n").length)} value={value} onInput={(event) => onInput(event.currentTarget.value)} spellcheck={false} />
      ) : (
        <input type={type ?? "text"} value={value} placeholder={placeholder ?? ""} onInput={(event) => onInput(event.currentTarget.value)} autocomplete="off" spellcheck={false} />
      )}
      {many && <small class="facts">{say("oneEachLine")}</small>}
      {hint && <small class="facts">{hint}</small>}
    </label>
  );
}

export function Choice({ label, value, options, onChange }: { label: string; value: string; options: readonly (readonly [string, string])[]; onChange: (value: string) => void }) {
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
