import { type Finding, formatPath, type PlanPath } from './plan-problem.ts';
import { valueAt } from './schema-findings.ts';

/** Rules about how sources and targets are reached. */
export function connectionRules(document: unknown): Finding[] {
  return connections(document).flatMap(({ path, value }) => iamRules(path, value));
}

function iamRules(path: PlanPath, connection: Readonly<Record<string, unknown>>): Finding[] {
  const { iam, username, tls } = connection;
  const at = (key: string): PlanPath => [...path, key];
  if (iam !== true) {
    if (username === undefined) return [];
    return [
      {
        path: at('username'),
        atKey: true,
        message: `${formatPath(at('username'))} is for IAM database authentication`,
        allowed: 'iam: true beside it, or no username: the secret names the user then',
      },
    ];
  }
  const findings: Finding[] = [];
  if (username === undefined) {
    findings.push({
      path: at('iam'),
      atKey: true,
      message: `${formatPath(path)} has iam and names no user`,
      allowed: 'username: the database user to connect as, beside iam',
      hint: 'the right to connect is given for exactly this user, so the plan has to know it',
    });
  }
  if (tls === 'disable') {
    findings.push({
      path: at('tls'),
      message: `${formatPath(path)} has iam without TLS: RDS refuses it, and anyone on the way could use the token`,
      value: tls,
      allowed: 'verify-full (recommended), verify-ca or require',
    });
  }
  return findings;
}

/** What is allowed and worth knowing. */
export function connectionNotes(document: unknown): { path: string[]; message: string }[] {
  return connections(document)
    .filter(({ value }) => value['iam'] === true && value['tls'] === 'require')
    .map(({ path }) => ({
      path: [...path, 'tls'],
      message: `${path.join('.')} sends its token to any server that answers, because tls require does not look at the certificate; verify-full does`,
    }));
}

interface Connection {
  readonly path: string[];
  readonly value: Readonly<Record<string, unknown>>;
}

function connections(document: unknown): Connection[] {
  return ['sources', 'targets'].flatMap((kind) => {
    const owners = valueAt(document, [kind]);
    if (typeof owners !== 'object' || owners === null) return [];
    return Object.keys(owners).flatMap((id) => {
      const path = [kind, id, 'connection'];
      const value = valueAt(document, path);
      return typeof value === 'object' && value !== null
        ? [{ path, value: value as Record<string, unknown> }]
        : [];
    });
  });
}
