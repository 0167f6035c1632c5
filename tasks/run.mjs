// The image's entry point: `postgres-backup` or `postgres-restore`, as the task definition's command says.
const tasks = ['postgres-backup', 'postgres-restore'];
const [name] = process.argv.slice(2);
if (tasks.includes(name)) {
  await import(`./${name}/main.ts`);
} else {
  process.stderr.write(`unknown task ${JSON.stringify(name)}; there are ${tasks.join(', ')}\n`);
  process.exitCode = 2;
}
