// The window of the desktop client: a list of views on the left, and the view.
import { type ComponentChildren, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import "../style.css";
import "./app.css";
import { ProblemNote } from "./basics";
import type { Bridge } from "./bridge";
import { type Choices, noChoices } from "./choices";
import { say } from "./dictionary";
import { outcome } from "./live";
import { AppState, type Place, VIEWS } from "./state";
import { Compose } from "./views/compose";
import { Doctor } from "./views/doctor";
import { Home } from "./views/home";
import { Library } from "./views/library";
import { Live } from "./views/live";
import { Compared, Report } from "./views/report";
import { Runs } from "./views/runs";
import { Settings } from "./views/settings";

export async function startApp(element: Element, bridge: Bridge): Promise<AppState> {
  const app = new AppState(bridge);
  render(<Window app={app} />, element);
  await app.begin();
  return app;
}

function Window({ app }: { app: AppState }) {
  const [choices, setChoices] = useState<Choices>(noChoices());
  const place = app.place.value;
  useKeys(app);
  return (
    <div class="window-frame">
      <Navigation app={app} />
      <div class="view">
        {app.closing.value > 0 && (
          <p class="note" role="alert">
            {say("closing", { count: app.closing.value })}
          </p>
        )}
        {app.problem.value && <ProblemNote problem={app.problem.value} onClose={() => (app.problem.value = null)} />}
        <Body place={place}>
          {place.view === "home" && <Home app={app} />}
          {place.view === "compose" && <Compose app={app} choices={choices} onChange={setChoices} />}
          {place.view === "live" && <Live key={place.key} app={app} id={place.key} />}
          {place.view === "runs" && <Runs app={app} />}
          {place.view === "run" && <Report key={place.run} app={app} run={place.run} />}
          {place.view === "compared" && <Compared key={place.runs.join()} app={app} runs={place.runs} />}
          {place.view === "library" && <Library app={app} />}
          {place.view === "doctor" && <Doctor app={app} />}
          {place.view === "settings" && <Settings app={app} />}
        </Body>
      </div>
    </div>
  );
}

/** The view below its heading. The viewer has a heading and a main part of its own. */
function Body({ place, children }: { place: Place; children: ComponentChildren }) {
  if (place.view === "run" || place.view === "compared") return <div class="body">{children}</div>;
  return (
    <main class="body">
      {place.view !== "live" && <h1>{say(place.view)}</h1>}
      {children}
    </main>
  );
}

function Navigation({ app }: { app: AppState }) {
  const place = app.place.value;
  const going = [...app.live.value].filter(([, run]) => outcome(run.ended) === "running");
  const current = place.view === "run" || place.view === "compared" ? "runs" : place.view;
  return (
    <nav class="views" aria-label={say("views")}>
      <p class="project" title={app.project.value ?? ""}>
        {app.project.value?.split(/[\\/]/).at(-1) ?? say("noProject")}
      </p>
      {VIEWS.map((view) => (
        <button type="button" key={view} aria-current={current === view ? "page" : undefined} onClick={() => app.go({ view })}>
          {say(view)}
        </button>
      ))}
      {going.map(([key, run]) => (
        <button type="button" class="live" key={key} aria-current={place.view === "live" && place.key === key ? "page" : undefined} onClick={() => app.go({ view: "live", key })}>
          <span aria-hidden="true">▶</span> {say("live")} {run.done}/{run.total || "–"}
        </button>
      ))}
    </nav>
  );
}

/** The keys of the menu, for a browser, which has none. */
function useKeys(app: AppState): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
      const view = event.key === "," ? "settings" : VIEWS[Number(event.key) - 1];
      if (!view) return;
      event.preventDefault();
      app.go({ view });
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}
