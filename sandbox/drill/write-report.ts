import fs from 'node:fs';
import path from 'node:path';
import { renderReport } from './report/page.ts';
import { type DrillReport, reportSchema } from './report.ts';

export interface ReportFiles {
  readonly json: string;
  readonly html: string;
  /** The drill's own folder, which no later drill touches. */
  readonly kept: string;
}

/**
 * Writes `report.json` and `report.html` into a folder of the drill's own, named by its begin, and then puts copies where
 * the newest report is looked for. A report that breaks its own contract is a fault, not a report.
 */
export function writeReport(report: DrillReport, folder: string): ReportFiles {
  const checked = reportSchema.parse(report);
  const kept = path.join(folder, report.startedAt.replace(/\.\d+Z$/, 'Z').replaceAll(':', ''));
  fs.mkdirSync(kept, { recursive: true });
  const texts = {
    'report.json': `${JSON.stringify(checked, null, 2)}\n`,
    'report.html': renderReport(checked),
  };
  for (const [name, text] of Object.entries(texts)) {
    fs.writeFileSync(path.join(kept, name), text);
    // Whole or not at all: the newest report stays readable whatever happens here.
    const partial = path.join(folder, `.${name}.${process.pid}`);
    fs.writeFileSync(partial, text);
    fs.renameSync(partial, path.join(folder, name));
  }
  return { json: path.join(folder, 'report.json'), html: path.join(folder, 'report.html'), kept };
}
