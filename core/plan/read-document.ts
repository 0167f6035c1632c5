import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type YAMLError,
} from 'yaml';
import { type Finding, formatPath, type PlanPath, type PlanProblem } from './plan-problem.ts';

/** A parsed YAML text that remembers where everything stands. */
export interface PlanText {
  readonly file: string;
  /** The plain value; `undefined` when the text is no YAML at all. */
  readonly value: unknown;
  /** What YAML itself objects to. */
  readonly problems: readonly PlanProblem[];
  place(path: PlanPath, atKey?: boolean): { readonly line: number; readonly column: number };
}

/** More than any plan needs; a larger file is a mistake, and not read. */
export const largestPlanBytes = 1 << 20;

/** Objections to a text whose structure is plain all the same, so that the rest can be judged. */
const harmless: ReadonlySet<string> = new Set(['DUPLICATE_KEY', 'MULTIPLE_DOCS', 'NON_STRING_KEY']);

export function readDocument(text: string, file: string): PlanText {
  const lines = new LineCounter();
  const whole = (message: string, hint: string): PlanText => ({
    file,
    value: undefined,
    problems: [{ file, line: 0, column: 0, code: 'PLAN_INVALID', path: '', message, hint }],
    place: () => ({ line: 0, column: 0 }),
  });
  if (Buffer.byteLength(text) > largestPlanBytes) {
    const megabytes = (Buffer.byteLength(text) / (1 << 20)).toFixed(1);
    return whole(`the file has ${megabytes} MiB; allowed is 1 MiB`, 'is this the plan file?');
  }
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      stringKeys: true,
      uniqueKeys: true,
    });
  } catch (error) {
    // The parser recurses once a level.
    if (error instanceof RangeError) return whole('the file is nested too deeply', 'is this the plan file?');
    throw error;
  }
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  const tabs = document.errors.filter(({ code }) => code === 'TAB_AS_INDENT');
  const broken = document.errors.filter(({ code }) => !harmless.has(code));
  // What is read behind a fault of the syntax is not what stands there: it would be told as mistakes that nobody made.
  const told = [tabs, broken, document.errors].find((errors) => errors.length > 0) ?? [];
  const problems: PlanProblem[] = told.map((error) => ({
    file,
    ...at(error.pos[0]),
    code: 'PLAN_INVALID',
    path: '',
    message: yamlMessage(error, text),
  }));
  if (broken.length > 0) return { ...whole('', ''), problems };
  return {
    file,
    ...plainValue(document, problems, (offset) => ({ file, ...at(offset) })),
    place: (path, atKey) => at(offsetOf(document, path, atKey) ?? 0),
  };
}

function yamlMessage({ code, message, pos }: YAMLError, document: string): string {
  switch (code) {
    case 'DUPLICATE_KEY': {
      const key = /^[^:\n]*/.exec(document.slice(pos[0]))?.[0].trim() ?? '';
      return `the key ${key} stands here a second time in the same mapping; allowed is once`;
    }
    case 'TAB_AS_INDENT':
      return 'a tab is used to indent; YAML allows spaces only';
    case 'MULTIPLE_DOCS':
      return 'a second YAML document begins here; allowed is one';
    default: {
      const text = message.replace(/\.$/, '');
      return `not valid YAML: ${text.charAt(0).toLowerCase()}${text.slice(1)}`;
    }
  }
}

function plainValue(
  document: Document.Parsed,
  problems: PlanProblem[],
  at: (offset: number) => { file: string; line: number; column: number },
): { value: unknown; problems: PlanProblem[] } {
  // Aliases make small files large and merges hide where a value stands, so the plan has neither.
  visit(document, {
    Alias(_, node) {
      problems.push({
        ...at(node.range?.[0] ?? 0),
        code: 'PLAN_INVALID',
        path: '',
        message: `the alias *${node.source} stands here; a plan takes none`,
        hint: 'write the value out',
      });
      return undefined;
    },
  });
  if (problems.some((problem) => problem.message.startsWith('the alias')))
    return { value: undefined, problems };
  try {
    return { value: document.toJS(), problems };
  } catch {
    problems.push({ ...at(0), code: 'PLAN_INVALID', path: '', message: 'the file cannot be read as YAML' });
    return { value: undefined, problems };
  }
}

/** Where a value, or its key, begins; of a missing one, the key of the mapping that should hold it. */
function offsetOf(document: Document.Parsed, path: PlanPath, atKey = false): number | undefined {
  let node: unknown = document.contents;
  let offset = isNode(node) ? node.range?.[0] : 0;
  for (const [i, step] of path.entries()) {
    if (isAlias(node)) return offset;
    if (isMap(node)) {
      const pair = node.items.find(
        (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(step),
      );
      if (pair === undefined) return offset;
      const keyOffset = isNode(pair.key) ? pair.key.range?.[0] : undefined;
      const last = i === path.length - 1;
      node = pair.value;
      const valueOffset =
        isNode(node) && (isScalar(node) || (isSeq(node) && last)) ? node.range?.[0] : undefined;
      offset = (last && atKey ? undefined : valueOffset) ?? keyOffset ?? offset;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = (isNode(node) ? node.range?.[0] : undefined) ?? offset;
    } else {
      return offset;
    }
  }
  return offset;
}

/** Gives a finding its place. */
export function placeFinding(text: PlanText, finding: Finding): PlanProblem {
  const { path, atKey, code = 'PLAN_INVALID', ...rest } = finding;
  return { file: text.file, ...text.place(path, atKey), code, path: formatPath(path), ...rest };
}
