import v8 from 'node:v8';

/**
 * For processes that move streams; called once, at their start. Each chunk's bytes live outside V8's heap and are freed
 * when the small object that names them is collected. In V8's usual young generation of 16 MiB those objects come to
 * hundreds of megabytes of bytes first, and then it is the old generation that is collected, dozens of times a gigabyte; in
 * one of 1 MiB they go at once. Measured on 574 MB into S3: 2.6 instead of 3.6 s of CPU, 20 MB less memory.
 */
export function keepYoungBuffersFew(): void {
  v8.setFlagsFromString('--max-semi-space-size=1');
  v8.setFlagsFromString('--semi-space-growth-factor=1');
}
