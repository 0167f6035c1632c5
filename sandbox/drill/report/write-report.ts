import fs from 'node:fs/promises';
import path from 'node:path';
import { renderReport } from './page.ts';
import { type DrillReport, drillReportSchema } from './report.ts';

/** Writes report.json and report.html; a report that breaks its own schema is a fault of Holdfast and throws. */
export async function writeReport(
  folder: string,
  report: DrillReport,
): Promise<{ json: string; html: string }> {
  const checked = drillReportSchema.parse(report);
  await fs.mkdir(folder, { recursive: true });
  const files = { json: path.join(folder, 'report.json'), html: path.join(folder, 'report.html') };
  await fs.writeFile(files.json, `${JSON.stringify(checked, null, 2)}\n`);
  await fs.writeFile(files.html, renderReport(checked));
  return files;
}
