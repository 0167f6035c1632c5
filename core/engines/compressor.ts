import { findProgram } from './find-program.ts';

/** Level 1: on two cores anything higher makes compression, not the database, the limit of a backup. */
const level = 1;

/** How child processes compress and decompress: the `zstd` program, or Node's own zstd where there is none; same format. */
export interface Compressor {
  readonly name: string;
  /** Shell command: standard input → one zstd frame on standard output; may report `(N B => …)` on standard error. */
  readonly compressCommand: string;
  /** Program and arguments: zstd frames on standard input → bytes on standard output. */
  readonly decompress: readonly [string, ...string[]];
}

/** Finds `zstd` on a search path. */
export function findCompressor(searchPath: string): Compressor {
  const zstd = findProgram('zstd', searchPath);
  return zstd === undefined ? nodeCompressor() : zstdProgram(zstd);
}

function zstdProgram(program: string): Compressor {
  return {
    name: 'zstd',
    // -vv makes it report the exact number of bytes that went in. One thread: server, psql and compressor of each stream
    // run side by side already, and handing blocks to a thread of its own costs more than it gains.
    compressCommand: `${shellQuote(program)} -${level} --single-thread -vv --no-progress -c`,
    decompress: [program, '-dcq'],
  };
}

/** Costs a Node start per item, but needs no program at all. */
export function nodeCompressor(): Compressor {
  // The end is told only after the last chunk was taken: told together, Node's zstd writes a second, empty frame.
  const run = (transform: string, report: string) =>
    `const z=require('node:zlib'),t=${transform};let n=0;const fail=(e)=>{console.error(e.message);process.exit(1)};t.on('error',fail);t.pipe(process.stdout);` +
    `(async()=>{for await(const d of process.stdin){n+=d.length;await new Promise((r)=>t.write(d,r))}t.end();await require('node:stream/promises').finished(t);${report}})().catch(fail)`;
  const compress = `z.createZstdCompress({params:{[z.constants.ZSTD_c_compressionLevel]:${level},[z.constants.ZSTD_c_checksumFlag]:1}})`;
  return {
    name: 'node',
    compressCommand: `${shellQuote(process.execPath)} -e ${shellQuote(run(compress, 'console.error(`(${n} B => zst)`)'))}`,
    decompress: [process.execPath, '-e', run('z.createZstdDecompress()', '')],
  };
}

/** Quotes one word for `/bin/sh`. */
export function shellQuote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
