import * as z from 'zod';
import { type Finding, isSecretKey, type PlanPath, formatPath, showValue } from './plan-problem.ts';
import { keysAt, planDocumentSchema, schemaAt } from './plan-schema.ts';
import { nearest } from './suggest.ts';

type Issue = z.core.$ZodIssue;

/** Keys of the design whose effect this version does not build; `*` stands for any id. */
const notBuilt: readonly (readonly [pattern: string, what: string])[] = [
  ['regions.tertiary', 'a third Region'],
  ['failoverGroups', 'failover'],
  ['tenants', 'backups by tenant'],
  ['sources.*.tenants', 'backups by tenant'],
  ['notifications.*.slack', 'a Slack channel'],
  ['notifications.*.teams', 'a Teams channel'],
  ['notifications.*.email', 'an e-mail channel'],
  ['notifications.*.sms', 'an SMS channel'],
  ['notifications.*.pagerduty', 'a PagerDuty channel'],
  ['notifications.*.webhook', 'a webhook channel'],
];

/** Engines of the design that this version does not build. */
export const enginesNotBuilt = [
  'mysql',
  'mariadb',
  'files',
  'kafka',
  'config',
  'rds',
  'aurora',
  's3',
] as const;

/** Everything that the schema objects to in a plain document. */
export function schemaFindings(document: unknown): Finding[] {
  const parsed = planDocumentSchema.safeParse(document);
  return parsed.success ? [] : parsed.error.issues.flatMap((issue) => findingsOf(issue, document));
}

function findingsOf(issue: Issue, document: unknown): Finding[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  const value = valueAt(document, path);
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key]));
  if (issue.code === 'invalid_key') {
    const allowed = issue.issues[0]?.message ?? 'another form';
    const finding = {
      path,
      atKey: true,
      message: `${formatPath(path)} has an id that is not allowed`,
      allowed: withoutMust(allowed),
    };
    return [finding, ...belowBadId(path, document)];
  }
  if (value === undefined)
    return [{ path, atKey: true, message: `${formatPath(path)} is missing`, allowed: allowedBy(issue) }];
  if (path.at(-1) === 'engine' && enginesNotBuilt.some((engine) => engine === value)) {
    return [
      {
        path,
        code: 'NOT_SUPPORTED_YET',
        message: `the engine ${String(value)} is not supported yet`,
        allowed: 'postgres',
      },
    ];
  }
  const finding = {
    path,
    message: `${formatPath(path)} does not fit`,
    value: showValue(value, path),
    allowed: path.at(-1) === 'account' ? '12 digits, quoted' : allowedBy(issue),
  };
  return [{ ...finding, hint: hintFor(path, value, issue) }];
}

/** The schema library does not look below an id that it refuses; a person wants all mistakes at once. */
function belowBadId(path: PlanPath, document: unknown): Finding[] {
  const schema = schemaAt(path);
  const parsed = schema && z.safeParse(schema, valueAt(document, path));
  if (parsed === undefined || parsed.success) return [];
  return parsed.error.issues.flatMap((issue) =>
    findingsOf({ ...issue, path: [...path, ...issue.path] }, document),
  );
}

function unknownKey(path: PlanPath): Finding {
  const key = String(path.at(-1));
  const what = notBuilt.find(([pattern]) => matches(pattern, path))?.[1];
  if (what !== undefined) {
    const hint = 'leave the key out; it is refused rather than ignored, so that nobody relies on it';
    return {
      path,
      atKey: true,
      code: 'NOT_SUPPORTED_YET',
      message: `${formatPath(path)}: ${what} is not supported yet`,
      hint,
    };
  }
  if (path.includes('connection') && isSecretKey(key) && key !== 'secret') return clearSecret(path);
  const known = keysAt(path.slice(0, -1));
  const near = nearest(key, known);
  return {
    path,
    atKey: true,
    message: `${formatPath(path)} is not a key of the plan`,
    allowed: known.join(', '),
    hint: near === undefined ? undefined : `did you mean ${near}?`,
  };
}

/** A finding for a secret that stands in the plan; it never shows the value. */
export function clearSecret(path: PlanPath): Finding {
  return {
    path,
    atKey: true,
    message: `${formatPath(path)} is a secret in clear`,
    allowed: 'the name of a secret in Secrets Manager under connection.secret',
    hint: 'store host, port, dbname, username and password as a JSON secret in each Region, take this line out, and change the password if the file was ever shared',
  };
}

function matches(pattern: string, path: PlanPath): boolean {
  const steps = pattern.split('.');
  return steps.length === path.length && steps.every((step, i) => step === '*' || step === path[i]);
}

function allowedBy(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_value':
      return list(issue.values.map(String));
    case 'invalid_union':
      return list(
        issue.errors.flatMap((branch) =>
          branch.flatMap((i) => (i.code === 'invalid_value' ? i.values.map(String) : [])),
        ),
      );
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array'
        ? 'at least one'
        : `${String(issue.minimum)} or more`;
    case 'too_big':
      return `at most ${String(issue.maximum)}${issue.origin === 'string' ? ' characters' : ''}`;
    case 'invalid_type':
      return typeName(issue.expected);
    default:
      return withoutMust(issue.message);
  }
}

function list(values: readonly string[]): string {
  return values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}

function withoutMust(message: string): string {
  return message.replace(/^must be /, '');
}

function typeName(expected: string): string {
  const names: Record<string, string> = {
    string: 'text',
    int: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a mapping',
    record: 'a mapping',
  };
  return names[expected] ?? expected;
}

function hintFor(path: PlanPath, value: unknown, issue: Issue): string | undefined {
  const key = path.at(-1);
  if (key === 'account' && typeof value === 'number')
    return 'put it in quotes, or YAML takes it for a number and drops leading zeros';
  if ((key === 'rto' || key === 'rpo' || key === 'runTime') && typeof value === 'number')
    return `with a unit: ${value}m or ${value}h`;
  if (issue.code === 'invalid_value' && typeof value === 'string') {
    const near = nearest(value, issue.values.map(String));
    return near === undefined ? undefined : `did you mean ${near}?`;
  }
  return undefined;
}

/** The value at a path of plain data, `undefined` when something on the way is missing. */
export function valueAt(document: unknown, path: PlanPath): unknown {
  return path.reduce<unknown>(
    (at, step) =>
      typeof at === 'object' && at !== null ? (at as Record<string | number, unknown>)[step] : undefined,
    document,
  );
}
