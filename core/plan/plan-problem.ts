import type { ErrorCode } from '../errors.ts';

/** One thing that is wrong with a plan, placed where it stands. */
export interface PlanProblem {
  readonly file: string;
  /** From 1; 0 when the file as a whole is meant. */
  readonly line: number;
  readonly column: number;
  readonly code: Extract<ErrorCode, 'PLAN_INVALID' | 'NOT_SUPPORTED_YET'>;
  /** `sources.shop-db.tier`; empty for the whole file. */
  readonly path: string;
  /** Lower case, no full stop. */
  readonly message: string;
  /** What stands there, shortened; missing when it may be a secret. */
  readonly value?: string;
  readonly allowed?: string;
  readonly hint?: string;
}

/** Something that is allowed but that its author should know. */
export interface PlanNote {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly path: string;
  readonly message: string;
}

/** A finding before its place in the file is known. */
export interface Finding {
  readonly path: PlanPath;
  /** Point at the key rather than at its value. */
  readonly atKey?: boolean;
  readonly code?: PlanProblem['code'];
  readonly message: string;
  readonly value?: string;
  readonly allowed?: string;
  readonly hint?: string;
}

export type PlanPath = readonly (string | number)[];

/** `file:line:column: message`, then value, what is allowed and the hint on lines of their own. */
export function formatProblem(problem: PlanProblem): string {
  const { file, line, column } = problem;
  return [
    line > 0 ? `${file}:${line}:${column}: ${problem.message}` : `${file}: ${problem.message}`,
    ...(problem.value === undefined ? [] : [`  value: ${problem.value}`]),
    ...(problem.allowed === undefined ? [] : [`  allowed: ${problem.allowed}`]),
    ...(problem.hint === undefined ? [] : [`  hint: ${problem.hint}`]),
  ].join('\n');
}

export function formatPath(path: PlanPath): string {
  return path
    .map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i > 0 ? '.' : ''}${step}`))
    .join('');
}

/** A value as a message may show it: shortened, on one line, and not at all where a secret might stand. */
export function showValue(value: unknown, path: PlanPath): string | undefined {
  if (value === undefined || value === null) return value === null ? 'nothing' : undefined;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return 'a mapping';
  const key = path.findLast((step) => typeof step === 'string') ?? '';
  if (isSecretKey(key) || holdsSecret(String(value))) return '(hidden)';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 100 ? `${text.slice(0, 99)}…` : text;
}

/** Keys whose values are secrets, or may be one in the wrong place. */
export function isSecretKey(key: string | number): boolean {
  return (
    typeof key === 'string' &&
    /pass|pwd|secret|token|credential|private|access.?key|^(url|uri|dsn)$/i.test(key)
  );
}

const secretForms = [
  /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:[^\s@]+@/i, // URL with a password
  /\b(AKIA|ASIA)[A-Z0-9]{16}\b/, // access key id
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /\b(password|passwd|pwd|secret_access_key|api_?key)\s*=\s*\S/i, // libpq and other connection strings
];

/** True for text in which a password, an access key or a private key stands. */
export function holdsSecret(text: string): boolean {
  return secretForms.some((form) => form.test(text));
}
