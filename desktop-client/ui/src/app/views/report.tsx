import { useEffect, useRef, useState } from "preact/hooks";
import { mount } from "../../mount";
import type { Host, Source } from "../../source";
import type { ViewerIndex, ViewerTrial } from "../../types";
import { Button, ProblemNote } from "../basics";
import type { Problem } from "../bindings";
import { problemOf } from "../bridge";
import { say } from "../dictionary";
import type { AppState } from "../state";

/** Documents of a page, each read when it is shown. */
class PieceSource implements Source {
  constructor(private readonly read: (name: string) => Promise<unknown>) {}
  index = () => this.read("index") as Promise<ViewerIndex>;
  trial = (id: string) => this.read(id) as Promise<ViewerTrial>;
  otherTrial = (run: number, id: string) => this.read(`${run}/${id}`) as Promise<ViewerTrial>;
}

/** The viewer over one run. */
export function Report({ app, run }: { app: AppState; run: string }) {
  const [version, setVersion] = useState(0);
  const folder = `${app.description.value?.reports_folder ?? `${app.project.value}/reports`}/${run}`;
  const rewrite = (mib: number | null): void => {
    void app.attempt(() => app.bridge.writeReports(run, mib)).then(() => setVersion((one) => one + 1));
  };
  const host: Host = {
    decidesLook: true,
    enlarge: rewrite,
    openRecord: (trial) => void app.attempt(() => app.bridge.openPlace(`${folder}/trials/${trial}`)),
  };
  if (app.description.value) host.rerun = (command) => void app.rerun(command);
  return (
    <>
      <p class="tools">
        <Button onClick={() => void app.attempt(() => app.bridge.openPlace(folder))}>{say("openFolder")}</Button>
        <Button onClick={() => rewrite(null)}>{say("writeReports")}</Button>
      </p>
      <Viewer key={`${run} ${version}`} source={new PieceSource((name) => app.bridge.readPiece(run, name))} host={host} />
    </>
  );
}

/** The viewer over several runs, of which the last is compared with the others. */
export function Compared({ app, runs }: { app: AppState; runs: string[] }) {
  const [ready, setReady] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    location.hash = "#/compare";
    app.bridge.compareRuns(runs).then(
      () => setReady(true),
      (thrown: unknown) => setProblem(problemOf(thrown)),
    );
  }, []);
  return (
    <>
      <p class="hint">{say("compared", { runs: runs.join(" · ") })}</p>
      {problem && <ProblemNote problem={problem} />}
      {!ready && !problem && <p class="note">{say("loading")}</p>}
      {ready && <Viewer source={new PieceSource((name) => app.bridge.readCompared(name))} host={{ decidesLook: true }} />}
    </>
  );
}

function Viewer({ source, host }: { source: Source; host: Host }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let end = (): void => {};
    let gone = false;
    if (place.current) {
      void mount(place.current, source, host).then((unmount) => {
        if (gone) unmount();
        else end = unmount;
      });
    }
    return () => {
      gone = true;
      end();
    };
  }, []);
  return <div class="viewer" ref={place} />;
}
