import fs from 'node:fs/promises';
import { HoldfastError, isHoldfastError } from '../errors.ts';
import { connectionNotes } from './connection-rules.ts';
import { sizeFindings } from './deployment-size.ts';
import { formatDuration } from './duration.ts';
import { assumedRunTimeSeconds, copyAllowanceSeconds, worstLossSeconds } from './objectives.ts';
import type { Plan } from './plan.ts';

import { type Finding, formatProblem, type PlanNote, type PlanProblem } from './plan-problem.ts';
import { planRules } from './plan-rules.ts';
import { planDocumentSchema, type PlanDocument } from './plan-schema.ts';
import { largestPlanBytes, placeFinding, type PlanText, readDocument } from './read-document.ts';
import { resolvePlan } from './resolve-plan.ts';
import { schemaFindings, valueAt } from './schema-findings.ts';
import { regionNotes } from './region-notes.ts';
import { lockNotes, readBreakGlassKey, tierNotes } from './vault-rules.ts';

/** What is to be said about a plan file: the plan when there are no problems, else all of them in the file's order. */
export interface PlanCheck {
  readonly plan?: Plan;
  readonly problems: readonly PlanProblem[];
  /** Assumptions and costs that the author should know of. */
  readonly notes: readonly PlanNote[];
}

export interface CheckPlanOptions {
  /** Schedules are judged from here on. @default now */
  readonly now?: Date;
}

/** Checks a plan. `file` is for messages, and the folder against which the break-glass key's path is read. */
export function checkPlan(text: string, file: string, options: CheckPlanOptions = {}): PlanCheck {
  const now = options.now ?? new Date();
  const document = readDocument(text, file);
  const value = document.value;
  if (value === undefined) return { problems: inOrder(document.problems), notes: [] };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const empty = placeFinding(document, {
      path: [],
      message: value === null ? 'the plan is empty' : 'the plan is no mapping',
      allowed: 'keys such as name, account, regions, vault and sources',
      hint: 'start from examples/minimal.yaml',
    });
    return { problems: inOrder([...document.problems, empty]), notes: [] };
  }
  const breakGlass = breakGlassKey(value, file);
  const findings = [...schemaFindings(value), ...planRules(value, now), ...breakGlass.findings];
  const problems = inOrder([
    ...document.problems,
    ...findings.map((finding) => placeFinding(document, finding)),
  ]);
  if (problems.length > 0) return { problems, notes: [] };
  const parsed = planDocumentSchema.parse(value);
  const plan = resolvePlan(parsed, { now, breakGlassPublicKey: breakGlass.pem });
  const tooLarge = sizeFindings(plan).map((finding) => placeFinding(document, finding));
  if (tooLarge.length > 0) return { problems: inOrder(tooLarge), notes: [] };
  return { plan, problems, notes: notesOf(document, parsed, plan) };
}

/**
 * Reads a plan file.
 * @throws PLAN_INVALID, NOT_SUPPORTED_YET with all problems in the message and in `detail.problems`
 */
export async function loadPlan(file: string): Promise<Plan> {
  const check = checkPlan(await readPlanText(file), file);
  if (check.plan !== undefined) return check.plan;
  throw planError(check.problems);
}

/** One error that tells all problems. */
export function planError(problems: readonly PlanProblem[]): HoldfastError {
  const code = problems.every((problem) => problem.code === 'NOT_SUPPORTED_YET')
    ? 'NOT_SUPPORTED_YET'
    : 'PLAN_INVALID';
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  const message = `the plan has ${count}\n${problems.map(formatProblem).join('\n')}`;
  return new HoldfastError(code, message, { detail: { problems } });
}

/** The text of a plan file. @throws PLAN_INVALID when it cannot be read, is too large or not UTF-8 */
export async function readPlanText(
  file: string,
  hint = 'name the plan with --plan, or start from examples/minimal.yaml',
): Promise<string> {
  let bytes: Buffer;
  try {
    const { size } = await fs.stat(file);
    if (size > largestPlanBytes) {
      throw new HoldfastError('PLAN_INVALID', `${file} has ${size} bytes; allowed are ${largestPlanBytes}`, {
        hint: 'is this the plan file?',
      });
    }
    bytes = await fs.readFile(file);
  } catch (error) {
    if (isHoldfastError(error)) throw error;
    throw new HoldfastError('PLAN_INVALID', `the plan file ${file} cannot be read: ${whyUnread(error)}`, {
      cause: error,
      hint,
    });
  }
  // UTF-16 without a mark is valid UTF-8 as long as all is ASCII, with a NUL beside every letter.
  const text = bytes.includes(0) ? undefined : utf8(bytes);
  if (text === undefined) {
    throw new HoldfastError('PLAN_INVALID', `${file} is not UTF-8 text`, { hint: 'save it as UTF-8' });
  }
  return text;
}

function whyUnread(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: 'it is not there',
    ENOTDIR: 'a part of its path is no folder',
    EISDIR: 'it is a folder',
    EACCES: 'this user may not read it',
  };
  const known = reasons[code];
  return known === undefined ? message : `${known} (${code})`;
}

function utf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function breakGlassKey(
  document: object,
  planFile: string,
): { readonly findings: Finding[]; readonly pem?: string } {
  const path = ['vault', 'breakGlassKey'];
  const file = valueAt(document, path);
  if (typeof file !== 'string' || file === '') return { findings: [] };
  try {
    return { findings: [], pem: readBreakGlassKey(file, planFile) };
  } catch (error) {
    if (!isHoldfastError(error, 'PLAN_INVALID')) throw error;
    return { findings: [{ path, message: `vault.breakGlassKey: ${error.message}`, hint: error.hint }] };
  }
}

function inOrder(problems: readonly PlanProblem[]): PlanProblem[] {
  const key = (p: PlanProblem) => `${p.line}:${p.column}:${p.path}:${p.message}`;
  const once = new Map(problems.map((problem) => [key(problem), problem]));
  return [...once.values()].toSorted((a, b) => a.line - b.line || a.column - b.column);
}

function notesOf(text: PlanText, document: PlanDocument, plan: Plan): PlanNote[] {
  const note = (path: readonly string[], message: string): PlanNote => ({
    file: text.file,
    ...text.place(path),
    path: path.join('.'),
    message,
  });
  const assumed = plan.sources.map((source) => {
    const runTime = source.runTimeSeconds ?? assumedRunTimeSeconds;
    const worst = worstLossSeconds(source.schedule.intervalSeconds, runTime);
    const how = source.runTimeSeconds === undefined ? 'assumed until runTime is given' : 'as given';
    return note(
      ['sources', source.id, 'schedule', 'full'],
      `sources.${source.id} loses ${formatDuration(worst)} at worst, within its RPO of ${formatDuration(source.objectives.rpoSeconds)}: ${formatDuration(source.schedule.intervalSeconds)} between runs, ${formatDuration(runTime)} run time (${how}), ${formatDuration(copyAllowanceSeconds)} for the copy`,
    );
  });
  const kept = plan.sources
    .filter((source) => Object.keys(source.retention).length > 0)
    .map((source) =>
      note(
        ['sources', source.id, 'retention'],
        `sources.${source.id}.retention is held against the lock, but this version deletes nothing yet`,
      ),
    );
  return [
    ...[
      ...regionNotes(plan),
      ...lockNotes(document),
      ...connectionNotes(document),
      ...tierNotes(document),
    ].map(({ path, message }) => note(path, message)),
    ...assumed,
    ...kept,
  ];
}
