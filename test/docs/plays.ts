import { commandsOfDocument } from './commands.ts';

/** Documents whose commands are played; `docs/paper-restore.md` has test/integration/paper-restore.int.test.ts. */
const playedDocuments = ['README.md', 'docs/runbook.md', 'docs/aws-check.md', 'sandbox/README.md'];

/** What the documents tell to type, each once. */
export const documented: readonly string[] = [
  ...new Set(
    playedDocuments.flatMap((file) =>
      commandsOfDocument(file).map(({ text }) => text.replaceAll(/\s+/g, ' ')),
    ),
  ),
];

type Play = readonly [documented: string, exitCode: number];

/** With both Regions alive, in this order. */
export const withBothRegions: readonly Play[] = [
  ['holdfast local backup --engine postgres --url postgres://… --vault ./vault --source shop', 0],
  ['holdfast local list --vault ./vault', 0],
  ['holdfast local verify latest --vault ./vault --source shop', 0],
  [
    'holdfast local restore latest --vault ./vault --source shop --to postgres://…/empty [--table public.orders]',
    0,
  ],
  ['holdfast local canary install --source shop --url postgres://owner@…/shop', 0],
  ['holdfast local canary write --source shop --url postgres://…/shop --every 60s', 0],
  ['holdfast plan check', 0],
  ['holdfast plan check holdfast.yaml', 0],
  ['holdfast canary remove shop-db --url postgres://owner@HOST/DATABASE', 0],
  ['holdfast canary install shop-db --url postgres://owner@HOST/DATABASE', 0],
  // Its writer runs once an hour here, so the new table is still empty.
  ['holdfast canary status shop-db', 1],
  ['holdfast backup shop-db --wait', 0],
  ['holdfast backup shop-db --wait --plan examples/drill.yaml', 0],
  ['holdfast backup SOURCE --wait', 0],
  // No trail, no subscription, no recorded image: sandbox/README.md says so.
  ['holdfast doctor', 1],
  ['holdfast status', 0],
  ['holdfast recovery-points shop-db', 0],
  ['holdfast recovery-points shop-db --json', 0],
  ['holdfast recovery-points SOURCE', 0],
  ['holdfast recovery-points SOURCE --json', 0],
  ['holdfast jobs', 0],
  ['holdfast jobs --json', 0],
  ['holdfast jobs --source SOURCE', 0],
  ['holdfast jobs --source SOURCE --json', 0],
  ['holdfast verify ID', 0],
  ['holdfast verify ID --deep', 0],
  ['holdfast verify ID --offline', 0],
  ['holdfast verify latest --source SOURCE', 0],
  ['holdfast verify latest --deep', 0],
];

/** After the primary Region died, in this order. Code 6: what only it could tell is missing. */
export const withoutPrimary: readonly Play[] = [
  ['holdfast status --plan examples/drill.yaml', 1],
  ['holdfast status --plan examples/drill.yaml --region us-west-2', 6],
  ['holdfast status --region us-west-2', 6],
  ['holdfast recovery-points shop-db --region us-west-2', 6],
  ['holdfast catalog rebuild --region us-west-2 --peer-lost', 0],
  ['holdfast doctor --region us-west-2', 1],
  ['holdfast restore latest --source shop-db --to shop-db-beside --table public.orders', 0],
  ['holdfast restore latest --source shop-db --to shop-db-restored --region us-west-2', 0],
  ['holdfast restore latest --source shop-db --to shop-db-restored --region us-west-2 --wait', 0],
  [
    'holdfast restore latest --source shop-db --to shop-db-restored --plan examples/drill.yaml --region us-west-2 --wait',
    0,
  ],
  ['holdfast jobs --source shop-db --region us-west-2 --json', 6],
  ['holdfast restore-test SOURCE', 0],
  ['holdfast restore-test shop-db --region us-west-2', 0],
];

/** Around all others. */
export const sandboxPlays = {
  up: 'holdfast sandbox up',
  kill: 'holdfast sandbox kill-region us-east-1',
  revive: 'holdfast sandbox revive-region us-east-1',
  down: 'holdfast sandbox down',
} as const;

/** What stands for what. */
export interface Places {
  readonly shop: string;
  readonly empty: string;
  readonly canaried: string;
  readonly recoveryPoint: string;
}

/** A documented command as it is run here. What only starts a job is followed to its end, to see how it ends. */
export function filledIn(text: string, places: Places): string {
  const table: readonly (readonly [RegExp, string])[] = [
    // The same plan lies in the folder.
    [/ --plan examples\/drill\.yaml/, ''],
    [/postgres:\/\/owner@HOST\/DATABASE/, places.shop],
    [/postgres:\/\/(owner@)?…\/shop/, places.canaried],
    [/postgres:\/\/…\/empty \[.*\]/, places.empty],
    [/postgres:\/\/…/, places.shop],
    [/\bSOURCE\b/, 'shop-db'],
    [/\bID\b/, places.recoveryPoint],
    // The sandbox has one target, in the standby.
    [
      /--to shop-db-beside --table public\.orders/,
      '--to shop-db-restored --table shop.orders --region us-west-2',
    ],
    [/^(holdfast restore-test shop-db)$/, '$1 --region us-west-2'],
    [/^(holdfast restore(?:-test)? (?!.*--wait).*)$/, '$1 --wait'],
  ];
  return table.reduce((filled, [pattern, value]) => filled.replace(pattern, value), text);
}
