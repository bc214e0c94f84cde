/**
 * The context of one run of a hook: the message it is about, so that the guard can give each plugin its own state and
 * log.
 */
export interface HookRun {
  readonly message?: string
  readonly from?: string
  /** The channels of its recipients, as far as they are known. */
  readonly to?: string | readonly string[]
  /** For a message that may be split: each tap runs for each of these instead of for the hook's subject. */
  subjects?(): readonly { readonly subject: unknown; readonly run: HookRun }[]
  /** Applies an answer for some recipients. Returns the answer to the hook; undefined lets the hook continue. */
  take?(answer: unknown): unknown
  box(plugin: string): Record<string, unknown>
  note(plugin: string, name: string, value: string | number | boolean): void
  /** Records a step in the message trace. */
  step?(step: {
    readonly hook: string
    readonly plugin: string
    readonly recipient?: string
    readonly ms: number
    readonly answer?: unknown
    readonly fault?: string
  }): void
}

/** A run that concerns no message. */
export const NO_MESSAGE: HookRun = Object.freeze({ box: () => ({}), note() {} })
