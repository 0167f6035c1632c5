import { describe, expect, it } from 'vitest';
import { errorCatalogue } from '../core/errors.ts';
import { planJsonSchema } from '../core/plan/plan-json-schema.ts';
import { generatedPages, stalePages } from './generate-docs.ts';

describe('generated docs', () => {
  it('are as the code says (else run: node scripts/generate-docs.ts)', async () => {
    expect(await stalePages()).toEqual([]);
  });

  it('name every error code and every key of the plan', async () => {
    const pages = await generatedPages();
    for (const code of Object.keys(errorCatalogue))
      expect(pages.get('docs/errors.md')).toContain(`\`${code}\``);
    const keys = [
      'sources.<id>.schedule.full',
      'vault.tiers.coldAfterDays',
      'targets.<id>.connection.secret',
      'sources.<id>.checks[].sql',
    ];
    for (const key of keys) expect(pages.get('docs/plan.md')).toContain(`\`${key}\``);
  });

  it('describe every key of the JSON Schema', () => {
    const bare: string[] = [];
    const walk = (schema: any, path: string) => {
      for (const [key, inner] of Object.entries<any>(schema.properties ?? {})) {
        if (typeof inner.description !== 'string') bare.push(`${path}${key}`);
        walk(inner, `${path}${key}.`);
      }
      if (typeof schema.additionalProperties === 'object') walk(schema.additionalProperties, `${path}*.`);
      if (typeof schema.items === 'object') walk(schema.items, path);
    };
    walk(planJsonSchema(), '');
    expect(bare).toEqual([]);
  });
});
