import * as z from 'zod';
import { recordedCanarySchema } from '../../canary/canary.ts';
import type { Manifest } from '../../vault/manifest.ts';
import type { CheckContext, CheckResult } from '../engine.ts';
import { plural } from '../../plural.ts';
import { displayName } from './quote.ts';
import { readItems, selectTables, type TableItem } from './restore-items.ts';

/** Tables beyond this, biggest first, are only counted. */
export const sampledTables = 300;
/** Foreign keys beyond this are not tried on rows: more take too long for a check. */
export const triedKeys = 300;

/** What one check found, and what of it nobody could look at. */
export interface Checked extends Omit<CheckResult, 'name'> {
  readonly notChecked?: readonly string[];
}

/** What of a manifest a check can expect to find. */
export interface CheckScope {
  readonly tables: readonly TableItem[];
  readonly counts: Manifest['independentCounts'];
  /** Names of what was restored, partitioned tables included; missing when that is everything. */
  readonly names?: ReadonlySet<string>;
}

export function scopeOf({ manifest, only }: Pick<CheckContext<unknown>, 'manifest' | 'only'>): CheckScope {
  const all = readItems(manifest).tables;
  if (only === undefined) return { tables: all, counts: manifest.independentCounts };
  const { items: tables, names: chosen } = selectTables(all, only);
  const names = new Set([...chosen, ...tables.map(({ table }) => table)].map(displayName));
  return { tables, names, counts: manifest.independentCounts.filter(({ name }) => names.has(name)) };
}

export function holdsCanary({ tables }: CheckScope, canary: NonNullable<Manifest['canary']>): boolean {
  const { schema } = recordedCanarySchema.parse(canary);
  return tables.some(({ table }) => table.schema === schema && table.name === 'canary');
}

const billSchema = z.looseObject({ foreignKeys: z.number().optional() });

/** What the checks did not look at, each with its reason; `canarySchema` is where the restored data has a canary table. */
export function leftOut(
  {
    manifest,
    only,
    assertions,
    canaryCommand = `holdfast canary install ${manifest.source}`,
  }: Pick<CheckContext<unknown>, 'manifest' | 'only' | 'assertions' | 'canaryCommand'>,
  scope: CheckScope,
  canarySchema: string | undefined,
): string[] {
  const said: string[] = [];
  const tables = new Set(scope.tables.map(({ table }) => displayName(table)));
  const uncounted = tables.size - scope.counts.length;
  if (uncounted > 0)
    said.push(
      `row counts of ${uncounted} of ${plural(tables.size, 'table')}: nothing but the backup itself counted them in the source`,
    );
  if (tables.size > sampledTables)
    said.push(
      `sampled rows of ${tables.size - sampledTables} of ${tables.size} tables: the biggest are sampled`,
    );
  const { foreignKeys = 0 } = billSchema.parse(manifest.billOfMaterials);
  if (only === undefined && foreignKeys > triedKeys)
    said.push(`rows of ${foreignKeys - triedKeys} of ${foreignKeys} foreign keys: ${triedKeys} are tried`);
  if (only !== undefined) {
    said.push(`everything but ${only.join(', ')}: not restored`);
    if (assertions.length > 0)
      said.push(`${plural(assertions.length, 'assertion')} of the plan: for the whole database`);
  }
  if (manifest.canary === undefined) said.push(noCanary(canarySchema, canaryCommand));
  else if (!holdsCanary(scope, manifest.canary))
    said.push('canary: its table was not restored, so loss is measured by the snapshot only');
  return said;
}

function noCanary(schema: string | undefined, command: string): string {
  const what = 'so loss is measured by the snapshot only';
  if (schema === undefined) return `canary: none installed, ${what}; ${command}`;
  return `canary: ${schema}.canary was installed, but never written to, ${what}; does its writer run?`;
}
