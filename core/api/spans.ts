/**
 * Spans: what took how long, for tracing systems.
 *
 * The kernel reports one for each plugin at each hook and one for each delivery, after its end. Invariants: nothing is
 * measured twice, and without a listener nothing is made; no address, subject or content is in a span.
 */

export interface Span {
  /** `hook` or `deliver`. */
  readonly kind: 'hook' | 'deliver'
  /** The hook's name, or the channel's. */
  readonly name: string
  readonly plugin: string
  /** The message that it is about: spans of one message belong together, whichever server they come from. */
  readonly message?: string
  /** Ms since 1970. */
  readonly start: number
  /** Duration in ms. */
  readonly ms: number
  /** Why it failed. */
  readonly fault?: string
  readonly facts?: Readonly<Record<string, string | number>>
}

export type HearSpan = (span: Span) => void
