import { holdsBytes } from './byte-text.ts';

/** A schema-qualified name, as it stands in the catalogue. */
export interface QualifiedName {
  readonly schema: string;
  readonly name: string;
}

export function quoteIdentifier(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes('\\') ? `E${quoted.replaceAll('\\', '\\\\')}` : quoted;
}

export function quoteName(name: QualifiedName): string {
  return `${quoteIdentifier(name.schema)}.${quoteIdentifier(name.name)}`;
}

/**
 * What a person reads and types: quoted only where needed, so that two different names never look alike. Bytes that are no
 * character (see byte-text.ts) are shown as PostgreSQL's `U&"…"` shows a character by its number: `\EFE9` is the byte E9.
 */
export function displayName(name: QualifiedName): string {
  return `${displayIdent(name.schema)}.${displayIdent(name.name)}`;
}

function displayIdent(identifier: string): string {
  if (/^[a-z_][a-z0-9_]*$/.test(identifier)) return identifier;
  if (!holdsBytes(identifier)) return quoteIdentifier(identifier);
  const escaped = identifier
    .replaceAll('\\', '\\\\')
    .replaceAll(/[\uef80-\uefff]/g, (byte) => `\\${byte.charCodeAt(0).toString(16).toUpperCase()}`);
  return `U&${quoteIdentifier(escaped)}`;
}

/** A value for a libpq connection string. */
export function quoteConninfo(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
