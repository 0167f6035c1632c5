import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Deployment } from './deployment.ts';
import { diagnose, Fault, type Finding, Unknown } from './doctor-look.ts';
import {
  pinnedKeyFile,
  readPinnedKey,
  renewPin,
  type SigningKey,
  signingKeyOf,
  writePinnedKey,
} from './pinned-key.ts';

export interface PinnedKeyReport {
  readonly checks: readonly Finding[];
  /** The file that was made, on the first run only. */
  readonly wrote?: string;
}

interface RegionKey {
  readonly region: string;
  readonly key: SigningKey | undefined;
  readonly failure?: unknown;
}

/**
 * Pins the public signing key beside the plan on the first run and holds KMS against it on every later one. A pinned key
 * is never replaced: that the key has changed is just what an operator must hear of.
 */
export async function checkPinnedKey(
  deployment: Deployment,
  regions: readonly string[],
): Promise<PinnedKeyReport> {
  const file = pinnedKeyFile(deployment);
  const found = await Promise.all(regions.map((region) => keyIn(deployment, region)));
  const pem = await readPinnedKey(file);
  return pem === undefined ? pinFirst(file, found) : { checks: await compare({ file, pem, found }) };
}

async function keyIn(deployment: Deployment, region: string): Promise<RegionKey> {
  try {
    return { region, key: await signingKeyOf(deployment, region) };
  } catch (failure) {
    return { region, key: undefined, failure };
  }
}

const what = 'pinned signing key';
const region = '-';

/** Both Regions hold one multi-Region key, so either may give it; two that differ are no ground to trust one of them. */
async function pinFirst(file: string, found: readonly RegionKey[]): Promise<PinnedKeyReport> {
  const keys = found.flatMap(({ key }) => (key === undefined ? [] : [key]));
  const [first] = keys;
  const check = await diagnose(
    {
      what,
      fix: `find out why, then run holdfast doctor again: it writes ${file}`,
      look: async () => {
        if (first === undefined) throw new Unknown(`not written: ${reasonOf(found[0]?.failure)}`);
        if (!keys.every(({ key }) => key.equals(first.key))) {
          throw new Fault('not written: the two Regions have different signing keys');
        }
        await writePinnedKey(file, first);
        return `written to ${file}`;
      },
    },
    region,
  );
  return { checks: [check], ...(check.state === 'ok' && { wrote: file }) };
}

interface Comparison {
  readonly file: string;
  readonly pem: string;
  readonly found: readonly RegionKey[];
}

async function compare({ file, pem, found }: Comparison): Promise<Finding[]> {
  const remake = renewPin(file);
  let pinned: KeyObject;
  try {
    pinned = createPublicKey(pem);
  } catch {
    const fix = `bring ${file} back from the repository; ${remake}`;
    return [{ what, region, state: 'FAULT', detail: 'it is not a PEM public key', fix }];
  }
  const look = ({ key, failure }: RegionKey) => {
    if (key === undefined) throw new Unknown(`not compared: ${reasonOf(failure)}`);
    if (!key.key.equals(pinned)) throw new Fault(`KMS has another key than ${file}`);
    return `same as ${file}`;
  };
  const fixOf = (entry: RegionKey) =>
    entry.key === undefined
      ? `see the signing key in ${entry.region}, then run holdfast doctor again`
      : `who changed the alias or the key, and when? CloudTrail tells (UpdateAlias, CreateKey); manifests signed since are refused by verify. ${remake}`;
  return Promise.all(
    found.map((entry) => diagnose({ what, fix: fixOf(entry), look: async () => look(entry) }, entry.region)),
  );
}

function reasonOf(failure: unknown): string {
  return failure instanceof Error ? `${failure.name}: ${failure.message}` : String(failure);
}
