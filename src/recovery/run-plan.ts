import { isDeepStrictEqual } from "node:util";
import { AppError, messageOf } from "../errors.ts";
import type { ReportedStep, Runtime } from "../lib/runtime.ts";
import { takeSoleProcess } from "../lib/sole-process.ts";
import { formatDuration } from "../lib/text.ts";
import { type BegunStep, type Journal, readJournal, removeJournal, writeJournal } from "./journal.ts";
import { BEGUN_AT, type Confirmation, type Outputs, type Plan, type Step } from "./plan.ts";

/** What became of one step. */
interface StepResult {
  readonly id: string;
  readonly title: string;
  readonly budgetMs: number;
  /** From its first beginning to its end, crashes between included; null where it did not begin. */
  readonly ms: number | null;
  readonly outcome: "done" | "failed" | "not begun";
}

/** What became of a plan. */
export interface PlanResult {
  readonly startedAt: Date;
  readonly finishedAt: Date;
  readonly steps: readonly StepResult[];
  readonly outputs: Outputs;
  /** Null where all steps are done. */
  readonly failed: { readonly step: Step; readonly error: AppError } | null;
  /** Whether something that an earlier call had begun was gone on with. */
  readonly resumed: boolean;
}

export interface RunRequest {
  /** Where the journal is. */
  readonly path: string;
  /** Begins anew although an earlier call has begun: what that has done stays as it is. */
  readonly restart: boolean;
  /** Throws `not_confirmed` where the user does not agree. */
  readonly confirm: (confirmation: Confirmation) => Promise<void>;
}

/**
 * Runs a plan to its end, or to the first step that fails. Before and after each step it is written down how far it has come,
 * so that the same call goes on after a crash. What was done before is checked again, and done again where it no longer holds.
 * The journal stays, also of a plan that is complete: whoever has recorded and told that removes it, so that who could not, tells it
 * when called again. Fails with `usage` where another process runs the plan, or where the
 * journal is of a recovery with another aim; with `not_confirmed`; and with the signal's reason.
 */
export async function runPlan(
  runtime: Runtime,
  plan: Plan,
  request: RunRequest,
  signal: AbortSignal,
): Promise<PlanResult> {
  using _sole = await alone(plan, request.path);
  const found = request.restart ? undefined : await readJournal(request.path);
  const journal = begin(runtime, plan, found, request.path);
  const resumed = found !== undefined && journal.startedAt === found.startedAt;
  const run = new Run(runtime, plan, request, journal);
  if (resumed) tellOfBegun(runtime, plan, journal);
  await run.write();
  try {
    for (const step of plan.steps) {
      signal.throwIfAborted();
      const failed = await run.step(step, signal);
      if (failed !== null) return run.result({ step, error: failed }, resumed);
    }
  } finally {
    await plan.release?.(run.outputs);
  }
  return run.result(null, resumed);
}

/**
 * The way back: undoes what the steps of a recovery that was begun have done, the last first, as far as they can be undone, and
 * forgets the recovery. Fails with `usage` where none was begun, and with what undoing it fails with: then the journal stays.
 * @returns the titles of what was undone
 */
export async function goBack(
  runtime: Runtime,
  plan: Plan,
  { path, confirm }: Pick<RunRequest, "path" | "confirm">,
  signal: AbortSignal,
): Promise<string[]> {
  using _sole = await alone(plan, path);
  const found = await readJournal(path);
  if (found === undefined)
    throw new AppError("usage", `go back from ${nameOf(plan)}: no recovery is under way here`, {
      hint: "the way back is there until a recovery is complete; after that, recover again, or `handled restore --undo`",
    });
  const journal = begin(runtime, plan, found, path);
  // What was begun with other options has made what the steps of these do not know of.
  if (journal.begun.length < found.begun.length) throw otherAim(plan, found, path);
  const undone: string[] = [];
  let agreed = false;
  for (const step of plan.steps.slice(0, journal.begun.length).toReversed()) {
    const { back } = step;
    if (back === undefined || !isUndoable(step, outputsOf(journal))) continue;
    if (!agreed) await confirm({ what: `undo: ${step.title}`, name: plan.databases.join(",") });
    agreed = true;
    if (!(await back(outputsOf(journal), signal))) continue;
    undone.push(step.title);
    runtime.reporter.note(`undone: ${step.title}`);
  }
  // Who was killed could not.
  await plan.release?.(outputsOf(journal));
  await removeJournal(runtime, path);
  return undone;
}

/** Whether a step that was begun can be undone. */
export function hasWayBack(plan: Plan, { steps, outputs }: PlanResult): boolean {
  return plan.steps.some((step, at) => isUndoable(step, outputs) && steps[at]?.outcome !== "not begun");
}

function isUndoable({ back, isUndoable: isThere }: Step, outputs: Outputs): boolean {
  return back !== undefined && isThere?.(outputs) !== false;
}

async function alone(plan: Plan, path: string): Promise<Disposable> {
  const sole = await takeSoleProcess(`${path}.lock`);
  if (sole !== null) return sole;
  throw new AppError("usage", `${nameOf(plan)}: another process of this machine runs it just now`, {
    hint: "watch that one; it goes on where it is when it was killed",
  });
}

/** One plan under way. */
class Run {
  readonly #runtime: Runtime;
  readonly #plan: Plan;
  readonly #request: RunRequest;
  #journal: Journal;

  constructor(runtime: Runtime, plan: Plan, request: RunRequest, journal: Journal) {
    this.#runtime = runtime;
    this.#plan = plan;
    this.#request = request;
    this.#journal = journal;
  }

  async write(): Promise<void> {
    await writeJournal(this.#runtime, this.#request.path, this.#journal);
  }

  /** Null where it is done, else why not. */
  async step(step: Step, signal: AbortSignal): Promise<AppError | null> {
    const before = this.#of(step);
    if (before?.finishedAt != null) {
      if (await this.#holds(step, signal)) {
        this.#tell(step, "done before");
        return null;
      }
      this.#put({ ...before, finishedAt: null });
    }
    await this.#agree(step);
    if (before === undefined) {
      const startedAt = this.#runtime.clock.now().toISOString();
      this.#put({ step: step.id, startedAt, finishedAt: null, outputs: {} });
    }
    await this.write();
    this.#tell(step, "begun");
    try {
      this.#runtime.observer("before", `step ${step.id}`);
      const made = await step.run(this.outputs, signal);
      await step.check({ ...this.outputs, ...made }, signal);
      this.#runtime.observer("after", `step ${step.id}`);
      const begun = this.#of(step) as BegunStep;
      const finishedAt = this.#runtime.clock.now().toISOString();
      this.#put({ ...begun, finishedAt, outputs: { ...made } });
    } catch (error) {
      signal.throwIfAborted();
      this.#tell(step, "failed");
      return error instanceof AppError
        ? error
        : new AppError("unexpected", messageOf(error), { cause: error });
    }
    await this.write();
    this.#tell(step, "done");
    return null;
  }

  result(failed: PlanResult["failed"], resumed: boolean): PlanResult {
    return {
      startedAt: new Date(this.#journal.startedAt),
      finishedAt: failed === null ? this.#completedAt : this.#runtime.clock.now(),
      steps: this.#plan.steps.map((step) => this.#resultOf(step)),
      outputs: this.outputs,
      failed,
      resumed,
    };
  }

  /** Of a plan that is complete: an earlier call may have come so far. */
  get #completedAt(): Date {
    return new Date(Math.max(...this.#journal.begun.map(({ finishedAt }) => Date.parse(finishedAt ?? ""))));
  }

  /** What was done before a crash may have been taken back since, by the same disaster or by a person. */
  async #holds(step: Step, signal: AbortSignal): Promise<boolean> {
    try {
      await step.check(this.outputs, signal);
      return true;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof AppError)) throw error;
      this.#runtime.reporter.warn(`${step.title}: done before, and no longer so: ${error.message}`);
      return false;
    }
  }

  async #agree(step: Step): Promise<void> {
    if (step.confirm === null || this.#journal.confirmed.includes(step.id)) return;
    const asked = typeof step.confirm === "function" ? step.confirm(this.outputs) : step.confirm;
    if (asked === null) return;
    await this.#request.confirm(asked);
    this.#journal = { ...this.#journal, confirmed: [...this.#journal.confirmed, step.id] };
  }

  #tell(step: Step, outcome: ReportedStep["outcome"]): void {
    const { id, title, budgetMs } = step;
    const place = this.#plan.steps.indexOf(step) + 1;
    const ms = outcome === "begun" ? null : (this.#resultOf(step).ms ?? 0);
    const of = this.#plan.steps.length;
    this.#runtime.reporter.step({ id, title, place, of, budgetMs, outcome, ms });
  }

  #resultOf(step: Step): StepResult {
    const { id, title, budgetMs } = step;
    const begun = this.#of(step);
    if (begun === undefined) return { id, title, budgetMs, ms: null, outcome: "not begun" };
    const end =
      begun.finishedAt === null ? this.#runtime.clock.now().getTime() : Date.parse(begun.finishedAt);
    const ms = Math.max(0, end - Date.parse(begun.startedAt));
    return { id, title, budgetMs, ms, outcome: begun.finishedAt === null ? "failed" : "done" };
  }

  #of({ id }: Step): BegunStep | undefined {
    return this.#journal.begun.find(({ step }) => step === id);
  }

  #put(begun: BegunStep): void {
    const others = this.#journal.begun.filter(({ step }) => step !== begun.step);
    const order = (step: string): number => this.#journal.steps.indexOf(step);
    const all = [...others, begun].toSorted((a, b) => order(a.step) - order(b.step));
    this.#journal = { ...this.#journal, begun: all };
  }

  get outputs(): Outputs {
    return outputsOf(this.#journal);
  }
}

function outputsOf({ startedAt, begun }: Journal): Outputs {
  return Object.assign({ [BEGUN_AT]: startedAt }, ...begun.map(({ outputs }) => outputs)) as Outputs;
}

function begin(runtime: Runtime, plan: Plan, found: Journal | undefined, path: string): Journal {
  const { scenario, databases, aim } = plan;
  const steps = plan.steps.map(({ id }) => id);
  const of = { format: 1 as const, scenario, databases: [...databases], aim: { ...aim }, steps };
  const fresh = { ...of, startedAt: runtime.clock.now().toISOString(), confirmed: [], begun: [] };
  if (found === undefined) return fresh;
  const { startedAt: _at, confirmed: _confirmed, begun, ...rest } = found;
  const isSame = isDeepStrictEqual(rest, of);
  if (isSame && begun.every(({ step }) => steps.includes(step)))
    return ageOf(runtime, found) < STALE_MS ? found : { ...found, confirmed: [] };
  // Nobody had agreed to anything yet, so nothing was changed.
  if (found.confirmed.length === 0 && plan.steps.some(({ confirm }) => confirm !== null)) return fresh;
  throw otherAim(plan, found, path);
}

function otherAim(plan: Plan, found: Journal, path: string): AppError {
  return new AppError("usage", `${nameOf(plan)}: a recovery with another aim was begun and has not ended`, {
    hint: `go on with the options of then (${inWords(found.aim)}), or begin anew with \`--restart\`; its journal is ${path}`,
    details: { begun: found.aim, asked: plan.aim },
  });
}

/** Until then whoever types the same again means the same disaster; after that it may be the next, and what was chosen is old. */
const STALE_MS = 24 * 60 * 60_000;

function ageOf({ clock }: Runtime, { startedAt }: Journal): number {
  return Math.max(0, clock.now().getTime() - Date.parse(startedAt));
}

function tellOfBegun(runtime: Runtime, plan: Plan, journal: Journal): void {
  const done = journal.begun.filter(({ finishedAt }) => finishedAt !== null).length;
  const age = ageOf(runtime, journal);
  const text = `going on with the recovery that began ${formatDuration(age)} ago: ${done} of ${plan.steps.length} steps are done`;
  if (age < STALE_MS) runtime.reporter.note(text);
  else
    runtime.reporter.warn(
      `${text}, and the backup is the one that was chosen then; for another disaster begin anew with \`--restart\``,
    );
}

const inWords = (aim: Plan["aim"]): string =>
  Object.entries(aim)
    .map(([name, value]) => `${name}: ${value}`)
    .join("; ");

function nameOf({ scenario, databases }: Pick<Plan, "scenario" | "databases">): string {
  return `recover ${databases.join(", ")} from ${scenario}`;
}
