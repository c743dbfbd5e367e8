import { useEffect, useMemo, useState } from "preact/hooks";
import type { Attribution, Confirmation, EarlierAttempt, TrialResult, ViewerIndex, ViewerTrial } from "../types";
import { duration, messageOf, shown } from "../format";
import { Code, Copy, Diff, Folded, Section, Verdict } from "../parts/basics";
import { type Bracket, Gantt } from "../parts/gantt";
import { PlanView } from "../parts/plan_view";
import { WindowTable } from "../parts/window_table";
import type { Row } from "../rows";
import type { Host, Source } from "../source";
import { link, route, setValue, t } from "../state";
import type { TimelineEvent } from "../timeline";

interface Props {
  row: Row | undefined;
  index: ViewerIndex;
  source: Source;
  host: Host;
}

export function Trial({ row, index, source, host }: Props) {
  const [found, setFound] = useState<ViewerTrial | null>(null);
  const [problem, setProblem] = useState("");
  const id = row?.hasDetail ? row.id : "";
  useEffect(() => {
    let current = true;
    setFound(null);
    setProblem("");
    if (id) {
      source.trial(id).then(
        (trial) => current && setFound(trial),
        (error: unknown) => current && setProblem(messageOf(error)),
      );
    }
    return () => {
      current = false;
    };
  }, [id, source]);
  if (!row) return <p class="note bad">{t("noTrial", { id: route.value.name })}</p>;
  const unfinished = index.run.unfinished.find((one) => one.trial_id === row.id);
  return (
    <>
      <p>
        <a href={link("trials")}>← {t("trials")}</a>
      </p>
      <h2 class="id">{row.id}</h2>
      <p>
        <Verdict name={row.verdict} /> {unfinished?.reason}
      </p>
      {!row.hasDetail && !unfinished && <p class="note bad">{t("noDetail")}</p>}
      {problem && <p class="note bad">{problem}</p>}
      {id && !found && !problem && <p>{t("loading")}</p>}
      {found && <Detail trial={found} attempts={index.run.attempts.filter((one) => one.trial_id === row.id)} run={index.run.run_id} host={host} />}
      {found && <SideBySide now={found} source={source} index={index} />}
    </>
  );
}

function Detail({ trial, attempts, run, host }: { trial: ViewerTrial; attempts: EarlierAttempt[]; run: string; host: Host }) {
  const { result } = trial;
  const { verdict } = result;
  const events = trial.events as unknown as TimelineEvent[];
  const first = verdict.attribution[0];
  return (
    <>
      <p class="tools">
        {host.rerun && (
          <button type="button" class="main" onClick={() => host.rerun?.(result.rerun)}>
            {t("rerun")}
          </button>
        )}
        {host.openRecord && (
          <button type="button" onClick={() => host.openRecord?.(result.trial_id)}>
            {t("openRecord")}
          </button>
        )}
        <Copy label="copyRerun" text={() => result.rerun} />
        <Copy label="copyReplay" text={() => `python -m pytest_execgo replay reports/${run}/trials/${result.trial_id}`} />
        <Copy label="copyLink" text={() => location.href} />
      </p>
      <Section title={t("why")}>
        <p class="headline">
          {verdict.failed_task ? `${name(first)} ${verdict.failed_task.task_id}: ${verdict.failed_task.stderr.at(-1)?.trim() ?? ""}` : first ? `${name(first)}: ${first.message}` : verdict.outcome}
        </p>
        <p>{verdict.outcome}</p>
        <ul class="named">
          {verdict.attribution.map((cause) => (
            <li key={name(cause) + cause.message}>
              <b>{name(cause)}</b> ({cause.confidence}
              {cause.mitigated ? `, ${t("mitigated")}` : ""}): {cause.message} <Evidence events={cause.evidence} />
            </li>
          ))}
        </ul>
        {result.confirmation && <Confirmed confirmation={result.confirmation} />}
        {verdict.next_step && (
          <p>
            <b>{t("nextStep")}:</b> {verdict.next_step}
          </p>
        )}
        {verdict.failed_task && (
          <>
            <p>{t("stderrOf", { task: verdict.failed_task.task_id })}</p>
            <Code value={verdict.failed_task.stderr.join("\n")} />
          </>
        )}
      </Section>
      <Checks trial={trial} />
      <Section title={t("chain")}>
        <ol class="chain">
          {verdict.explanation.map((step, k) => (
            <li key={k}>
              <span class="number">{duration(step.at_ms)}</span> {step.text} <Evidence events={step.events} />
            </li>
          ))}
        </ol>
      </Section>
      <TimeLine trial={trial} events={events} />
      <Section title={t("plan")}>
        <PlanView plan={trial.plan} />
      </Section>
      {attempts.length > 0 && (
        <Attempts earlier={attempts} trial={trial} />
      )}
      {trial.model !== null && (
        <Folded title={t("model")}>
          <Code value={trial.model} />
        </Folded>
      )}
      {Object.entries(trial.logs).map(([service, text]) => (
        <Folded key={service} title={`${t("logs")}: ${service}`}>
          <Code value={text} />
        </Folded>
      ))}
      <Folded title={t("raw")}>
        <Code value={result} />
      </Folded>
      {trial.missing.length > 0 && (
        <Section title={t("missing")}>
          <ul>
            {trial.missing.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </Section>
      )}
    </>
  );
}

/** What each attempt came to, and those with a result side by side. */
function Attempts({ earlier, trial }: { earlier: EarlierAttempt[]; trial: ViewerTrial }) {
  const { verdict, attempt } = trial.result;
  return (
    <Section title={t("attempts")}>
      <ol>
        {earlier.map((one) => (
          <li key={one.attempt}>
            {one.verdict ?? one.state}: {one.reason} <code>{`trials/${one.trial_id}/attempts/${one.attempt}`}</code>
          </li>
        ))}
        <li>
          <Verdict name={verdict.status} /> {verdict.outcome}
        </li>
      </ol>
      {trial.attempts.length > 0 && (
        <div class="columns">
          {trial.attempts.map((one) => (
            <Short key={one.attempt} title={t("attemptNumber", { number: one.attempt })} result={one} />
          ))}
          <Short title={t("attemptNumber", { number: attempt })} result={trial.result} />
        </div>
      )}
    </Section>
  );
}

/** The trial in the runs that this one is compared with, and now. */
function SideBySide({ now, source, index }: { now: ViewerTrial; source: Source; index: ViewerIndex }) {
  const [before, setBefore] = useState<[string, ViewerTrial][]>([]);
  const id = now.result.trial_id;
  useEffect(() => {
    let current = true;
    const found = index.compared.flatMap((run, k) => (run.trials.includes(id) ? [source.otherTrial(k, id).then((trial): [string, ViewerTrial] => [run.run_id, trial])] : []));
    void Promise.all(found).then((all) => current && setBefore(all));
    return () => {
      current = false;
    };
  }, [id, source, index]);
  if (before.length === 0) return null;
  return (
    <Section title={t("sideBySide")}>
      <div class="columns">
        {before.map(([run, trial]) => (
          <Short key={run} title={run} result={trial.result} />
        ))}
        <Short title={index.run.run_id} result={now.result} />
      </div>
    </Section>
  );
}

/** What repetitions with and without the faults showed. */
function Confirmed({ confirmation }: { confirmation: Confirmation }) {
  return (
    <>
      <p>
        <b>{t("confirmation")}:</b> {confirmation.status.replaceAll("_", " ")}
        {confirmation.by.length > 0 && ` (${confirmation.by.join(", ")})`}
        {confirmation.reason && `: ${confirmation.reason}`}
      </p>
      <ul>
        {confirmation.arms.map((arm) => (
          <li key={arm.faults.join()}>
            {t("armEnded", { faults: arm.faults.join(" + ") || t("noFault"), same: arm.same, clean: arm.clean, of: arm.of })}
          </li>
        ))}
      </ul>
    </>
  );
}

function Short({ title, result }: { title: string; result: TrialResult }) {
  const { verdict, metrics } = result;
  const first = verdict.attribution[0];
  return (
    <div>
      <h3>{title}</h3>
      <p>
        <Verdict name={verdict.status} /> {duration(metrics.wall_time_ms)}
      </p>
      <p>
        <b>{name(first)}</b> {first?.message}
      </p>
      <ol class="chain">
        {verdict.explanation.map((step, k) => (
          <li key={k}>
            <span class="number">{duration(step.at_ms)}</span> {step.text}
          </li>
        ))}
      </ol>
    </div>
  );
}

function name(cause: Attribution | undefined): string {
  return cause ? `${cause.layer}/${cause.code}` : "";
}

/** Buttons that show the events behind a sentence. */
function Evidence({ events }: { events: readonly string[] }) {
  return (
    <>
      {events.map((event) => (
        <button type="button" class="evidence" key={event} title={t("toEvent", { event })} aria-label={t("toEvent", { event })} onClick={() => setValue("event", event)}>
          {event}
        </button>
      ))}
    </>
  );
}

function Checks({ trial }: { trial: ViewerTrial }) {
  const { checks } = trial.result.verdict;
  if (checks.length === 0) return null;
  return (
    <Section title={t("checks")}>
      <ul class="checks">
        {checks.map((check, k) => (
          <li key={k} class={check.ok ? "good" : "bad"}>
            <span aria-hidden="true">{check.ok ? "✓" : "✗"}</span> <b>{check.kind}</b> {t(check.ok ? "checkHolds" : "checkFails")}: {check.message}
            {check.diff.length > 0 && <Diff lines={check.diff} />}
            {!check.ok && check.diff.length === 0 && check.expected !== null && (
              <div class="columns">
                <div>
                  {t("expected")}
                  <Code value={check.expected} />
                </div>
                <div>
                  {t("got")}
                  <Code value={check.got} />
                </div>
              </div>
            )}
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** The chart and, below, the events of the window that it shows. */
function TimeLine({ trial, events }: { trial: ViewerTrial; events: TimelineEvent[] }) {
  const { result, slices } = trial;
  const end = useMemo(() => Math.max(1, result.metrics.wall_time_ms, ...slices.map((slice) => slice.end_ms), ...events.map((event) => event.at_ms)), [trial]);
  const times = useMemo(() => [...slices.flatMap((slice) => [slice.start_ms, slice.end_ms]), ...events.map((event) => event.at_ms)], [trial]);
  const window = windowOf(route.value.values.get("time"), end);
  const wanted = route.value.values.get("event") ?? "";
  const shownEvents = useMemo(() => events.filter((event) => event.at_ms >= window[0] && event.at_ms <= window[1]), [events, window[0], window[1]]);
  const current = shownEvents.findIndex((event) => event.event_id === wanted);
  const opened = events.find((event) => event.event_id === wanted);
  const setWindow = ([from, to]: [number, number]): void => setValue("time", from <= 0 && to >= end ? "" : `${from.toFixed(1)}-${to.toFixed(1)}`);
  useEffect(() => {
    // An event of the chain may lie outside of the window.
    if (wanted && opened && current < 0) setWindow([0, end]);
    if (wanted) document.getElementById("events")?.scrollIntoView({ block: "nearest" });
  }, [wanted]);
  return (
    <>
      <Section title={t("time")}>
        <Gantt slices={slices} brackets={bracketsOf(trial)} times={times} end={end} window={window} setWindow={setWindow} />
      </Section>
      <Section title={t("events")} id="events">
        <p>{t("eventsShown", { count: shownEvents.length, of: events.length })}</p>
        <WindowTable
          label={t("events")}
          rows={shownEvents}
          current={current}
          columns={4}
          rowHeight={26}
          head={null}
          row={(event) => (
            <tr key={event.event_id} class={event.event_id === wanted ? "current" : ""} onClick={() => setValue("event", event.event_id)}>
              <td>{event.event_id}</td>
              <td class="number">{duration(event.at_ms)}</td>
              <td>{event.event_type}</td>
              <td class="facts">{factsOf(event)}</td>
            </tr>
          )}
        />
        {opened && <Code value={opened} />}
      </Section>
    </>
  );
}

function windowOf(text: string | null, end: number): [number, number] {
  const [from = Number.NaN, to = Number.NaN] = (text ?? "").split("-").map(Number);
  return from >= 0 && to > from ? [from, Math.min(to, end)] : [0, end];
}

/** From the first fault to the first symptom, and to the recovery. */
function bracketsOf(trial: ViewerTrial): Bracket[] {
  const { faults, metrics } = trial.result;
  const times = faults.map((fault) => fault.at_ms).filter((ms): ms is number => ms !== null);
  if (times.length === 0) return [];
  const from = Math.min(...times);
  const found: Bracket[] = [];
  if (metrics.detection_ms !== null) found.push({ from, to: from + metrics.detection_ms, text: t("detection", { time: duration(metrics.detection_ms) }) });
  if (metrics.recovery_ms !== null) found.push({ from, to: from + metrics.recovery_ms, text: t("recovered", { time: duration(metrics.recovery_ms) }) });
  return found;
}

const HEAD = new Set(["event_id", "event_type", "at_ms", "wall_time"]);

function factsOf(event: TimelineEvent): string {
  const facts = Object.entries(event).filter(([key]) => !HEAD.has(key));
  const text = facts.map(([key, value]) => `${key}=${typeof value === "string" ? value : shown(value).replace(/\s+/g, " ")}`).join("  ");
  return text.length > 300 ? `${text.slice(0, 299)}…` : text;
}
