import fs from 'node:fs';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '../..');

/** One command as a document or a message names it. */
export interface NamedCommand {
  /** File and line. */
  readonly where: string;
  /** As typed, `npx` left out: `holdfast restore latest --source shop-db`. */
  readonly text: string;
  /** From a fenced block: meant to be typed as it is. From a message or a sentence words may follow. */
  readonly kind: 'block' | 'span' | 'message';
}

export const documents: readonly string[] = [
  'README.md',
  'sandbox/README.md',
  ...fs
    .readdirSync(path.join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

const names = '(?:npx )?(?:holdfast|cdk|aws|npm run|npm test)(?= [a-z-])';
/** Where a shell begins a command; in a message, anywhere. */
const typed = new RegExp(`(?<=^\\s*|[|;&(]\\s*|then )${names}`, 'g');
const mentioned = new RegExp(`(?<![\\w./@-])${names}`, 'g');

/** Every command of a document: in fenced blocks and in inline code. */
export function commandsOfDocument(file: string): NamedCommand[] {
  const found: NamedCommand[] = [];
  let fence: string | undefined;
  fs.readFileSync(path.join(root, file), 'utf8')
    .split('\n')
    .forEach((line, index) => {
      const where = `${file}:${index + 1}`;
      const opening = /^```(\S*)/.exec(line);
      if (opening !== null) fence = fence === undefined ? (opening[1] ?? '') : undefined;
      else if (fence === '' || fence === 'sh')
        found.push(...commandsIn(line.replace(/(^| )#.*$/, ''), { where, kind: 'block' }));
      else if (fence === undefined)
        for (const [, code = ''] of line.matchAll(/`([^`]+)`/g))
          if (/^(npx )?(holdfast|cdk|aws|npm) /.test(code))
            found.push(...commandsIn(code, { where, kind: 'span' }));
    });
  return found;
}

/** Every command in the messages and hints of our own sources. */
export function commandsOfSources(): NamedCommand[] {
  return ['cli', 'core', 'infra', 'lambdas', 'sandbox', 'tasks', 'scripts'].flatMap((folder) =>
    fs
      .readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !/test\.ts$|testing|conformance/.test(name))
      .flatMap((name) => commandsOfSource(path.join(folder, name))),
  );
}

function commandsOfSource(file: string): NamedCommand[] {
  const text = fs.readFileSync(path.join(root, file), 'utf8');
  return text.split('\n').flatMap((line, index) => {
    if (/^\s*(\/?\*|\/\/|import )/.test(line)) return [];
    const where = `${file}:${index + 1}`;
    const strings = [...line.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`([^`]*)`?/g)];
    return strings.flatMap(([, single, double, template]) =>
      commandsIn(single ?? double ?? template ?? '', { where, kind: 'message' }),
    );
  });
}

function commandsIn(text: string, rest: Pick<NamedCommand, 'where' | 'kind'>): NamedCommand[] {
  const starts = [...text.matchAll(rest.kind === 'message' ? mentioned : typed)].map(({ index }) => index);
  return starts.map((start, n) => {
    const end = starts[n + 1] ?? text.length;
    const command = text.slice(start, end).replace(/^npx /, '');
    // What a shell ends a command with, and in a message what a sentence does.
    const stop = rest.kind === 'message' ? /[|;&<>()\\]|[.,:]( |$)/ : / [|&>]|[;)]|`| \\$/;
    return { ...rest, text: command.split(stop)[0]!.trim() };
  });
}

/** Splits as a shell does: quotes keep words together and are gone. */
export function wordsOf(text: string): string[] {
  return [...text.matchAll(/(?:[^\s'"]+|'[^']*'|"[^"]*")+/g)].map(([word]) =>
    word.replaceAll(/['"]|^\[|\]$/g, ''),
  );
}
