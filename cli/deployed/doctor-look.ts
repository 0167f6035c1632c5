import path from 'node:path';
import { type Deployment, isSilence } from './deployment.ts';

/**
 * What a look found. `FAULT`: it is there to be seen and wrong. `unknown`: it could not be judged, which is never counted as
 * fine.
 */
export type DiagnosisState = 'ok' | 'FAULT' | 'unknown';

/** One thing that was looked at; `fix` is a command or an action, never a secret. */
export interface Diagnosis {
  readonly what: string;
  /** `-` for what belongs to no Region. */
  readonly region: string;
  readonly state: DiagnosisState;
  readonly detail: string;
  readonly fix?: string;
}

/** One look at one thing. */
export interface Look {
  readonly what: string;
  /** What ends a fault; a {@link Fault} that knows better says so itself. */
  readonly fix: string;
  /** Says what is fine. @throws Fault, Unknown, or what the service answered */
  readonly look: () => Promise<string>;
}

/** What was looked at and is there, but not as it must be. */
export class Fault extends Error {
  readonly fix: string | undefined;
  constructor(message: string, fix?: string) {
    super(message);
    this.fix = fix;
  }
}

/** What cannot be judged from here. */
export class Unknown extends Error {
  readonly fix: string | undefined;
  constructor(message: string, fix?: string) {
    super(message);
    this.fix = fix;
  }
}

/** A diagnosis before it is told: looks that nobody answered are told together, as one. */
export interface Finding extends Diagnosis {
  readonly silent?: true;
}

const missing =
  /^(NotFound|.*NotFound(Exception|Error)?|.*DoesNotExist(Exception)?|NoSuch\w+|.*NotFoundFault)$/;
const notAllowed = /AccessDenied|Forbidden|^403$|Unauthorized|AuthorizationError|NotAuthorized/;

/** Looks, and puts into words what came of it. */
export async function diagnose({ what, fix, look }: Look, region: string): Promise<Finding> {
  try {
    return { what, region, state: 'ok', detail: await look() };
  } catch (error) {
    const { name, message } = error instanceof Error ? error : { name: 'unknown', message: String(error) };
    if (error instanceof Fault)
      return { what, region, state: 'FAULT', detail: message, fix: error.fix ?? fix };
    if (error instanceof Unknown) {
      return {
        what,
        region,
        state: 'unknown',
        detail: message,
        ...(error.fix !== undefined && { fix: error.fix }),
      };
    }
    if (isSilence(error))
      return { what, region, state: 'unknown', detail: `no answer (${name})`, silent: true };
    if (missing.test(name)) return { what, region, state: 'FAULT', detail: 'is not there', fix };
    const detail = notAllowed.test(name)
      ? `not looked at: these credentials may not (${name})`
      : `${name}: ${message}`;
    return { what, region, state: 'unknown', detail: shorten(detail, 200) };
  }
}

/** Cut behind an item of a list or a word, and marked as cut. */
export function shorten(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const head = text.slice(0, longest);
  const end = Math.max(head.lastIndexOf(', '), head.lastIndexOf('; '));
  // A list that begins late loses too much.
  const cut = end > longest / 2 ? end + 1 : head.lastIndexOf(' ');
  return `${head.slice(0, cut > 0 ? cut : longest)} …`;
}

/** One line instead of many for services of a Region that do not answer although the Region does. */
export function foldSilence(findings: readonly Finding[]): Diagnosis[] {
  const silent = Map.groupBy(
    findings.filter((one) => one.silent === true),
    ({ region }) => region,
  );
  const told = findings.flatMap(({ silent: isSilent, ...one }) => (isSilent === true ? [] : [one]));
  const folded = [...silent].map(([region, ones]): Diagnosis => {
    const whats = ones.map(({ what }) => what);
    const shown = whats.slice(0, 3).join(', ');
    const more = whats.length > 3 ? ` and ${whats.length - 3} more` : '';
    return {
      what: 'services',
      region,
      state: 'FAULT',
      detail: `no answer about ${shown}${more}`,
      fix: `is ${region} impaired (AWS Health), or is it the way there? holdfast doctor again tells`,
    };
  });
  return [...told, ...folded];
}

/** `cdk` runs in Holdfast's own folder, so a plan elsewhere is named in full. */
function planArgument({ planFile }: Pick<Deployment, 'planFile'>): string {
  const root = path.resolve(import.meta.dirname, '../..');
  const full = path.resolve(planFile);
  return `-c plan=${shellWord(full.startsWith(root + path.sep) ? path.relative(root, full) : full)}`;
}

/** Deploys what the plan says and was not deployed yet. */
export function deployFix(deployment: Pick<Deployment, 'planFile'>): string {
  return `npx cdk deploy --all ${planArgument(deployment)}`;
}

/**
 * Brings back what was changed or removed behind CloudFormation's back: to a template that has not changed a plain deployment
 * says "no changes". https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html
 */
export function revertFix(deployment: Pick<Deployment, 'planFile'>): string {
  return `${deployFix(deployment)} --revert-drift`;
}

/** A word that a shell takes as one. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
