import { type Command, Option } from 'commander';
import { collect, command, group, strictAbout } from './command.ts';

/** Commands for what `cdk deploy` built; everything is found through the plan file. */
export function addDeployedCommands(program: Command): void {
  addJobCommands(program);
  addReadCommands(program);
  addUpkeepCommands(program);
  addCanaryCommands(program);
}

function withPlan(made: Command, region = "Region to talk to (default: the plan's primary)"): Command {
  return made
    .addOption(
      new Option('--plan <file>', 'plan file of the deployment')
        .default('holdfast.yaml')
        .env('HOLDFAST_PLAN'),
    )
    .option('--region <region>', region);
}

function addJobCommands(program: Command): void {
  withPlan(
    command(program, 'backup <source>', {
      about: 'start a backup of a source now',
      examples: ['holdfast backup shop-db --wait'],
    }),
  )
    .option('--wait', 'follow the job to its end')
    .action(async (source: string, options) =>
      (await import('./deployed/start.ts')).startBackup(source, options),
    );
  withPlan(
    command(program, 'restore <id>', {
      about: 'restore a recovery point (an id or latest) into a target of the plan',
      examples: ['holdfast restore latest --source shop-db --to shop-db-restored --region us-west-2'],
    }),
  )
    .option('--source <source>', 'source of the plan (default: the only one)')
    .requiredOption('--to <target>', 'target of the plan; it must be empty')
    .option('--table <schema.table>', 'only this table; may be given several times', collect)
    .option('--strict', strictAbout)
    .option('--wait', 'follow the job to its end')
    .action(async (id: string, options) => (await import('./deployed/start.ts')).startRestore(id, options));
  withPlan(
    command(program, 'restore-test <source>', {
      about: 'restore a recovery point into a scratch database, check it, and throw it away',
      examples: ['holdfast restore-test shop-db --wait'],
    }),
  )
    .option('--recovery-point <id>', 'an id or latest', 'latest')
    .option('--wait', 'follow the job to its end')
    .action(async (source: string, options) =>
      (await import('./deployed/start.ts')).startRestoreTest(source, options),
    );
}

function addReadCommands(program: Command): void {
  withPlan(
    command(program, 'verify <id>', {
      about: 'check the stored objects of a recovery point (an id or latest)',
      examples: [
        'holdfast verify latest --source shop-db',
        'holdfast verify latest --source shop-db --deep --region us-west-2',
        'holdfast verify latest --source shop-db --offline',
      ],
    }),
  )
    .option('--source <source>', 'source of the plan (default: the only one)')
    .option('--deep', 'also decrypt and decompress everything')
    .option(
      '--offline',
      'check signature, chain and objects without calling KMS, with the public key that doctor pinned',
    )
    .option(
      '--public-key <file>',
      'PEM file with the public half of the signing key (default: pinned beside the plan)',
    )
    .action(async (id: string, options) => (await import('./deployed/verify.ts')).verifyPoint(id, options));
  withPlan(
    command(program, 'recovery-points [source]', {
      about: 'list recovery points, newest first',
      examples: ['holdfast recovery-points shop-db --limit 5'],
    }),
  )
    .option('--limit <n>', 'how many at most', '50')
    .action(async (source: string | undefined, options) =>
      (await import('./deployed/read.ts')).listRecoveryPoints(source, options),
    );
  withPlan(
    command(program, 'jobs', {
      about: 'list jobs, newest first',
      examples: ['holdfast jobs --source shop-db'],
    }),
  )
    .option('--source <source>', 'only this source')
    .option('--limit <n>', 'how many at most', '20')
    .action(async (options) => (await import('./deployed/read.ts')).listJobs(options));
  withPlan(
    command(program, 'status', {
      about: 'per source: newest protected point against its RPO, last restore test, running job',
      examples: ['holdfast status', 'holdfast status --region us-west-2 --json'],
    }),
  ).action(async (options) => (await import('./deployed/status.ts')).showStatus(options));
}

function addUpkeepCommands(program: Command): void {
  const catalog = group(program, 'catalog', 'the index of jobs and recovery points');
  withPlan(
    command(catalog, 'rebuild', {
      about: 'rebuild the list of recovery points from the vault of a Region',
      examples: [
        'holdfast catalog rebuild --region us-west-2 --dry-run',
        'holdfast catalog rebuild --region us-west-2 --peer-lost',
      ],
    }),
  )
    .option('--dry-run', 'only say what would change')
    .option('--peer-lost', 'the other Region is lost: do not ask it about its copies')
    .action(async (options) => (await import('./deployed/rebuild.ts')).rebuildCatalog(options));
  withPlan(
    command(program, 'doctor', {
      about: 'check plan, deployment, keys, secrets and alarms in both Regions, with the fix for each fault',
      examples: ['holdfast doctor', 'holdfast doctor --page'],
    }),
    "ask this Region alone (default: both of the plan; --page publishes in the plan's primary)",
  )
    .option('--page', 'also publish a test page to the alarm topic')
    .action(async (options) => (await import('./deployed/doctor.ts')).runDoctor(options));
}

function addCanaryCommands(program: Command): void {
  const canary = group(
    program,
    'canary',
    'signed heartbeat rows in a source, which measure how far restored data reaches',
  );
  const owner = (made: Command) =>
    withPlan(made)
      .option(
        '--url <url>',
        'an owner of the database, postgres://user@host:5432/database; - reads it from standard input. The password may also come from PGPASSWORD or PGPASSFILE',
      )
      .option(
        '--secret <name>',
        'or the Secrets Manager name of such a connection, in the form that RDS writes',
      );
  owner(
    command(canary, 'install <source>', {
      about: 'make the canary table, the role that writes it and its secret',
      examples: [
        'holdfast canary install shop-db --url postgres://owner@db.example.com/shop',
        'holdfast canary install shop-db --secret rds/shop-owner --region us-west-2',
      ],
    }),
  ).action(async (source: string, options) =>
    (await import('./deployed/canary.ts')).canaryInstall(source, options),
  );
  owner(
    command(canary, 'status <source>', {
      about: 'say how old the newest genuine row is; exit code 1 when it is too old',
      examples: ['holdfast canary status shop-db'],
    }),
  ).action(async (source: string, options) =>
    (await import('./deployed/canary.ts')).canaryStatus(source, options),
  );
  owner(
    command(canary, 'remove <source>', {
      about: 'remove the canary table, its role and its secret',
      examples: ['holdfast canary remove shop-db --url postgres://owner@db.example.com/shop'],
    }),
  ).action(async (source: string, options) =>
    (await import('./deployed/canary.ts')).canaryRemove(source, options),
  );
}
