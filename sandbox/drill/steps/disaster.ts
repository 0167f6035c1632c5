import { type Drill, made } from '../drill-context.ts';
import { sayCount } from '../report/words.ts';

/** The primary Region is switched off and the database is gone, directory and all. */
export async function strike(drill: Drill): Promise<void> {
  const { state } = drill;
  const { primary } = made(state.plan, 'plan').regions;
  const own = state.database;
  await drill.step(
    own === undefined ? `${primary} off` : `${primary} off, database destroyed`,
    'primary',
    async () => {
      state.disasterAt = new Date();
      await own?.kill();
      const sandbox = made(state.sandbox, 'sandbox');
      await sandbox.killRegion(primary);
      // From here on the router's counts are the recovery's alone.
      sandbox.resetCounts();
      await state.writer?.stop();
      await own?.destroy();
      const orders = state.writer?.acknowledged.length ?? 0;
      const what =
        own === undefined
          ? 'your database was left alone'
          : `server killed, data directory deleted; ${sayCount(orders)} orders had been acknowledged`;
      return `every call to ${primary} is reset; ${what}`;
    },
  );
}
