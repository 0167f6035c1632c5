export interface PostgresEngineOptions {
  /** Where `pg_dump` and `pg_restore` of a major are. @default Debian's and Red Hat's places, then PATH */
  readonly binDirectory?: (major: number) => string;
  /** Search path for the client programs. @default /usr/local/bin:/usr/bin:/bin */
  readonly searchPath?: string;
  /** `onDdl: yield` gives way to a schema change that waited so long. @default 30 */
  readonly ddlPatienceSeconds?: number;
  /** No byte and no answer for so long means that the server is gone. @default 300 */
  readonly idleSeconds?: number;
  /** How long the first locks may wait for a schema change that is already running. @default 60 */
  readonly lockWaitSeconds?: number;
  /** Largest part of a table, in bytes of storage. @default 4 GiB */
  readonly partBytes?: number;
  /** Bytes of storage that independent counts may read. @default 256 MiB */
  readonly countBytes?: number;
  /** For tests that act at a known moment of the protocol. */
  readonly onStep?: (step: 'listed' | 'locked' | 'snapshot' | 'ready') => Promise<void>;
}

/** Options with their defaults. */
export type Settings = Readonly<Omit<Required<PostgresEngineOptions>, 'binDirectory'>> &
  Pick<PostgresEngineOptions, 'binDirectory'>;

const gibibyte = 1024 ** 3;

export function withDefaults(options: PostgresEngineOptions): Settings {
  return {
    searchPath: '/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin',
    ddlPatienceSeconds: 30,
    idleSeconds: 300,
    lockWaitSeconds: 60,
    partBytes: 4 * gibibyte,
    countBytes: gibibyte / 4,
    onStep: async () => undefined,
    ...options,
  };
}
