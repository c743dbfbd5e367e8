import { expect, test } from "vitest";
import { planGraph } from "../src/plan";

const task = (id: string, ...depends_on: string[]) => ({ id, type: "runtime", depends_on });
const stage = (stage_id: string, tasks: unknown, bindings: unknown = []) => ({ stage_id, task_graph: { tasks }, bindings });

test("tasks stand behind those they wait for, stages behind each other", () => {
  const binding = { source_task_id: "c", source_path: "result", target_task_id: "d", target_param_path: "params.x" };
  const graph = planGraph({ stages: [stage("one", [task("a"), task("b"), task("c", "a", "b")]), stage("two", [task("d")], [binding])] });
  expect(graph?.tasks.map(({ id, column, row }) => [id, column, row])).toEqual([
    ["a", 0, 0],
    ["b", 0, 1],
    ["c", 1, 0],
    ["d", 2, 0],
  ]);
  expect(graph?.edges.map(({ from, to, kind }) => `${kind} ${from} ${to}`)).toEqual(["order a c", "order b c", "binding c d"]);
  expect(graph?.stages).toEqual([
    { id: "one", column: 0, columns: 2 },
    { id: "two", column: 2, columns: 1 },
  ]);
});

test.each([null, undefined, 3, "x", {}, { stages: [] }, { stages: "x" }])("%j is not a plan", (plan) => {
  expect(planGraph(plan)).toBeNull();
});

test("whatever a model answered is drawn without an error", () => {
  const graph = planGraph({ stages: [stage("one", [task("a", "b"), task("b", "a"), {}, 3, null]), { stage_id: 5, bindings: [{}] }] });
  expect(graph?.tasks.length).toBe(3);
  expect(graph?.tasks.every(({ column, row }) => column >= 0 && row >= 0)).toBe(true);
});
