import { parseDuration } from './duration.ts';
import { objectivesOf } from './plan-rules.ts';
import type { ConnectionDocument, PlanDocument, SourceDocument } from './plan-schema.ts';
import type { ChannelPlan, ConnectionPlan, Plan, SourcePlan } from './plan.ts';
import { longestInterval } from './schedule.ts';
import { HoldfastError } from '../errors.ts';

export interface ResolveOptions {
  readonly now: Date;
  readonly breakGlassPublicKey?: string | undefined;
}

/** Turns a document that passed all checks into the plan that everything works with. */
export function resolvePlan(document: PlanDocument, options: ResolveOptions): Plan {
  const { lock, retentionDays, tiers, replicationTimeControl } = document.vault;
  const pem = options.breakGlassPublicKey;
  return {
    name: document.name,
    account: document.account,
    regions: document.regions,
    vault: {
      lock,
      retentionDays,
      tiers,
      replicationTimeControl,
      ...(pem === undefined ? {} : { breakGlassPublicKey: pem }),
    },
    network: document.network,
    sources: Object.keys(document.sources).map((id) => resolveSource(document, id, options.now)),
    targets: Object.entries(document.targets).map(([id, target]) => ({
      id,
      region: target.region,
      connection: resolveConnection(target.connection),
    })),
    notifications: Object.fromEntries(
      Object.entries(document.notifications).map(([id, channel]) => [id, resolveChannel(channel)]),
    ),
  };
}

function resolveChannel({ sns, heartbeat }: PlanDocument['notifications'][string]): ChannelPlan {
  if (heartbeat === undefined) return { sns };
  const { every, ...where } = heartbeat;
  return { sns, heartbeat: { ...where, everySeconds: parseDuration(every) ?? 0 } };
}

function resolveSource(document: PlanDocument, id: string, now: Date): SourcePlan {
  const source = document.sources[id];
  const objectives = objectivesOf(document, id);
  if (source === undefined || objectives === undefined) {
    throw new HoldfastError('INTERNAL', `the source ${id} was resolved before it was checked`);
  }
  const { tier, priority } = source;
  const runTimeSeconds = source.runTime === undefined ? undefined : parseDuration(source.runTime);
  return {
    id,
    engine: source.engine,
    objectives: {
      ...objectives,
      ...(tier === undefined ? {} : { tier }),
      ...(priority === undefined ? {} : { priority }),
    },
    connection: resolveConnection(source.connection),
    schedule: resolveSchedule(source, now),
    ...(runTimeSeconds === undefined ? {} : { runTimeSeconds }),
    onDdl: source.onDdl,
    connections: source.connections,
    retention: source.retention,
    ...(source.canary !== undefined && {
      canary: { everySeconds: parseDuration(source.canary.every) ?? 60, schema: source.canary.schema },
    }),
    checks: source.checks,
  };
}

function resolveSchedule({ schedule }: SourceDocument, now: Date): SourcePlan['schedule'] {
  const { full, timezone } = schedule;
  return { full: full.trim(), timezone, intervalSeconds: longestInterval(full, timezone, now) };
}

function resolveConnection({ secret, tls, iam, username }: ConnectionDocument): ConnectionPlan {
  return { secret, tls, iam, ...(username === undefined ? {} : { username }) };
}
