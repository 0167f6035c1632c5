// Synthesizes a covering set of plans and has cfn-lint look at every template: what AWS would refuse is refused here.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type PlanShape, planOf } from '../infra/testing/plan-shapes.ts';
import { synthesize } from '../infra/testing/test-app.ts';

const root = path.resolve(import.meta.dirname, '..');
const folder = path.join(root, '.cache/templates');
const usage = `usage: npm run lint:templates

Synthesizes a covering set of plans (each value of each setting at least once) and runs cfn-lint on all templates, which stay in
.cache/templates. Findings that are accepted stand in .cfnlintrc.yaml, each with its reason.`;

/** Every value of every setting that templates depend on, the least and the largest plan among them. */
const covering: Readonly<Record<string, PlanShape>> = {
  least: {},
  everything: {
    longNames: true,
    lock: 'governance',
    breakGlass: true,
    replicationTimeControl: false,
    networks: ['primary', 'standby'],
    iam: true,
    canary: true,
    heartbeat: 'secret',
    tiers: true,
  },
  unlocked: { sources: 3, targets: 2, lock: 'none', networks: ['standby'], canary: true, heartbeat: 'url' },
  many: {
    sources: 25,
    targets: 10,
    longNames: true,
    breakGlass: true,
    replicationTimeControl: false,
    networks: ['primary'],
    iam: true,
  },
};

interface Finding {
  readonly Rule: { readonly Id: string };
  readonly Message: string;
  readonly Filename: string;
  readonly Location: { readonly Path: readonly (string | number)[] | null };
}

/** Templates that are alike are looked at once: those of keys and catalogue know no sources. */
function writeTemplates(): string[] {
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  const seen = new Set<string>();
  return Object.entries(covering).flatMap(([name, shape]) =>
    synthesize(planOf(shape)).flatMap(({ stack, text }) => {
      if (seen.has(text)) return [];
      seen.add(text);
      const file = path.join(folder, `${name}.${stack}.template.json`);
      fs.writeFileSync(file, text);
      return [file];
    }),
  );
}

/**
 * What cfn-lint finds in templates, but for what .cfnlintrc.yaml accepts.
 * @throws when cfn-lint itself fails; its exit code is a sum of flags: 2 for errors, 4 for warnings, 8 for information
 */
export async function lintTemplates(files: readonly string[]): Promise<Finding[]> {
  const child = spawn(path.join(root, '.cache/venv/bin/cfn-lint'), ['--format', 'json', ...files], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code === null || code === 1) throw new Error(`cfn-lint ended with ${code ?? 'a signal'}`);
  return JSON.parse(Buffer.concat(chunks).toString()) as Finding[];
}

/** In two halves of about the same size, one for each of two processors. */
function halves(files: readonly string[]): string[][] {
  const bySize = files
    .map((file) => ({ file, bytes: fs.statSync(file).size }))
    .toSorted((a, b) => b.bytes - a.bytes)
    .map(({ file }) => file);
  return [0, 1].map((half) => bySize.filter((_, i) => i % 2 === half));
}

async function main(): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(`${usage}\n`);
    return;
  }
  const files = writeTemplates();
  const findings = (await Promise.all(halves(files).map(lintTemplates))).flat();
  for (const { Rule, Message, Filename, Location } of findings) {
    const where = (Location.Path ?? []).join('.');
    process.stderr.write(`${path.basename(Filename)}: ${Rule.Id} ${where}: ${Message}\n`);
  }
  process.stderr.write(`templates: ${files.length} checked, ${findings.length} findings\n`);
  if (findings.length > 0) process.exitCode = 1;
}

if (process.argv[1] === import.meta.filename) await main();
