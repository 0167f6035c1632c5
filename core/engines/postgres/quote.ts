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

/** What a person reads and types: quoted only where needed, so that two different names never look alike. */
export function displayName(name: QualifiedName): string {
  return `${displayIdent(name.schema)}.${displayIdent(name.name)}`;
}

function displayIdent(identifier: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(identifier) ? identifier : quoteIdentifier(identifier);
}

/** A value for a libpq connection string. */
export function quoteConninfo(value: string): string {
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
