import { canaryRules } from './canary-rules.ts';
import { connectionRules } from './connection-rules.ts';
import { formatDuration, parseDuration } from './duration.ts';
import {
  assumedRunTimeSeconds,
  copyAllowanceSeconds,
  priorities,
  tiers,
  worstLossSeconds,
} from './objectives.ts';
import {
  type Finding,
  formatPath,
  holdsSecret,
  isSecretKey,
  type PlanPath,
  showValue,
} from './plan-problem.ts';
import { heartbeatRules } from './heartbeat-rules.ts';
import { isTimeZone, longestInterval, nearestTimeZone, ScheduleError } from './schedule.ts';
import { clearSecret, valueAt } from './schema-findings.ts';
import { nearest } from './suggest.ts';
import { vaultRules } from './vault-rules.ts';

/**
 * What the schema cannot say: rules between keys. They read plain data, not the parsed document, and skip what is not
 * there or of the wrong kind (the schema reports that), so that one mistake hides no other.
 */
export function planRules(document: unknown, now: Date): Finding[] {
  const ids = Object.keys(mapping(document, ['sources']));
  return [
    ...clearSecrets(document, []),
    ...regionRules(document),
    ...(ids.length === 0 && valueAt(document, ['sources']) !== undefined ? [noSource] : []),
    ...ids.flatMap((id) => [
      ...objectiveRules(document, id),
      ...scheduleRules(document, id, now),
      ...canaryRules(document, id),
    ]),
    ...connectionRules(document),
    ...vaultRules(document),
    ...targetRules(document),
    ...heartbeatRules(document),
    ...failoverMembers(document),
  ];
}

const noSource: Finding = {
  path: ['sources'],
  atKey: true,
  message: 'sources holds no source',
  allowed: 'at least one',
};

/** The mapping at a path; empty when there is none. */
export function mapping(document: unknown, path: PlanPath): Readonly<Record<string, unknown>> {
  const value = valueAt(document, path);
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

function text(document: unknown, path: PlanPath): string | undefined {
  const value = valueAt(document, path);
  return typeof value === 'string' ? value : undefined;
}

function seconds(document: unknown, path: PlanPath): number | undefined {
  const value = text(document, path);
  return value === undefined ? undefined : parseDuration(value);
}

function clearSecrets(value: unknown, path: PlanPath): Finding[] {
  if (typeof value === 'string') {
    const key = path.at(-1) ?? '';
    const unknownConnectionKey = path.includes('connection') && isSecretKey(key) && key !== 'secret';
    return holdsSecret(value) && !unknownConnectionKey ? [{ ...clearSecret(path), atKey: false }] : [];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    clearSecrets(inner, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}

function regionRules(document: unknown): Finding[] {
  const primary = text(document, ['regions', 'primary']);
  const standby = text(document, ['regions', 'standby']);
  const known = [primary, standby].filter((region) => region !== undefined);
  const same: Finding[] =
    primary !== undefined && primary === standby
      ? [
          {
            path: ['regions', 'standby'],
            message: `regions.standby is ${standby}, which is the primary too`,
            allowed: 'another Region: a copy beside the original does not survive the loss of the Region',
          },
        ]
      : [];
  const foreign = Object.keys(mapping(document, ['network']))
    .filter((region) => known.length === 2 && !known.includes(region))
    .map((region) => notOfThePlan(['network', region], region, { atKey: true, known }));
  return [...same, ...foreign];
}

function notOfThePlan(
  path: PlanPath,
  region: string,
  options: { readonly atKey: boolean; readonly known: readonly string[] },
): Finding {
  const near = nearest(region, options.known);
  return {
    path,
    atKey: options.atKey,
    message: `${formatPath(path)}: ${region} is no Region of this plan`,
    allowed: options.known.join(' or '),
    hint: near === undefined ? undefined : `did you mean ${near}?`,
  };
}

function objectiveRules(document: unknown, id: string): Finding[] {
  const at = (key: string): PlanPath => ['sources', id, key];
  const has = (key: string) => valueAt(document, at(key)) !== undefined;
  if (has('tier') && has('priority')) {
    return [
      {
        path: at('priority'),
        atKey: true,
        message: `sources.${id} has both a tier and a priority`,
        allowed: 'one of the two; rto and rpo override either',
      },
    ];
  }
  if (has('tier') || has('priority') || (has('rto') && has('rpo'))) return [];
  const missing = has('rto') ? 'rpo' : has('rpo') ? 'rto' : 'tier, priority, rto and rpo';
  return [
    {
      path: ['sources', id],
      atKey: true,
      message: `sources.${id} states no objectives: ${missing} ${has('rto') || has('rpo') ? 'is' : 'are'} missing`,
      allowed: 'a tier from 1 to 5, a priority, or both rto and rpo',
    },
  ];
}

/** What a source promises; `undefined` while its keys are incomplete or wrong. */
export function objectivesOf(
  document: unknown,
  id: string,
): { rpoSeconds: number; rtoSeconds: number } | undefined {
  const at = (key: string): PlanPath => ['sources', id, key];
  const preset =
    tiers[valueAt(document, at('tier')) as keyof typeof tiers] ??
    priorities[valueAt(document, at('priority')) as keyof typeof priorities];
  const own = (key: 'rpo' | 'rto') =>
    valueAt(document, at(key)) === undefined ? preset?.[`${key}Seconds`] : seconds(document, at(key));
  const rpoSeconds = own('rpo');
  const rtoSeconds = own('rto');
  return rpoSeconds === undefined || rtoSeconds === undefined ? undefined : { rpoSeconds, rtoSeconds };
}

function scheduleRules(document: unknown, id: string, now: Date): Finding[] {
  const at = (key: string): PlanPath => ['sources', id, 'schedule', key];
  const timezone = text(document, at('timezone')) ?? 'UTC';
  const findings: Finding[] = [];
  if (!isTimeZone(timezone)) {
    const near = nearestTimeZone(timezone);
    findings.push({
      path: at('timezone'),
      message: `${formatPath(at('timezone'))} is no time zone`,
      value: showValue(timezone, []),
      allowed: 'a name of the IANA database such as UTC or Europe/Berlin, in its own spelling',
      hint: near === undefined ? undefined : `did you mean ${near}?`,
    });
  }
  if (valueAt(document, at('incremental')) !== undefined) {
    findings.push({
      path: at('incremental'),
      atKey: true,
      message: `${formatPath(at('incremental'))}: the engine ${text(document, ['sources', id, 'engine']) ?? 'postgres'} has no incremental backups`,
      allowed: 'schedule.full alone',
      hint: 'run full backups more often instead',
    });
  }
  const full = text(document, at('full'));
  if (full === undefined) return findings;
  try {
    const interval = longestInterval(full, isTimeZone(timezone) ? timezone : 'UTC', now);
    return [...findings, ...worstLossRule(document, id, { interval, timezone })];
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    const message = `${formatPath(at('full'))} is no schedule: ${error.message}`;
    const allowed = 'cron(minutes hours day-of-month month day-of-week year) or rate(number unit)';
    return [
      ...findings,
      {
        path: at('full'),
        message,
        value: showValue(full, []),
        allowed,
        hint: 'for example cron(0 2 * * ? *) or rate(6 hours)',
      },
    ];
  }
}

function worstLossRule(
  document: unknown,
  id: string,
  { interval, timezone }: { readonly interval: number; readonly timezone: string },
): Finding[] {
  const rpo = objectivesOf(document, id)?.rpoSeconds;
  const declared = seconds(document, ['sources', id, 'runTime']);
  const runTime = declared ?? assumedRunTimeSeconds;
  const worst = worstLossSeconds(interval, runTime);
  if (rpo === undefined || worst <= rpo) return [];
  const parts = `${formatDuration(interval)} between two runs + ${formatDuration(runTime)} run time${declared === undefined ? ' (assumed: runTime is not given)' : ''} + ${formatDuration(copyAllowanceSeconds)} for the copy and its check`;
  const fits = rpo - runTime - copyAllowanceSeconds;
  return [
    {
      path: ['sources', id, 'schedule', 'full'],
      message: `sources.${id} can lose ${formatDuration(worst)} at worst, more than its RPO of ${formatDuration(rpo)}`,
      value: parts,
      allowed:
        fits >= 60
          ? `at most ${formatDuration(fits)} between two runs`
          : 'no schedule fits: run time and copy alone take longer than the RPO',
      hint: worstLossHint({ fits, declared: declared !== undefined, utc: timezone === 'UTC' }),
    },
  ];
}

function worstLossHint({
  fits,
  declared,
  utc,
}: {
  readonly fits: number;
  readonly declared: boolean;
  readonly utc: boolean;
}): string {
  const ways = [
    fits >= 60
      ? 'run it more often'
      : 'an RPO this short needs continuous backups, which are not supported yet',
    ...(declared ? [] : ['state the run time you measured as runTime']),
    ...(utc ? [] : ['use timezone UTC, where no run is skipped when clocks change']),
    'or promise less with rpo',
  ];
  return ways.join(', ');
}

function targetRules(document: unknown): Finding[] {
  const regions = ['primary', 'standby'].flatMap((key) => text(document, ['regions', key]) ?? []);
  const sources = Object.keys(mapping(document, ['sources']));
  return Object.keys(mapping(document, ['targets'])).flatMap((id) => {
    const path: PlanPath = ['targets', id, 'region'];
    const region = text(document, path);
    const secretPath: PlanPath = ['targets', id, 'connection', 'secret'];
    const secret = text(document, secretPath);
    const live = sources.find(
      (source) =>
        secret !== undefined && text(document, ['sources', source, 'connection', 'secret']) === secret,
    );
    return [
      ...(region !== undefined && regions.length === 2 && !regions.includes(region)
        ? [notOfThePlan(path, region, { atKey: false, known: regions })]
        : []),
      ...(live === undefined
        ? []
        : [
            {
              path: secretPath,
              message: `targets.${id} has the secret of sources.${live}: a restore would go into the live database`,
              allowed: 'a secret of its own, for another database',
            },
          ]),
      ...(sources.includes(id)
        ? [
            {
              path: ['targets', id],
              atKey: true,
              message: `targets.${id} has the id of a source`,
              allowed: 'an id that no source has, so that nobody mistakes one for the other',
            },
          ]
        : []),
    ];
  });
}

function failoverMembers(document: unknown): Finding[] {
  const sources = Object.keys(mapping(document, ['sources']));
  return Object.keys(mapping(document, ['failoverGroups'])).flatMap((group) => {
    const path: PlanPath = ['failoverGroups', group, 'database'];
    const member = text(document, path);
    if (member === undefined || sources.includes(member)) return [];
    const near = nearest(member, sources);
    return [
      {
        path,
        message: `${formatPath(path)}: there is no source ${member}`,
        allowed: sources.join(' or '),
        hint: near === undefined ? undefined : `did you mean ${near}?`,
      },
    ];
  });
}
