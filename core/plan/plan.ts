/**
 * The plan after parsing, checks and presets: what everything else works with. `load-plan.ts` makes it from YAML, and is
 * the only place that does. Durations are seconds, sizes bytes, days days.
 */
export interface Plan {
  readonly name: string;
  readonly account: string;
  readonly regions: { readonly primary: string; readonly standby: string };
  readonly vault: VaultPlan;
  /** By Region; a Region without an entry gets a small VPC of its own. */
  readonly network: Readonly<Record<string, NetworkPlan>>;
  readonly sources: readonly SourcePlan[];
  readonly targets: readonly TargetPlan[];
  readonly notifications: Readonly<Record<string, ChannelPlan>>;
}

export interface VaultPlan {
  readonly lock: 'compliance' | 'governance' | 'none';
  readonly retentionDays: number;
  readonly tiers: { readonly warmAfterDays?: number; readonly coldAfterDays?: number };
  /** PEM text of an offline RSA public key that also wraps every data key. */
  readonly breakGlassPublicKey?: string;
  /** S3 Replication Time Control. @default true */
  readonly replicationTimeControl: boolean;
}

export interface NetworkPlan {
  readonly vpcId: string;
  readonly subnetIds: readonly string[];
  readonly azs: readonly string[];
  readonly securityGroupIds: readonly string[];
}

export interface Objectives {
  readonly rpoSeconds: number;
  readonly rtoSeconds: number;
  readonly tier?: 1 | 2 | 3 | 4 | 5;
  readonly priority?: 'CRITICAL' | 'HIGH' | 'MEDIUM' | 'LOW';
}

export interface SourcePlan {
  readonly id: string;
  readonly engine: 'postgres';
  readonly objectives: Objectives;
  readonly connection: ConnectionPlan;
  readonly schedule: {
    /** EventBridge Scheduler expression: cron(…) or rate(…). */
    readonly full: string;
    readonly timezone: string;
    /** Longest gap between two runs, from the expression. */
    readonly intervalSeconds: number;
  };
  /** How long a backup takes, as declared; what is assumed when missing is `assumedRunTimeSeconds`. */
  readonly runTimeSeconds?: number;
  readonly onDdl: 'yield' | 'hold';
  readonly connections: number;
  /** Signed heartbeat rows in the source. @default none */
  readonly canary?: CanaryPlan;
  readonly retention: { readonly daily?: number; readonly weekly?: number; readonly monthly?: number };
  readonly checks: readonly { readonly name: string; readonly sql: string }[];
}

export interface CanaryPlan {
  readonly everySeconds: number;
  readonly schema: string;
}

export interface ConnectionPlan {
  /** Secrets Manager name (in every Region under the same name): JSON with host, port, dbname and, without `iam`, username and password. */
  readonly secret: string;
  readonly tls: TlsMode;
  /** IAM database authentication; there is a `username` then, and only then. */
  readonly iam: boolean;
  readonly username?: string;
}

export type TlsMode = 'disable' | 'require' | 'verify-ca' | 'verify-full';

export interface TargetPlan {
  readonly id: string;
  readonly region: string;
  readonly connection: ConnectionPlan;
}

export interface ChannelPlan {
  readonly sns: boolean;
  readonly heartbeat?: HeartbeatPlan;
}

/** An address outside the account that is called while all is well: `url`, or `secret`, which holds it. */
export interface HeartbeatPlan {
  /** `{region}` in it stands for the Region that calls. */
  readonly url?: string;
  /** Secrets Manager name, in every Region. */
  readonly secret?: string;
  /** Whole minutes. */
  readonly everySeconds: number;
}
