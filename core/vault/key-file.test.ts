import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKeyFile, deriveCanarySecret, deriveKeys, readCanarySecret, readKeyFile } from './key-file.ts';

let directory: string;
let file: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holdfast-key-'));
  file = path.join(directory, 'config/vault.key');
});
afterEach(() => fs.rmSync(directory, { recursive: true }));

describe('key file', () => {
  it('is made once, for its owner only', async () => {
    expect(await createKeyFile(file)).toBe(true);
    const first = fs.readFileSync(file, 'utf8');
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(await createKeyFile(file)).toBe(false);
    expect(fs.readFileSync(file, 'utf8')).toBe(first);
    expect(fs.readdirSync(path.dirname(file))).toEqual(['vault.key']);
    expect(await readKeyFile(file)).toEqual(await readKeyFile(file));
  });

  it('is one key for two first runs at once', async () => {
    const made = await Promise.all([createKeyFile(file), createKeyFile(file), createKeyFile(file)]);
    expect(made.filter(Boolean)).toHaveLength(1);
  });

  it('refuses a file that group or others may read', async () => {
    await createKeyFile(file);
    for (const mode of [0o640, 0o604, 0o620, 0o777]) {
      fs.chmodSync(file, mode);
      await expect(readKeyFile(file)).rejects.toMatchObject({
        code: 'KEY_FILE_INVALID',
        hint: expect.stringContaining('chmod 600'),
      });
    }
    fs.chmodSync(file, 0o400);
    expect((await readKeyFile(file)).id).toMatch(/^[0-9a-f]{16}$/);
  });

  it('refuses what is missing, mistyped or of another kind, and never shows the key', async () => {
    await expect(readKeyFile(file)).rejects.toMatchObject({ code: 'KEY_FILE_INVALID' });
    await createKeyFile(file);
    const text = fs.readFileSync(file, 'utf8');
    const secret = /v1 ([0-9a-f]{64})/.exec(text)?.[1] ?? '';
    const wrongDigit = text.replace(secret, (secret.startsWith('0') ? '1' : '0') + secret.slice(1));
    for (const bad of ['', 'hello', wrongDigit, text.replace('v1', 'v2'), text + text, text.slice(0, -20)]) {
      fs.writeFileSync(file, bad);
      const error: unknown = await readKeyFile(file).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'KEY_FILE_INVALID' });
      expect(String(error)).not.toContain(secret.slice(1));
    }
  });

  it('gives each source a canary key of its own', async () => {
    const secret = Uint8Array.from({ length: 32 }, (_, index) => index);
    // Expected: openssl kdf as below, info:holdfast-key-v1/canary/shop-db
    expect(Buffer.from(deriveCanarySecret(secret, 'shop-db')).toString('hex')).toBe(
      'abeed42c7bfeee32f6e114afbf0e222fe27873ea672b26b12c4a0e70c95a4dda',
    );
    await createKeyFile(file);
    const sources = ['shop-db', 'crm-db', 'shop'];
    const keys = await Promise.all(sources.map(async (source) => readCanarySecret(file, source)));
    expect(new Set(keys.map((key) => Buffer.from(key).toString('hex'))).size).toBe(3);
    expect(await readCanarySecret(file, 'shop-db')).toEqual(keys[0]);
  });

  it('derives keys that other programs can derive too', () => {
    // Expected: openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:<00…1f> -kdfopt info:holdfast-key-v1/wrapping HKDF
    const keys = deriveKeys(Uint8Array.from({ length: 32 }, (_, index) => index));
    expect(keys.id).toBe('4937f4a2a5afebd6');
    expect(Buffer.from(keys.wrapping).toString('hex')).toBe(
      'deeb90826936d153be450d3ce69432ffdc4ea8b9ab68685528b3d43e84cff342',
    );
    expect(Buffer.from(keys.manifest).toString('hex')).toBe(
      '26864a6475eef3a9b01c3880bd05baa98518073c5099d3287c6d567c7ab3b7b6',
    );
  });
});
