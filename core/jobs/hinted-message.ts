/** What an error says, apart from the next step that it advises. */
export interface Hinted {
  readonly message: string;
  readonly hint?: string;
}

const separator = '; hint: ';

/**
 * Message and hint as one text. Step Functions hands on two texts of an error and no more, its name and its cause, and an
 * operator reads the cause in the console as it is: so the hint travels behind the message, and here alone is known how.
 */
export function joinHint({
  message,
  hint,
}: {
  readonly message: string;
  readonly hint?: string | undefined;
}): string {
  return hint === undefined ? message : `${message}${separator}${hint}`;
}

/** What {@link joinHint} joined; a text without a hint is a message. */
export function splitHint(text: string): Hinted {
  const at = text.lastIndexOf(separator);
  return at === -1
    ? { message: text }
    : { message: text.slice(0, at), hint: text.slice(at + separator.length) };
}
