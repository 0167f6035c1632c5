import type { DrillReport } from '../report.ts';
import { html, type Html } from './html.ts';

/** Region names keep together: a line that ends in `us-west-` is hard to read. */
export function prose(text: string, { regions }: Pick<DrillReport, 'regions'>): Html[] {
  const names = new Set([regions.primary, regions.standby]);
  const pieces = text.split(/([a-z]+(?:-[a-z]+)+-\d)/);
  return pieces.map((piece) =>
    names.has(piece) ? html`<span class="whole">${piece}</span>` : html`${piece}`,
  );
}
