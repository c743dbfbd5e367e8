import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Key } from "../dictionary";
import { shown, verdictOf } from "../format";
import { t } from "../state";

export function Verdict({ name }: { name: string }) {
  const { glyph, key } = verdictOf(name);
  return (
    <span class={`verdict ${name}`}>
      <span aria-hidden="true">{glyph}</span> {t(key)}
    </span>
  );
}

export function Section({ title, children, id }: { title: string; children: ComponentChildren; id?: string }) {
  return (
    <section id={id}>
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** A button that copies a text and says so. */
export function Copy({ label, text }: { label: Key; text: () => string }) {
  const [done, setDone] = useState(false);
  const copy = async (): Promise<void> => {
    await copyText(text());
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" onClick={() => void copy()} aria-live="polite">
      {done ? t("copied") : t(label)}
    </button>
  );
}

/** The clipboard of a page from a file may be refused; then a selection is copied. */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

export function Folded({ title, children, open }: { title: string; children: ComponentChildren; open?: boolean }) {
  return (
    <details open={open ?? false}>
      <summary>{title}</summary>
      {children}
    </details>
  );
}

/** A value as text in a box that scrolls; a long one is cut, because a browser is slow to lay it out. */
export function Code({ value }: { value: unknown }) {
  const text = shown(value);
  const most = 100_000;
  return <pre tabIndex={0}>{text.length > most ? `${text.slice(0, most)}\n… ${text.length - most}` : text}</pre>;
}

/** Lines of a unified diff, with colours and their signs. */
export function Diff({ lines }: { lines: readonly string[] }) {
  return (
    <pre class="diff" tabIndex={0}>
      {lines.map((line) => (
        <span class={line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : ""}>{`${line}\n`}</span>
      ))}
    </pre>
  );
}
