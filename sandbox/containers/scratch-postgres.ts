// The process that stands for the container `…/postgres:<major>`: a fresh server on loopback without a password, as the
// task definition asks, which ends cleanly when the file `stop` appears in the shared folder, or on SIGTERM.
import fs from 'node:fs';
import path from 'node:path';
import { startPostgres, type PostgresMajor } from '../postgres/postgres-server.ts';

const port = Number(process.env['PGPORT']);
const control = process.env['HOLDFAST_SCRATCH_CONTROL'];
const server = await startPostgres({ major: Number(process.argv[2]) as PostgresMajor, port, trust: true });
console.log(`scratch server ready on port ${port}`);

await new Promise<void>((resolve) => {
  process.once('SIGTERM', resolve);
  process.once('SIGINT', resolve);
  if (control === undefined) return;
  const watch = setInterval(() => {
    if (!fs.existsSync(path.join(control, 'stop'))) return;
    clearInterval(watch);
    resolve();
  }, 200);
});
await server.stop();
await server.destroy();
process.exit(0);
