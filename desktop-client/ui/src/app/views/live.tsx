import { useEffect, useRef, useState } from "preact/hooks";
import { duration } from "../../format";
import { Section, Verdict } from "../../parts/basics";
import { Button, ProblemNote } from "../basics";
import { type AppKey, say } from "../dictionary";
import { type LiveRun, outcome, pace } from "../live";
import type { AppState } from "../state";

const MOST_SHOWN = 200;

const OUTCOMES: Record<Exclude<ReturnType<typeof outcome>, "running" | "problem">, AppKey> = {
  passed: "outcomePassed",
  failed: "outcomeFailed",
  nothing: "outcomeNothing",
  untrustworthy: "outcomeUntrustworthy",
  worse: "outcomeWorse",
  stopped: "outcomeStopped",
  ended: "outcomeEnded",
};

/** A run of this session, while it goes on and after its end. */
export function Live({ app, id }: { app: AppState; id: number }) {
  const run = app.live.value.get(id);
  const [stopping, setStopping] = useState(false);
  if (!run) return null;
  const stop = (): void => {
    setStopping(true);
    void app.attempt(() => app.bridge.stopRun(id));
  };
  const speed = pace(run);
  return (
    <>
      <h1>{run.runId || say("starting")}</h1>
      <p>
        <code>{app.started.value.get(id)?.command}</code>
      </p>
      <div class="progress">
        <progress value={run.done} max={Math.max(run.total, 1)} aria-label={say("progress", { done: run.done, total: run.total })} />
        <p role="status">
          {run.total > 0 ? say("progress", { done: run.done, total: run.total }) : say("starting")}
          {speed && ` · ${say("rate", { rate: speed.rate.toFixed(1) })}`}
          {speed && !run.ended && ` · ${say("left", { time: duration(speed.left * 1000) })}`}
        </p>
      </div>
      {run.ended ? (
        <Ended app={app} run={run} own={app.started.value.get(id)?.project === app.project.value} />
      ) : (
        <p class="tools">
          <Button onClick={stop} disabled={stopping}>
            {say("stop")}
          </Button>
          {stopping && <span>{say("stopping")}</span>}
        </p>
      )}
      <div class="columns">
        <div>
          {!run.ended && <Running run={run} />}
          <NotPassed run={run} />
        </div>
        <Log run={run} />
      </div>
    </>
  );
}

/** What the end means. `own`: the run is one of the open project, so its report can be opened. */
function Ended({ app, run, own }: { app: AppState; run: LiveRun; own: boolean }) {
  const how = outcome(run.ended);
  if (how === "running") return null;
  const summary = own ? app.runs.value.find((one) => one.id === run.runId) : undefined;
  const missing = run.total - run.done;
  return (
    <>
      {how === "problem" && run.ended?.problem ? (
        <ProblemNote title={say("outcomeProblem")} problem={run.ended.problem} />
      ) : (
        <p class={`note ${how === "passed" ? "good" : "bad"}`}>{how !== "problem" && say(OUTCOMES[how], { code: run.ended?.code ?? "–" })}</p>
      )}
      <p class="tools">
        {summary?.has_page && (
          <Button main onClick={() => app.go({ view: "run", run: run.runId })}>
            {say("openReport")}
          </Button>
        )}
        {own && run.runId && (how === "stopped" || how === "problem" || missing > 0) && <Button onClick={() => void app.resume(run.runId)}>{say("resume")}</Button>}
      </p>
    </>
  );
}

function Running({ run }: { run: LiveRun }) {
  return (
    <Section title={say("running")}>
      {run.running.size === 0 && <p class="hint">{say("nothingYet")}</p>}
      <ul class="plain running">
        {[...run.running.values()].map((one) => (
          <li key={one.trial}>
            <b>{one.trial}</b>
            {one.stage && <span class="tag">{say("stage", { name: one.stage })}</span>}
            {one.fault && <span class="tag fault">{say("fault", { name: one.fault })}</span>}
            {one.attempt > 1 && <span class="tag">{say("attempt", { number: one.attempt })}</span>}
          </li>
        ))}
      </ul>
    </Section>
  );
}

function NotPassed({ run }: { run: LiveRun }) {
  return (
    <Section title={say("notPassed")}>
      {run.notPassed.length === 0 && <p class="hint">{say("nothingYet")}</p>}
      <ul class="plain">
        {run.notPassed.slice(0, MOST_SHOWN).map((one) => (
          <li key={one.trial}>
            <Verdict name={one.how} /> <b>{one.trial}</b> {one.cause} {one.reason && <span class="facts">{one.reason}</span>}
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** The last lines of what pytest prints. It stays at the end unless the user scrolls up. */
function Log({ run }: { run: LiveRun }) {
  const box = useRef<HTMLPreElement>(null);
  const atEnd = useRef(true);
  useEffect(() => {
    if (box.current && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [run.log]);
  const scrolled = (): void => {
    const area = box.current;
    if (area) atEnd.current = area.scrollHeight - area.scrollTop - area.clientHeight < 20;
  };
  return (
    <Section title={say("log")}>
      {run.passedOver > 0 && <p class="hint">{say("linesPassedOver", { count: run.passedOver })}</p>}
      {run.garbage > 0 && <p class="hint">{say("garbage", { count: run.garbage })}</p>}
      <pre ref={box} class="log" tabIndex={0} aria-label={say("log")} onScroll={scrolled}>
        {run.log.join("\n")}
      </pre>
    </Section>
  );
}
