import * as z from 'zod';
import { jobKindSchema } from '../catalog/job.ts';
import { HoldfastError } from '../errors.ts';
import { taskNames } from '../plan/names.ts';
import { lockModeSchema, recoveryPointIdSchema, sourceIdSchema } from '../vault/manifest.ts';

/**
 * Every environment setting of the Lambdas and tasks, each declared once with type, default, range and meaning. The
 * infrastructure takes the types below for its `environment` props, so a setting that is missing there does not compile.
 */
const bucketUrlSchema = z
  .string()
  .regex(/^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/.*)?$/, 'must be s3://bucket');
const keyArnSchema = z
  .string()
  .regex(/^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/.+$/, 'must be the ARN of a KMS key');
const regionSchema = z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'must be a Region such as us-east-1');
const taskDefinitionArnSchema = z
  .string()
  .regex(
    /^arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:task-definition\/[^:]+:\d+$/,
    'must be the ARN of one revision of a task definition',
  );
const pemSchema = z.string().regex(/^-----BEGIN PUBLIC KEY-----/, 'must be a public key in PEM form');

const planSettings = {
  HOLDFAST_PLAN_NAME: z.string().min(1).describe("The plan's name, from which every other name is derived."),
  HOLDFAST_REGION: regionSchema.describe('The Region this runs in.'),
  HOLDFAST_PEER_REGION: regionSchema.describe('The other Region, which holds the copy.'),
  HOLDFAST_TABLE: z.string().min(3).describe('The catalogue: name of the table in this Region.'),
};

const vaultSettings = {
  HOLDFAST_VAULT_URL: bucketUrlSchema.describe("This Region's vault, s3://bucket."),
  HOLDFAST_PEER_VAULT_URL: bucketUrlSchema.describe("The other Region's vault, s3://bucket."),
  HOLDFAST_VAULT_KEY_ARN: keyArnSchema.describe(
    'The multi-Region key that wraps data keys, as this Region names it.',
  ),
  HOLDFAST_SIGNING_KEY_ARN: keyArnSchema.describe(
    'The multi-Region key that signs manifests, as this Region names it.',
  ),
  HOLDFAST_SIGNING_PUBLIC_KEY: pemSchema
    .optional()
    .describe(
      'Public half of the signing key, pinned, so that manifests are verified without a call to KMS.',
    ),
  HOLDFAST_BREAK_GLASS_PUBLIC_KEY: pemSchema
    .optional()
    .describe(
      'Offline RSA public key that also wraps every data key, so that a dead KMS key loses no backup.',
    ),
};

const copyAllowance = {
  HOLDFAST_COPY_ALLOWANCE_SECONDS: z.coerce
    .number()
    .int()
    .min(60)
    .max(86_400)
    .default(900)
    .describe(
      'How long a copy may take before it is late; 60 to 86,400. 900 is what S3 Replication Time Control promises.',
    ),
};

const reporterSchema = z.object(planSettings);
const vaultUserSchema = z.object({ ...planSettings, ...vaultSettings });

export const claimJobSettingsSchema = z.object({
  ...vaultUserSchema.shape,
  HOLDFAST_TASK_DEFINITIONS: jsonSetting(z.record(z.enum(taskNames), taskDefinitionArnSchema)).describe(
    'JSON object with the revision of each task definition that was deployed, as ARN; nothing else is run.',
  ),
});
export const checkCopySettingsSchema = z.object({ ...planSettings, ...vaultSettings, ...copyAllowance });
export const finishJobSettingsSchema = reporterSchema;
export const failJobSettingsSchema = reporterSchema;
export const deadManSettingsSchema = vaultUserSchema;
export const heartbeatSettingsSchema = z.object({
  ...planSettings,
  HOLDFAST_VAULT_KEY_ARN: vaultSettings.HOLDFAST_VAULT_KEY_ARN,
  HOLDFAST_SIGNING_KEY_ARN: vaultSettings.HOLDFAST_SIGNING_KEY_ARN,
  HOLDFAST_ALARM_KEY_ARN: keyArnSchema.describe('The key that the topic of the alarms is encrypted with.'),
  HOLDFAST_BOOTSTRAP_QUALIFIER: z
    .string()
    .min(1)
    .describe('Qualifier of cdk bootstrap; names the role whose changes the alarms for tampering let pass.'),
});

export const canaryWriterSettingsSchema = z.object({
  ...planSettings,
  HOLDFAST_SOURCE: sourceIdSchema.describe('The source that canaries are written into.'),
});

/** What a task definition sets once, the same for every job. */
export const taskStaticSettingsSchema = z.object({
  ...planSettings,
  ...vaultSettings,
  HOLDFAST_SCRATCH_PORT: z.coerce
    .number()
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .describe('Loopback port of the scratch server beside a restore test.'),
  HOLDFAST_SCRATCH_CONTROL: z
    .string()
    .optional()
    .describe('Folder shared with the scratch server: a file `stop` in it tells that server to shut down.'),
  HOLDFAST_POSTGRES_BIN: z
    .string()
    .optional()
    .describe(
      "Where the client programs of a PostgreSQL major are; {major} is replaced. The engine looks in Debian's and Red Hat's places when missing.",
    ),
  HOLDFAST_CA_FILE: z
    .string()
    .optional()
    .describe(
      "PEM file with the authorities that verify-ca and verify-full trust; the system's when missing.",
    ),
  HOLDFAST_PROGRESS_SECONDS: z.coerce
    .number()
    .min(0.1)
    .max(60)
    .default(2)
    .describe('How often progress is written and the lease renewed; 0.1 to 60.'),
});

/** What claim-job adds for one job. */
export const taskJobSettingsSchema = z.object({
  HOLDFAST_JOB_ID: z.string().min(1).describe('The job in the catalogue that this task works for.'),
  HOLDFAST_JOB_KIND: jobKindSchema.describe('backup, restore or restore-test.'),
  HOLDFAST_SOURCE: sourceIdSchema.describe('The source of the plan.'),
  HOLDFAST_RECOVERY_POINT_ID: recoveryPointIdSchema.describe(
    'Backups: the id to give; restores: the point to read. A second try of a backup takes a new id.',
  ),
  HOLDFAST_SECRET: z
    .string()
    .min(1)
    .optional()
    .describe('Secrets Manager name of the connection; the value is read at the moment of use.'),
  HOLDFAST_IAM_USER: z
    .string()
    .min(1)
    .optional()
    .describe(
      'User for IAM database authentication: the secret then tells only where the database is. By password when missing.',
    ),
  HOLDFAST_TLS: z
    .enum(['disable', 'require', 'verify-ca', 'verify-full'])
    .default('verify-full')
    .describe('How the connection is secured.'),
  HOLDFAST_CONNECTIONS: z.coerce
    .number()
    .int()
    .min(1)
    .max(64)
    .default(4)
    .describe('Parallel streams; 1 to 64.'),
  HOLDFAST_ON_DDL: z
    .enum(['yield', 'hold'])
    .default('yield')
    .describe('Whether a backup gives way to a schema change that waits behind its locks.'),
  HOLDFAST_LOCK_UNTIL: z.iso.datetime().optional().describe('Until when stored objects are locked.'),
  HOLDFAST_LOCK_MODE: lockModeSchema
    .default('compliance')
    .describe(
      'How stored objects are locked: until the time for everybody, or for all who may not bypass it.',
    ),
  HOLDFAST_STRICT: z
    .stringbool()
    .default(false)
    .describe('true: a restore fails when it could not make an object of the source; its rows stay.'),
  HOLDFAST_TABLES: jsonSetting(z.array(z.string().min(1)).min(1))
    .optional()
    .describe('JSON array of schema.table: restore only these.'),
  HOLDFAST_CHECKS: jsonSetting(z.array(z.strictObject({ name: z.string(), sql: z.string() })))
    .optional()
    .describe("JSON array of the plan's own assertions about restored data."),
  HOLDFAST_CHECKS_LEFT_OUT: z.coerce
    .number()
    .int()
    .min(1)
    .optional()
    .describe('Assertions of the plan for which the order of a restore had no room; told with its result.'),
  HOLDFAST_PASSED_OVER: jsonSetting(
    z.array(z.strictObject({ id: recoveryPointIdSchema, code: z.string() })).min(1),
  )
    .optional()
    .describe(
      'Newer recovery points that `latest` could not take, as JSON `[{id, code}]`; told with the result.',
    ),
  HOLDFAST_CANARY_KEY_SECRET: z
    .string()
    .min(1)
    .optional()
    .describe("Secrets Manager name of the key that the source's canaries are signed with."),
  HOLDFAST_TARGET: z.string().min(1).optional().describe('The target of the plan that is restored into.'),
});

export const taskSettingsSchema = z.object({
  ...taskStaticSettingsSchema.shape,
  ...taskJobSettingsSchema.shape,
});

export type ClaimJobSettings = z.output<typeof claimJobSettingsSchema>;
export type ReporterSettings = z.output<typeof reporterSchema>;
export type TaskSettings = z.output<typeof taskSettingsSchema>;

/** The environment as text, for whoever sets it: a setting with a default may be left out. */
export type EnvironmentOf<S extends z.ZodType> = { readonly [K in keyof z.input<S>]: AsText<z.input<S>[K]> };
type AsText<T> = undefined extends T ? string | undefined : unknown extends T ? string | undefined : string;

export type ClaimJobEnvironment = EnvironmentOf<typeof claimJobSettingsSchema>;
export type CheckCopyEnvironment = EnvironmentOf<typeof checkCopySettingsSchema>;
export type FinishJobEnvironment = EnvironmentOf<typeof finishJobSettingsSchema>;
export type FailJobEnvironment = EnvironmentOf<typeof failJobSettingsSchema>;
export type CanaryWriterEnvironment = EnvironmentOf<typeof canaryWriterSettingsSchema>;
export type DeadManEnvironment = EnvironmentOf<typeof deadManSettingsSchema>;
export type HeartbeatEnvironment = EnvironmentOf<typeof heartbeatSettingsSchema>;
export type TaskStaticEnvironment = EnvironmentOf<typeof taskStaticSettingsSchema>;
export type TaskJobEnvironment = EnvironmentOf<typeof taskJobSettingsSchema>;

/** Reads a process's settings once, at its start. @throws SETTING_INVALID naming every setting that does not fit; never a value. */
export function readSettings<S extends z.ZodType>(
  schema: S,
  environment: Readonly<Record<string, string | undefined>>,
): z.output<S> {
  const present = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(present);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new HoldfastError('SETTING_INVALID', `the environment does not fit: ${problems.join('; ')}`, {
    hint: 'was the container or function started by its state machine, with the environment that the deployment gives it?',
    detail: { problems },
  });
}

function jsonSetting<S extends z.ZodType>(schema: S) {
  return z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue('must be JSON');
        return z.NEVER;
      }
    })
    .pipe(schema);
}
