import { createPublicKey } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { HoldfastError } from '../errors.ts';
import { type Finding, formatPath } from './plan-problem.ts';
import { valueAt } from './schema-findings.ts';

/** S3 takes no transition to Standard-IA before that age, and bills each object for at least as long. */
const standardIaDays = 30;
const glacierInstantDays = 90;
const deepArchiveDays = 180;
/** The longest month; `monthly: 12` has to reach back this many days twelve times. */
const monthDays = 31;

/** Rules about locks, retention and storage classes. */
export function vaultRules(document: unknown): Finding[] {
  return [...lockRules(document), ...tierRules(document)];
}

function lockRules(document: unknown): Finding[] {
  const locked = days(document, ['vault', 'retentionDays']);
  const sources = valueAt(document, ['sources']);
  if (locked === undefined || typeof sources !== 'object' || sources === null) return [];
  return Object.keys(sources).flatMap((id) => {
    const at = ['sources', id, 'retention'] as const;
    return (['daily', 'weekly', 'monthly'] as const).flatMap((unit) => {
      const count = days(document, [...at, unit]);
      const needed = (count ?? 0) * { daily: 1, weekly: 7, monthly: monthDays }[unit];
      if (needed <= locked) return [];
      return [
        {
          path: [...at, unit],
          message: `${formatPath([...at, unit])} keeps recovery points for ${needed} days, longer than the lock of the vault`,
          value: String(count),
          allowed: `vault.retentionDays of ${needed} or more (it is ${locked}), or ${Math.floor(locked / (needed / (count ?? 1)))} ${unit} points at most`,
        },
      ];
    });
  });
}

function tierRules(document: unknown): Finding[] {
  const warm = days(document, ['vault', 'tiers', 'warmAfterDays']);
  const cold = days(document, ['vault', 'tiers', 'coldAfterDays']);
  const retention = days(document, ['vault', 'retentionDays']);
  const findings: Finding[] = [];
  const warmClass = storageClassOfWarm(warm ?? 0);
  const at = (key: string) => ['vault', 'tiers', key];
  if (warm !== undefined && cold !== undefined) {
    const earliest = warm + (warmClass === 'STANDARD_IA' ? standardIaDays : 1);
    if (cold < earliest) {
      findings.push({
        path: at('coldAfterDays'),
        message: `vault.tiers.coldAfterDays comes ${cold < warm ? 'before' : 'too soon after'} warmAfterDays, which S3 refuses`,
        value: String(cold),
        allowed: `${earliest} or more: warm is ${warmClass} from day ${warm} on`,
      });
    }
  }
  const last = [
    { key: 'warmAfterDays', from: warm, until: cold ?? retention, ...minimumOfWarm(warmClass) },
    { key: 'coldAfterDays', from: cold, until: retention, name: 'DEEP_ARCHIVE', minimum: deepArchiveDays },
  ];
  for (const { key, from, name, minimum } of last) {
    // Of an object that moves on to cold storage only the retention is at stake here; the plan notes tell of the fee.
    if (from === undefined || retention === undefined || (key === 'warmAfterDays' && cold !== undefined))
      continue;
    if (retention - from >= minimum) continue;
    findings.push({
      path: at(key),
      message: `vault.retentionDays of ${retention} leaves ${Math.max(0, retention - from)} days in ${name}, below the minimum that AWS bills`,
      value: String(from),
      allowed: `${minimum} days in ${name}: retentionDays of ${from + minimum} or more, or ${key} of ${retention - minimum} or less, or no ${key}`,
    });
  }
  return findings;
}

/** The class that `warmAfterDays` gives: S3 refuses Standard-IA before 30 days. */
export function storageClassOfWarm(warmAfterDays: number): 'STANDARD_IA' | 'GLACIER_IR' {
  return warmAfterDays >= standardIaDays ? 'STANDARD_IA' : 'GLACIER_IR';
}

function minimumOfWarm(name: 'STANDARD_IA' | 'GLACIER_IR'): { name: string; minimum: number } {
  return { name, minimum: name === 'STANDARD_IA' ? standardIaDays : glacierInstantDays };
}

/** What a lock does not keep from happening. */
export function lockNotes(document: unknown): { path: string[]; message: string }[] {
  const path = ['vault', 'lock'];
  const theft = 'someone who has taken over the account can delete the backups';
  switch (valueAt(document, path) ?? 'compliance') {
    case 'compliance':
      return [];
    case 'governance':
      return [
        {
          path,
          message: `with lock governance ${theft}: whoever holds s3:BypassGovernanceRetention lifts a lock, and the bucket policy that denies it to all but the retention role can be changed`,
        },
      ];
    default:
      return [{ path, message: `with lock none ${theft}` }];
  }
}

/** What data that moves on to cold storage early costs; allowed, but worth knowing. */
export function tierNotes(document: unknown): { path: string[]; message: string }[] {
  const warm = days(document, ['vault', 'tiers', 'warmAfterDays']);
  const cold = days(document, ['vault', 'tiers', 'coldAfterDays']);
  if (warm === undefined || cold === undefined) return [];
  const { name, minimum } = minimumOfWarm(storageClassOfWarm(warm));
  const stay = cold - warm;
  if (stay >= minimum) return [];
  const message = `data stays ${stay} days in ${name} and is billed for ${minimum}; coldAfterDays of ${warm + minimum} costs the same`;
  return [{ path: ['vault', 'tiers', 'coldAfterDays'], message }];
}

function days(document: unknown, at: readonly string[]): number | undefined {
  const value = valueAt(document, at);
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : undefined;
}

/**
 * Reads the break-glass public key that the plan names, relative to the plan.
 * @throws PLAN_INVALID when it is missing, no RSA public key of at least 3072 bits, or the private half
 */
export function readBreakGlassKey(file: string, planFile: string): string {
  const full = path.resolve(path.dirname(planFile), file);
  const refuse = (what: string, hint: string) => new HoldfastError('PLAN_INVALID', what, { hint });
  const make =
    'make one with: openssl genrsa -out break-glass.pem 4096 && openssl rsa -in break-glass.pem -pubout -out break-glass.pub.pem, and keep the first file offline';
  let text: string;
  try {
    text = fs.readFileSync(full, 'utf8');
  } catch {
    throw refuse(`there is no readable file ${file} beside the plan`, make);
  }
  if (text.includes('PRIVATE KEY')) {
    throw refuse(
      `${file} holds the private half of the break-glass key`,
      'name the public half here and take the private one offline',
    );
  }
  let key;
  try {
    key = createPublicKey(text);
  } catch {
    throw refuse(`${file} is no public key in PEM form`, make);
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== 'rsa' || bits < 3072) {
    const what =
      key.asymmetricKeyType === 'rsa' ? `RSA key of ${bits} bits` : `key of type ${key.asymmetricKeyType}`;
    throw refuse(`${file} is a ${what}; allowed is RSA with 3072 bits or more`, make);
  }
  return key.export({ type: 'spki', format: 'pem' }).toString();
}
