import type { IncomingMessage } from 'node:http';

/** Which Region and service a request is meant for, read from its SigV4 scope. */
export interface RequestScope {
  readonly region: string;
  readonly service: string;
  /** API operation where the wire shows it: `X-Amz-Target`, S3's method and path; else the HTTP method. */
  readonly operation: string;
  /** Path and query, decoded. */
  readonly path: string;
  /** The access key id of the signature; `anonymous` without one. */
  readonly caller: string;
}

/** Services whose control planes live in us-east-1 whatever the caller's Region is. */
const globalServices = new Set(['iam', 'route53', 'cloudfront', 'sts-global', 'organizations']);
export const globalRegion = 'us-east-1';

/** Services that use another name in the signature than people do. */
const spokenNames: Readonly<Record<string, string>> = {
  monitoring: 'cloudwatch',
  email: 'ses',
  aws4_request: 'unknown',
};

const credential = /(?:Credential=|^)([^/\s]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request/;

/** Header signature first, presigned query second; an unsigned request counts for the global Region. */
export function readRequestScope(request: IncomingMessage): RequestScope {
  const url = new URL(request.url ?? '/', 'http://router');
  const [, caller = 'anonymous', signedRegion, signedService = 'anonymous'] =
    credential.exec(request.headers.authorization ?? '') ??
    credential.exec(url.searchParams.get('X-Amz-Credential') ?? '') ??
    [];
  const service = spokenNames[signedService] ?? signedService;
  const region = signedRegion === undefined || globalServices.has(service) ? globalRegion : signedRegion;
  return { region, service, operation: readOperation(request, url, service), path: decoded(url), caller };
}

function decoded(url: URL): string {
  const text = url.pathname + url.search;
  try {
    return decodeURIComponent(text);
  } catch {
    // A client may send what is no valid encoding; the emulator will say so.
    return text;
  }
}

function readOperation(request: IncomingMessage, url: URL, service: string): string {
  const target = request.headers['x-amz-target'];
  if (typeof target === 'string') return target.slice(target.lastIndexOf('.') + 1);
  const method = request.method ?? 'GET';
  if (service !== 's3') return url.searchParams.get('Action') ?? method;
  const path = url.pathname.split('/').filter((part) => part !== '');
  const unit = path.length > 1 ? 'Object' : 'Bucket';
  if (url.searchParams.has('uploads') && method === 'POST') return 'CreateMultipartUpload';
  if (url.searchParams.has('uploadId')) {
    return (
      { PUT: 'UploadPart', POST: 'CompleteMultipartUpload', DELETE: 'AbortMultipartUpload' }[method] ??
      'ListParts'
    );
  }
  const verb = { PUT: 'Put', GET: 'Get', HEAD: 'Head', DELETE: 'Delete', POST: 'Post' }[method] ?? method;
  return `${verb}${unit}`;
}
