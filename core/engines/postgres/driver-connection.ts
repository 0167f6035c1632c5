import type { Duplex } from 'node:stream';
import { HoldfastError } from '../../errors.ts';

/** The driver's connection, as far as the engine goes behind its back. Its own packages for copies and cursors go the same way. */
export interface DriverConnection {
  readonly stream: Duplex;
  endCopyFrom(): void;
  /** Every message of a query goes out through it. */
  _send(message: Buffer): unknown;
  on(
    event: 'parameterStatus',
    listener: (status: { readonly parameterName: string; readonly parameterValue: string }) => void,
  ): unknown;
}

/**
 * Puts a listener in the place of the driver's own, which is returned, so that what the server sends can be changed before the
 * driver reads it; between two messages only, so when no query runs.
 */
export function driversListener(stream: Duplex, instead: (chunk: Buffer) => void): (bytes: Buffer) => void {
  const [driver, ...others] = stream.listeners('data') as ((bytes: Buffer) => void)[];
  if (driver === undefined || others.length > 0)
    throw new HoldfastError('INTERNAL', 'the driver does not read its connection as expected');
  stream.off('data', driver);
  stream.on('data', instead);
  return driver;
}
