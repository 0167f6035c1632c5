import v8 from 'node:v8';

/**
 * For processes that move streams; called once, at their start. The bytes of each chunk live outside V8's heap and are
 * freed when the small object that names them is collected. In V8's usual young generation of 16 MiB those objects come to
 * hundreds of megabytes of bytes first, so it is kept at 1 MiB. What has grown older is collected whole each time 64 MB of
 * bytes have come, which stops a heap as small as ours for some 20 ms; marking it step by step beside the work costs many times
 * that. Measured on 574 MB into S3: 2.5 instead of 4.1 s of CPU; reading 445 MB back: 2.4 instead of 3.6 s.
 */
export function tuneMemoryForStreams(): void {
  v8.setFlagsFromString('--max-semi-space-size=1');
  v8.setFlagsFromString('--semi-space-growth-factor=1');
  v8.setFlagsFromString('--no-incremental-marking');
}
