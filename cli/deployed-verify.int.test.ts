import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CreateKeyCommand, GetPublicKeyCommand, KMSClient, UpdateAliasCommand } from '@aws-sdk/client-kms';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDynamoCatalogStore } from '../core/catalog/catalog-store.dynamodb.ts';
import { examplePoint } from '../core/catalog/recovery-point.conformance.ts';
import { loadPlan } from '../core/plan/load-plan.ts';
import { deploymentNames } from '../core/plan/names.ts';
import { openVault } from '../core/vault/open-vault.ts';
import { backUp } from '../core/vault/testing/vault-fixture.ts';
import { openDeployedVault } from './deployed/vault.ts';
import { type EmulatedDeployment, emulateDeployment } from './testing/emulated-deployment.ts';
import { runCli } from './testing/run-cli.ts';

const example = path.resolve(import.meta.dirname, '../examples/drill.yaml');
const plan = await loadPlan(example);
const names = deploymentNames(plan);
const { primary, standby } = plan.regions;
const before = { ...process.env };
let deployment: EmulatedDeployment;
let home: string;
let planFile: string;
let pinned: string;

const run = (args: string, env: Record<string, string> = {}) =>
  runCli([...args.split(' '), '--plan', planFile, '--json'], {
    cwd: home,
    env: { ...deployment.aws.environment, ...env },
  });
/** Every call to KMS is refused at once, while S3 answers. */
const withoutKms = { AWS_ENDPOINT_URL_KMS: 'http://127.0.0.1:1' };
const otherKey = () =>
  generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }).publicKey;
const kms = (region: string) => new KMSClient(deployment.settings(region));

beforeAll(async () => {
  deployment = await emulateDeployment(plan);
  Object.assign(process.env, deployment.aws.environment);
});
afterAll(async () => {
  process.env = before;
  await deployment?.aws.stop();
});
beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-verify-'));
  planFile = path.join(home, 'holdfast.yaml');
  pinned = path.join(home, 'holdfast-drill.signing-key.pub.pem');
  fs.copyFileSync(example, planFile);
});
afterEach(() => fs.rmSync(home, { recursive: true, force: true }));

interface Check {
  readonly what: string;
  readonly region: string;
  readonly state: string;
  readonly detail: string;
  readonly fix?: string;
}
const pins = (document: { readonly checks: readonly Check[] }) =>
  document.checks.filter(({ what }) => what === 'pinned signing key');

describe('holdfast doctor and the public signing key', () => {
  it('pins it on the first run, says so, and holds both Regions against it later', async () => {
    const first = await run('doctor');
    // Nobody serves the databases here, so their connections are unknown.
    expect([first.code, pins(first.json())]).toMatchObject([
      6,
      [{ state: 'ok', region: '-', detail: `written to ${pinned}` }],
    ]);
    const written = fs.readFileSync(pinned, 'utf8');
    const { PublicKey: der } = await kms(primary).send(
      new GetPublicKeyCommand({ KeyId: names.signingKeyAlias }),
    );
    expect(written).toMatch(new RegExp(`^Key: arn:aws:kms:${primary}:${plan.account}:key/\\S+$`, 'm'));
    const body = written
      .slice(written.indexOf('-----'))
      .split('\n')
      .filter((line) => !line.startsWith('-----'));
    expect(body.join('')).toBe(Buffer.from(der ?? []).toString('base64'));
    const again = await run('doctor');
    expect([again.code, pins(again.json())]).toMatchObject([
      6,
      [primary, standby].map((region) => ({ state: 'ok', region, detail: `same as ${pinned}` })),
    ]);
    expect(fs.readFileSync(pinned, 'utf8')).toBe(written);
    const told = await runCli(['doctor', '--plan', planFile], {
      cwd: home,
      env: { ...deployment.aws.environment },
    });
    expect(told.stdout).not.toContain('wrote');
    fs.rmSync(pinned);
    const anew = await runCli(['doctor', '--plan', planFile], {
      cwd: home,
      env: { ...deployment.aws.environment },
    });
    expect(anew.stdout).toMatch(/wrote .*holdfast-drill\.signing-key\.pub\.pem.*--offline.*commit it/);
  });

  it('reports a key in KMS that is not the pinned one, in the Region where it is, and keeps the pin', async () => {
    await run('doctor');
    const written = fs.readFileSync(pinned, 'utf8');
    const { KeyMetadata } = await kms(standby).send(
      new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }),
    );
    const aimAt = (TargetKeyId: string | undefined) =>
      kms(standby).send(new UpdateAliasCommand({ AliasName: names.signingKeyAlias, TargetKeyId }));
    const { KeyId } = await kms(standby).send(new GetPublicKeyCommand({ KeyId: names.signingKeyAlias }));
    await aimAt(KeyMetadata?.KeyId);
    try {
      const swapped = await run('doctor');
      expect([swapped.code, pins(swapped.json())]).toMatchObject([
        1,
        [
          { state: 'ok', region: primary },
          {
            state: 'FAULT',
            region: standby,
            detail: `KMS has another key than ${pinned}`,
            fix: expect.stringMatching(/CloudTrail.*delete .*pem and run holdfast doctor again/),
          },
        ],
      ]);
      expect(fs.readFileSync(pinned, 'utf8')).toBe(written);
      fs.rmSync(pinned);
      const unsure = await run('doctor');
      expect([unsure.code, pins(unsure.json())]).toMatchObject([
        1,
        [{ state: 'FAULT', detail: expect.stringContaining('different signing keys') }],
      ]);
      expect(fs.existsSync(pinned)).toBe(false);
    } finally {
      await aimAt(KeyId);
    }
  });

  it('reports a pinned file that is no key, and KMS that does not answer', async () => {
    const silent = await run('doctor', withoutKms);
    expect([silent.code, pins(silent.json())]).toMatchObject([1, [{ state: 'unknown', region: '-' }]]);
    const folded = silent.json().checks.filter(({ what }: Check) => what === 'services');
    expect(folded).toMatchObject(
      [primary, standby].map((region) => ({
        region,
        state: 'FAULT',
        detail: expect.stringContaining('no answer about'),
      })),
    );
    expect(fs.existsSync(pinned)).toBe(false);
    fs.writeFileSync(pinned, 'nothing');
    const broken = await run('doctor');
    expect([broken.code, pins(broken.json())]).toMatchObject([1, [{ state: 'FAULT' }]]);
    expect(fs.readFileSync(pinned, 'utf8')).toBe('nothing');
  });
});

describe('holdfast verify --offline', () => {
  it('says how to get the key that it needs', async () => {
    const missing = await run('verify latest --offline', withoutKms);
    expect([missing.code, missing.json().error]).toMatchObject([
      2,
      { code: 'USAGE', hint: expect.stringContaining(`holdfast doctor --plan ${planFile} writes it`) },
    ]);
    const named = await run('verify latest --offline --public-key nowhere.pem', withoutKms);
    expect([named.code, named.json().error.message]).toEqual([2, '--public-key nowhere.pem is not there']);
    const deep = await run('verify latest --offline --deep', withoutKms);
    expect([deep.code, deep.json().error.code]).toEqual([2, 'USAGE']);
  });

  it('checks signatures, chain and objects with no call to KMS', async () => {
    await run('doctor');
    const vault = await openDeployedVault({ names, plan, region: primary });
    const { id: previous } = await backUp(vault, 'shop-db');
    const { id } = await backUp(vault, 'shop-db');
    const online = await run('verify latest', withoutKms);
    expect([online.code, online.json().error.code]).toEqual([1, 'CATALOG_UNAVAILABLE']);
    const offline = await run('verify latest --offline', withoutKms);
    expect([offline.code, offline.json()]).toMatchObject([
      0,
      { ok: true, recoveryPointId: id, problems: [] },
    ]);
    expect((await run(`verify ${previous} --offline`, withoutKms)).code).toBe(0);
  });

  it('refuses a manifest that another key signed, and a pinned key that signed none', async () => {
    await run('doctor');
    const genuine = await backUp(await openDeployedVault({ names, plan, region: primary }), 'shop-db');
    const key = `v1/shop-db/${genuine.id}/manifest.json`;
    const foreign = path.join(home, 'foreign.pem');
    fs.writeFileSync(foreign, otherKey());
    const wrong = await run(`verify ${genuine.id} --offline --public-key ${foreign}`, withoutKms);
    expect([wrong.code, wrong.json()]).toMatchObject([
      1,
      { ok: false, problems: [{ key, code: 'MANIFEST_SIGNATURE', recoverable: false }] },
    ]);
    fs.writeFileSync(foreign, 'no key at all');
    const none = await run(`verify ${genuine.id} --offline --public-key ${foreign}`, withoutKms);
    expect([none.code, none.json().error.code]).toEqual([2, 'SETTING_INVALID']);

    const { KeyMetadata } = await kms(primary).send(
      new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }),
    );
    const intruder = await openVault({
      url: `s3://${names.vaultBucket(primary)}`,
      region: primary,
      keys: {
        kind: 'kms',
        keyArn: `arn:aws:kms:${primary}:${plan.account}:key/${deployment.vaultKeyIds[primary]}`,
        signingKeyArn: KeyMetadata?.Arn ?? '',
      },
    });
    const planted = await backUp(intruder, 'shop-db');
    const refused = await run('verify latest --offline', withoutKms);
    expect([refused.code, refused.json()]).toMatchObject([
      1,
      {
        ok: false,
        recoveryPointId: planted.id,
        problems: [{ code: 'MANIFEST_SIGNATURE' }],
        latest: genuine.id,
        passedOver: [{ id: planted.id, code: 'MANIFEST_SIGNATURE' }],
      },
    ]);
    expect(refused.stderr).toContain(
      `newer recovery point ${planted.id} was passed over: MANIFEST_SIGNATURE`,
    );
    expect(refused.stderr).toContain(`a restore of latest takes ${genuine.id}`);
  });
});

describe('holdfast verify with the pin of a deployment that is gone', () => {
  it('names both keys, the file and what to do, and verifies once the file is gone', async () => {
    await run('doctor');
    const current = fs.readFileSync(pinned, 'utf8');
    const gone = `arn:aws:kms:${primary}:${plan.account}:key/mrk-gone`;
    fs.writeFileSync(pinned, `Key: ${gone}\n${otherKey()}`);
    const { id } = await backUp(await openDeployedVault({ names, plan, region: primary }), 'shop-db');
    const refused = await run(`verify ${id}`);
    const arn = /^Key: (.*)$/m.exec(current)?.[1] ?? '';
    expect([refused.code, refused.json().error]).toEqual([
      4,
      {
        code: 'SIGNING_KEY_CHANGED',
        message: `${pinned} pins the signing key ${gone}, the deployment signs with ${arn}`,
        hint: expect.stringContaining(`delete ${pinned} and run holdfast doctor again`),
      },
    ]);
    const offline = await run(`verify ${id} --offline`, withoutKms);
    expect([offline.code, offline.json().problems]).toMatchObject([1, [{ code: 'MANIFEST_SIGNATURE' }]]);
    expect(offline.stderr).toContain(`signatures were checked against ${pinned}`);
    fs.rmSync(pinned);
    await run('doctor');
    expect((await run(`verify ${id}`)).code).toBe(0);
    // The replica's ARN differs in its Region alone.
    fs.writeFileSync(pinned, current.replace(`:${primary}:`, `:${standby}:`));
    expect((await run(`verify ${id}`)).code).toBe(0);
  });
});

describe('holdfast recovery-points', () => {
  it('warns of points that are newer than what a restore of latest takes', async () => {
    const catalog = createDynamoCatalogStore({
      client: new DynamoDBClient(deployment.settings(primary)),
      table: names.table,
    });
    const [whole, coming] = ['01ARZ3NDEKTSV4RRFFQ69G5FAV', '01BRZ3NDEKTSV4RRFFQ69G5FAV'] as const;
    await catalog.putRecoveryPoint(examplePoint('shop-db', whole, { state: 'stored' }));
    const quiet = await run('recovery-points');
    expect([quiet.code, quiet.stderr]).toEqual([0, '']);
    await catalog.putRecoveryPoint(examplePoint('shop-db', coming, { state: 'arriving', missing: 2 }));
    const told = await run('recovery-points shop-db');
    expect(told.json().map(({ id }: { id: string }) => id)).toEqual([coming, whole]);
    expect(told.stderr).toContain(
      `shop-db: newer recovery point ${coming} was passed over: RECOVERY_POINT_ARRIVING`,
    );
  });
});
