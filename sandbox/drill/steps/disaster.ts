import { type Drill, made } from '../drill-context.ts';

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
      await made(state.sandbox, 'sandbox').killRegion(primary);
      await state.writer?.stop();
      await own?.destroy();
      const orders = state.writer?.acknowledged.length ?? 0;
      const what =
        own === undefined
          ? 'your database was left alone'
          : `server killed, data directory deleted; ${orders} orders had been acknowledged`;
      return `every call to ${primary} is reset; ${what}`;
    },
  );
}
