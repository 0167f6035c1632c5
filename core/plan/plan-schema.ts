import * as z from 'zod';
import { sourceIdSchema } from '../vault/manifest.ts';
import { durationForms, parseDuration } from './duration.ts';

/**
 * The plan file as people write it (design section 5). Each description is printed by `holdfast plan schema` for editors
 * and makes up `docs/plan.md`. What spans several keys is checked in `plan-rules.ts`.
 */
const name = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,18}[a-z0-9]$/,
    '2 to 20 of a-z, 0-9 and -, starting with a letter and ending without -',
  );
const region = z
  .string()
  .regex(
    /^(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-\d$/,
    'an AWS Region of the standard partition such as us-east-1',
  );
const secretName = z
  .string()
  .regex(
    /^[\w/+=.@-]{1,512}$/,
    'the name of a secret in Secrets Manager (letters, digits and / _ + = . @ -), not an ARN',
  );
/** Also a part of the ARN in the policy that lets tasks connect, where other signs would let them be more users. */
const databaseUser = z
  .string()
  .regex(/^[A-Za-z_][\w.@-]{0,62}$/, 'a user name of up to 63 letters, digits and _ . @ -');
const duration = z.string().refine((text) => parseDuration(text) !== undefined, durationForms);
const days = z.number().int().min(1).max(36_500);
const awsId = (prefix: string) =>
  z.string().regex(new RegExp(`^${prefix}-[0-9a-z]{1,32}$`), `an id that begins with ${prefix}-`);

const connection = z.strictObject({
  secret: secretName.describe(
    'Secrets Manager name, the same in every Region, of a JSON with `host`, `port`, `dbname` and, without `iam`, `username` and `password`. Its value is read at the moment of use and stands nowhere else.',
  ),
  tls: z
    .enum(['disable', 'require', 'verify-ca', 'verify-full'])
    .default('verify-full')
    .describe(
      'How the connection is secured. `verify-full` also checks that the server is the one its certificate names.',
    ),
  iam: z
    .boolean()
    .default(false)
    .describe(
      'IAM database authentication of RDS and Aurora: no password anywhere, each connection authenticates with a token that the task signs. Needs `username` and TLS.',
    ),
  username: databaseUser
    .optional()
    .describe(
      'With `iam`: the database user, which has the role `rds_iam`. The task may connect as this user and no other.',
    ),
});

const check = z.strictObject({
  name: z.string().min(1).max(200).describe('What holds, in your words; printed in the result.'),
  sql: z
    .string()
    .min(1)
    .describe(
      'A query that returns one row with one boolean, run on restored data by every restore and restore test: true passes.',
    ),
});

const schedule = z.strictObject({
  full: z
    .string()
    .describe(
      'When a full backup starts: `cron(…)` with the six fields of EventBridge Scheduler, or `rate(…)`.',
    ),
  incremental: z
    .string()
    .optional()
    .describe('When an incremental backup starts; only for engines that have it. `postgres` has none yet.'),
  timezone: z
    .string()
    .default('UTC')
    .describe('IANA time zone in which `cron(…)` is read. In UTC no clock change skips or delays a run.'),
});

const keep = (unit: string) =>
  z.number().int().min(1).max(1200).optional().describe(`How many ${unit} recovery points are kept.`);

const retention = z
  .strictObject({ daily: keep('daily'), weekly: keep('weekly'), monthly: keep('monthly') })
  .default({})
  .describe(
    'Which recovery points must be kept. The lock of the vault has to reach as far. Nothing is deleted by this version.',
  );

const canary = z
  .strictObject({
    every: duration
      .default('60s')
      .describe(
        'Time between two rows, `5s` to `1h`, whole minutes from one minute on: what a restore measures is as fine as this. Below a minute the writer runs all the time, for about 9 US dollars a month instead of 1.',
      ),
    schema: z
      .string()
      .regex(
        /^(?!pg_)[a-z_][a-z0-9_]{0,62}$/,
        'up to 63 of a-z, 0-9 and _, not beginning with a digit or pg_',
      )
      .default('holdfast')
      .describe('Schema of the table `canary` in the source.'),
  })
  .optional();

const source = z.strictObject({
  engine: z.literal('postgres').describe('What is protected. This version has `postgres`.'),
  tier: z
    .literal([1, 2, 3, 4, 5])
    .optional()
    .describe(
      'Objectives as a preset, RTO/RPO: 1 = 15 min/5 min, 2 = 1 h/30 min, 3 = 4 h/2 h, 4 = 24 h/8 h, 5 = 72 h/24 h. Either `tier` or `priority`, or both `rto` and `rpo`.',
    ),
  priority: z
    .enum(['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'])
    .optional()
    .describe(
      'Objectives as a preset, RTO/RPO: CRITICAL = 60/15 min, HIGH = 240/60 min, MEDIUM = 1440/240 min, LOW = 4320/1440 min.',
    ),
  rto: duration
    .optional()
    .describe('Recovery time objective; overrides the preset. `15m`, `1h` or ISO 8601.'),
  rpo: duration
    .optional()
    .describe('Recovery point objective; overrides the preset. `15m`, `1h` or ISO 8601.'),
  connection: connection.describe('How the source is reached.'),
  schedule: schedule.describe('When backups run.'),
  runTime: duration
    .optional()
    .describe(
      'How long a backup takes, as you have seen it. Counts into the worst loss; one hour is assumed when missing.',
    ),
  onDdl: z
    .enum(['yield', 'hold'])
    .default('yield')
    .describe(
      'What a backup does when a schema change waits behind its locks: `yield` gives way after 30 s and tries again later, `hold` goes on.',
    ),
  connections: z
    .number()
    .int()
    .min(1)
    .max(64)
    .default(4)
    .describe('Tables that are read in parallel; 1 to 64.'),
  retention,
  canary: canary.describe(
    'Signed heartbeat rows in the source, by which every restore measures how far its data reaches; `{}` takes the defaults. Without it only the moment of the snapshot is known. A function and two secrets for each source, about 1 US dollar a month. After the deployment: `holdfast canary install SOURCE`.',
  ),
  checks: z.array(check).max(500).default([]).describe('Your own assertions about restored data.'),
});

const target = z.strictObject({
  region: region.describe('A Region of this plan.'),
  connection: connection.describe('How the target is reached. Never the secret of a source.'),
});

const network = z.strictObject({
  vpcId: awsId('vpc').describe('The VPC in which tasks run.'),
  subnetIds: z.array(awsId('subnet')).min(1).describe('Its subnets, one for each entry of `azs`.'),
  azs: z
    .array(z.string().regex(/^[a-z]{2}-[a-z]+-\d[a-z]$/, 'an availability zone such as us-east-1a'))
    .min(1)
    .describe('Availability zones of the subnets, in the same order.'),
  securityGroupIds: z
    .array(awsId('sg'))
    .min(1)
    .describe('Security groups of the tasks; they must reach the sources.'),
});

const vault = z.strictObject({
  lock: z
    .enum(['compliance', 'governance', 'none'])
    .default('compliance')
    .describe(
      'Object Lock of every stored object. Only `compliance` keeps backups from someone who has taken over the account: a `governance` lock is lifted by whoever may bypass it, and is for trying things out.',
    ),
  retentionDays: days.describe('How long every stored object is locked, in days.'),
  tiers: z
    .strictObject({
      warmAfterDays: days
        .optional()
        .describe(
          'When data moves to warm storage: S3 Standard-IA from 30 days on, Glacier Instant Retrieval before that.',
        ),
      coldAfterDays: days
        .optional()
        .describe('When data moves to Glacier Deep Archive, from which a restore waits 12 to 48 hours.'),
    })
    .default({})
    .describe('Cheaper storage classes for older data.'),
  breakGlassKey: z
    .string()
    .min(1)
    .optional()
    .describe(
      'PEM file, relative to the plan, with an RSA public key whose private half you keep offline. Every data key is also wrapped by it, so that a dead KMS key loses no backup.',
    ),
  replicationTimeControl: z
    .boolean()
    .default(true)
    .describe('S3 Replication Time Control: copies within 15 minutes by contract, for a price per GB.'),
});

const heartbeat = z
  .strictObject({
    url: z
      .string()
      .regex(/^https:\/\/\S+$/, 'an address that begins with https://')
      .optional()
      .describe(
        'HTTPS address of a dead-man service. `{region}` in it, which must be there, becomes the Region that calls: each Region reports by itself, or one would keep the other quiet. Either `url` or `secret`.',
      ),
    secret: secretName
      .optional()
      .describe(
        'Secrets Manager name, the same in both Regions, of a secret whose whole value is the address; give each Region one of its own.',
      ),
    every: duration
      .default('15m')
      .describe(
        'How often it is called: whole minutes, from 5m to 6h. Let the service ring after twice as long.',
      ),
  })
  .describe(
    'A call that leaves the account while all is well: alarms and rules in place and enabled, somebody subscribed, the newest protected point of every source within its RPO. It stays away otherwise, and the service outside rings.',
  );

const channel = z.strictObject({
  heartbeat: heartbeat.optional(),
  sns: z
    .literal(true)
    .describe(
      'Alarms go to the SNS topic `holdfast-<name>-alarms`, to which you subscribe people and tools.',
    ),
});

/** `holdfast.yaml` */
export const planDocumentSchema = z.strictObject({
  name: name.describe('Name of this deployment; part of every AWS name, so it cannot be changed later.'),
  account: z
    .string()
    .regex(/^\d{12}$/, 'a quoted account id of 12 digits')
    .describe('The AWS account, 12 digits, in quotes.'),
  regions: z
    .strictObject({
      primary: region.describe('The Region that makes the backups.'),
      standby: region.describe('The Region that holds the copy and takes over.'),
    })
    .describe('Two different AWS Regions.'),
  vault: vault.describe('How recovery points are kept.'),
  network: z
    .record(region, network)
    .default({})
    .describe('Existing networks by Region. A Region without an entry gets a small VPC of its own.'),
  sources: z.record(sourceIdSchema, source).describe('What is protected, by id.'),
  targets: z
    .record(sourceIdSchema, target)
    .default({})
    .describe('Where restores may go, by id. Checked nightly in each Region.'),
  notifications: z.record(name, channel).default({}).describe('Who hears of alarms, by name.'),
});

export type PlanDocument = z.output<typeof planDocumentSchema>;
export type SourceDocument = PlanDocument['sources'][string];
export type ConnectionDocument = z.output<typeof connection>;

/** The schema at a path below the plan, `undefined` where the plan has none; ids and list positions may be anything. */
export function schemaAt(path: readonly (string | number)[]): z.core.$ZodType | undefined {
  let schema: z.core.$ZodType | undefined = planDocumentSchema;
  for (const step of path) {
    const bare: z.core.$ZodType | undefined = schema === undefined ? undefined : bareSchema(schema);
    if (bare instanceof z.ZodObject) schema = (bare.shape as Record<string, z.core.$ZodType>)[step];
    else if (bare instanceof z.ZodRecord) schema = bare.valueType;
    else if (bare instanceof z.ZodArray) schema = bare.element;
    else return undefined;
  }
  return schema;
}

/** Without `optional` and `default`. */
export function bareSchema(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault
    ? bareSchema(schema.unwrap())
    : schema;
}

/** Keys that a mapping of the plan takes. */
export function keysAt(path: readonly (string | number)[]): string[] {
  const schema = schemaAt(path);
  const bare = schema && bareSchema(schema);
  return bare instanceof z.ZodObject ? Object.keys(bare.shape as object) : [];
}
