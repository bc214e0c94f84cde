/**
 * Headers of every response, and of pages.
 */
import type { Options } from './options.ts'

/** Restrictions of a page: scripts and styles only from this server; no framing. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "frame-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "font-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Nothing of an answer that is no page may run or load. */
const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"

export function commonHeaders(options: Pick<Options, 'hsts'>, isSecure: boolean): Record<string, string> {
  return {
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
    'content-security-policy': DATA_POLICY,
    'cache-control': 'no-store',
    ...(isSecure && options.hsts > 0
      ? { 'strict-transport-security': `max-age=${Math.floor(options.hsts / 1000)}` }
      : {}),
  }
}
