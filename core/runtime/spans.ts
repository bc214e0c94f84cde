/**
 * The listeners for spans, which plugins are; they outlive reloads with the plugin that listens.
 */
import type { HearSpan, Span } from '../api/spans.ts'

export class Spans {
  readonly #hearers = new Set<HearSpan>()

  get isHeard(): boolean {
    return this.#hearers.size > 0
  }

  /** Until the signal aborts. */
  hear(hearer: HearSpan, signal: AbortSignal): void {
    this.#hearers.add(hearer)
    signal.addEventListener('abort', () => this.#hearers.delete(hearer), { once: true })
  }

  record(span: Span): void {
    for (const hear of this.#hearers) hear(span)
  }
}

export const createSpans = (): Spans => new Spans()
