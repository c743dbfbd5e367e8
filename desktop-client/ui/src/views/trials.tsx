import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Key } from "../dictionary";
import { duration } from "../format";
import { Verdict } from "../parts/basics";
import { WindowTable } from "../parts/window_table";
import { FIELDS, parseQuery, type Row, type Sort, sorted } from "../rows";
import { link, route, setValue, t } from "../state";

const COLUMNS: [Sort, Key][] = [
  ["verdict", "verdict"],
  ["scenario", "scenario"],
  ["framework", "framework"],
  ["mode", "mode"],
  ["chaos", "chaos"],
  ["id", "trial"],
  ["cause", "cause"],
  ["recovery", "recovery"],
  ["wall", "wall"],
];

export function Trials({ rows }: { rows: readonly Row[] }) {
  const values = route.value.values;
  const text = values.get("q") ?? "";
  const by = (COLUMNS.find(([name]) => name === values.get("sort"))?.[0] ?? "id") as Sort;
  const descending = values.get("down") === "1";
  const [current, setCurrent] = useState(0);
  const [help, setHelp] = useState(false);
  const search = useRef<HTMLInputElement>(null);
  const query = useMemo(() => parseQuery(text), [text]);
  const found = useMemo(() => rows.filter(query.matches), [rows, query]);
  const shown = useMemo(() => (by === "id" && !descending ? found : sorted(found, by, descending)), [found, by, descending]);

  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const typing = event.target instanceof HTMLInputElement;
      if (typing && event.key === "Escape") search.current?.blur();
      if (typing) return;
      const row = shown[current];
      if (event.key === "/") {
        event.preventDefault();
        search.current?.focus();
      } else if (event.key === "j") setCurrent(Math.min(current + 1, shown.length - 1));
      else if (event.key === "k") setCurrent(Math.max(current - 1, 0));
      else if (event.key === "?") setHelp(!help);
      else if (event.key === "Enter" && row && !(event.target instanceof HTMLAnchorElement) && !(event.target instanceof HTMLButtonElement)) location.hash = link("trial", row.id);
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [shown, current, help]);

  const sortBy = (name: Sort): void => {
    setValue("down", by === name && !descending ? "1" : "");
    setValue("sort", name);
  };
  return (
    <>
      <p class="tools">
        <label>
          {t("search")}{" "}
          <input
            ref={search}
            type="search"
            value={text}
            placeholder={t("searchHint")}
            onInput={(event) => {
              setCurrent(0);
              setValue("q", event.currentTarget.value);
            }}
          />
        </label>
        <span role="status">{t("found", { count: shown.length, of: rows.length })}</span>
        <button type="button" aria-expanded={help} onClick={() => setHelp(!help)}>
          ?
        </button>
      </p>
      {help && <p class="note">{t("keys")}</p>}
      {query.unknown.map((key) => (
        <p class="note bad" key={key} role="alert">
          {t("unknownKey", { key, keys: FIELDS.join(", ") })}
        </p>
      ))}
      <WindowTable
        label={t("trials")}
        rows={shown}
        current={current}
        columns={COLUMNS.length}
        rowHeight={26}
        head={
          <tr>
            {COLUMNS.map(([name, key]) => (
              <th scope="col" key={name} aria-sort={by !== name ? "none" : descending ? "descending" : "ascending"}>
                <button type="button" class="plain" onClick={() => sortBy(name)}>
                  {t(key)}
                  <span aria-hidden="true">{by !== name ? "" : descending ? " ↓" : " ↑"}</span>
                </button>
              </th>
            ))}
          </tr>
        }
        row={(row, number) => (
          <tr key={row.id} aria-rowindex={number + 2} class={number === current ? "current" : ""} onClick={() => setCurrent(number)}>
            <td>
              <Verdict name={row.verdict} />
            </td>
            <td>{row.scenario}</td>
            <td>{row.framework}</td>
            <td>{row.mode}</td>
            <td>{row.chaos}</td>
            <td>
              <a href={link("trial", row.id)}>r{row.id.replace(/^.*-r/, "")}</a>
            </td>
            <td title={row.cause}>{row.cause}</td>
            <td>{row.recovery.replace("_", " ")}</td>
            <td class="number">{duration(row.wall)}</td>
          </tr>
        )}
      />
    </>
  );
}
