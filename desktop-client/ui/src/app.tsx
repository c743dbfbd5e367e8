import { useEffect, useMemo } from "preact/hooks";
import type { Key } from "./dictionary";
import { rowsOf } from "./rows";
import type { Host, Source } from "./source";
import { language, link, route, t } from "./state";
import { dark } from "./theme";
import type { ViewerIndex } from "./types";
import { Causes } from "./views/causes";
import { Compare } from "./views/compare";
import { Overview } from "./views/overview";
import { Trial } from "./views/trial";
import { Trials } from "./views/trials";

const VIEWS: Key[] = ["overview", "trials", "causes", "compare"];

export function App({ index, source, host }: { index: ViewerIndex; source: Source; host: Host }) {
  const rows = useMemo(() => rowsOf(index), [index]);
  const { view, name } = route.value;
  const chosen = view === "trial" ? "trials" : view;
  useEffect(() => {
    document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
  }, [language.value]);
  useEffect(() => {
    scrollTo(0, 0);
  }, [view, name]);
  return (
    <>
      <header>
        <h1>
          <a href={link("overview")}>{index.run.run_id}</a>
        </h1>
        <nav>
          {VIEWS.map((key) => (
            <a key={key} href={link(key)} aria-current={chosen === key ? "page" : undefined}>
              {t(key)}
            </a>
          ))}
        </nav>
        {!host.decidesLook && (
        <p>
          <button type="button" onClick={() => (language.value = language.value === "zh" ? "en" : "zh")}>
            {t("language")}
          </button>
          <button type="button" aria-pressed={dark.value} onClick={() => (dark.value = !dark.value)}>
            ◐<span class="hidden"> {t("theme")}</span>
          </button>
        </p>
        )}
      </header>
      <main>
        {view === "trials" && <Trials rows={rows} />}
        {view === "trial" && <Trial key={name} row={rows.find((row) => row.id === name)} index={index} source={source} host={host} />}
        {view === "causes" && <Causes index={index} />}
        {view === "compare" && <Compare index={index} />}
        {!["trials", "trial", "causes", "compare"].includes(view) && <Overview index={index} rows={rows} host={host} />}
      </main>
    </>
  );
}
