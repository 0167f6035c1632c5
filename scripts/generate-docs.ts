// usage: node scripts/generate-docs.ts [--check]: writes docs/errors.md, docs/plan.md and the plan's JSON Schema from the code that they describe.
import fs from 'node:fs';
import path from 'node:path';
import prettier from 'prettier';
import { planJsonSchema } from '../core/plan/plan-json-schema.ts';
import { errorsPage } from './docs/errors-page.ts';
import { planPage } from './docs/plan-page.ts';

const root = path.resolve(import.meta.dirname, '..');

/** The generated pages by their path, formatted as the project formats. */
export async function generatedPages(): Promise<ReadonlyMap<string, string>> {
  const options = await prettier.resolveConfig(path.join(root, 'docs/plan.md'));
  const format = (text: string, parser = 'markdown') => prettier.format(text, { ...options, parser });
  const minimal = fs.readFileSync(path.join(root, 'examples/minimal.yaml'), 'utf8');
  return new Map([
    ['docs/errors.md', await format(errorsPage())],
    ['docs/plan.md', await format(planPage(minimal))],
    ['examples/holdfast.schema.json', await format(JSON.stringify(planJsonSchema()), 'json')],
  ]);
}

/** Pages whose file differs from what the code says. */
export async function stalePages(): Promise<string[]> {
  const pages = [...(await generatedPages())];
  const read = (page: string) => {
    const file = path.join(root, page);
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  };
  return pages.filter(([page, text]) => read(page) !== text).map(([page]) => page);
}

if (process.argv[1] === import.meta.filename) {
  const stale = await stalePages();
  if (process.argv.includes('--help')) {
    console.log('usage: node scripts/generate-docs.ts [--check]');
  } else if (process.argv.includes('--check')) {
    for (const page of stale) console.error(`${page} is stale\nhint: run node scripts/generate-docs.ts`);
    process.exitCode = stale.length === 0 ? 0 : 1;
  } else {
    const pages = await generatedPages();
    for (const page of stale) fs.writeFileSync(path.join(root, page), pages.get(page) ?? '');
    console.log(stale.length === 0 ? 'nothing was stale' : `wrote ${stale.join(' and ')}`);
  }
}
