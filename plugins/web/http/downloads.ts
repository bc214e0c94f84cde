/**
 * Content as a response: validators, parts of it (RFC 9110 sections 13 and 14), and a name that no browser misreads.
 */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Download, HttpProblem } from './api.ts'

type Range = { readonly start: number; readonly end: number }

/** One range of a size; undefined for the whole. Several ranges at once are answered with the whole. */
export function rangeOf(header: string | undefined, size: number): Range | 'unsatisfiable' | undefined {
  const found = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '')
  if (!found || (found[1] === '' && found[2] === '')) return undefined
  const [, first = '', last = ''] = found
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size }
  }
  const start = Number(first)
  const end = last === '' ? size : Math.min(Number(last) + 1, size)
  if (start >= size) return 'unsatisfiable'
  return end <= start ? undefined : { start, end }
}

/** RFC 6266 with RFC 8187: an ASCII form, and the name itself. */
export function dispositionOf(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, '_')
  const encoded = encodeURIComponent(name.toWellFormed()).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}

/** RFC 9110 section 13.1.2: the comparison is weak, because proxies that compress mark the validator as weak. */
export function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = ifNoneMatch?.split(',').map((one) => one.trim().replace(/^W\//, '')) ?? []
  return tags.includes('*') || tags.includes(`"${etag}"`)
}

export function sendDownload(request: FastifyRequest, reply: FastifyReply, download: Download): unknown {
  const { type, size, name, etag, maxAge, headers } = download
  reply.header('content-type', type)
  if (name !== undefined) reply.header('content-disposition', dispositionOf(name))
  if (maxAge > 0) reply.header('cache-control', `private, max-age=${maxAge}`)
  if (etag !== undefined) {
    reply.header('etag', `"${etag}"`)
    if (maxAge === 0) reply.header('cache-control', 'private, no-cache')
  }
  reply.headers(headers)
  if (etag !== undefined && isKnown(request.headers['if-none-match'], etag)) return reply.code(304).send()
  if (size === undefined) return reply.send(Readable.from(download.open()))
  reply.header('accept-ranges', 'bytes')
  const isStale = request.headers['if-range'] !== undefined && request.headers['if-range'] !== `"${etag}"`
  const range = isStale ? undefined : rangeOf(request.headers.range, size)
  if (range === 'unsatisfiable')
    throw new HttpProblem(416, 'The range lies outside of the content', {
      headers: { 'content-range': `bytes */${size}` },
    })
  if (range)
    reply
      .code(206)
      .header('content-range', `bytes ${range.start}-${range.end - 1}/${size}`)
      .header('content-length', range.end - range.start)
  else reply.header('content-length', size)
  return reply.send(Readable.from(download.open(range)))
}
