import * as z from 'zod';
import { planDocumentSchema } from './plan-schema.ts';

/** The JSON Schema (draft 2020-12) of the plan file, with descriptions, for editors. */
export function planJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(planDocumentSchema, { io: 'input', target: 'draft-2020-12' });
  return { title: 'Holdfast plan', ...schema };
}
