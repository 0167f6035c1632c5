import fs from 'node:fs';
import path from 'node:path';
import { renderReport } from './report/page.ts';
import { type DrillReport, reportSchema } from './report.ts';

export interface ReportFiles {
  readonly json: string;
  readonly html: string;
}

/** Writes `report.json` and `report.html` into a folder. A report that breaks its own contract is a fault, not a report. */
export function writeReport(report: DrillReport, folder: string): ReportFiles {
  const checked = reportSchema.parse(report);
  fs.mkdirSync(folder, { recursive: true });
  const files = { json: path.join(folder, 'report.json'), html: path.join(folder, 'report.html') };
  fs.writeFileSync(files.json, `${JSON.stringify(checked, null, 2)}\n`);
  fs.writeFileSync(files.html, renderReport(checked));
  return files;
}
