/**
 * What one run of a hook carries: the message it is about, so that the guard can give each plugin its own state and log.
 */
/** What one run of a hook carries: whose message it is, so that the guard can give each plugin its own box and log. */
export interface HookRun {
  readonly message?: string
  readonly from?: string
  /** The channels it goes to, as far as they are known. */
  readonly to?: string | readonly string[]
  box(plugin: string): Record<string, unknown>
  note(plugin: string, name: string, value: string | number | boolean): void
  /** For the biography. */
  step?(step: {
    readonly hook: string
    readonly plugin: string
    readonly recipient?: string
    readonly ms: number
    readonly answer?: unknown
    readonly fault?: string
  }): void
}

/** A run about no message. */
export const NO_MESSAGE: HookRun = Object.freeze({ box: () => ({}), note() {} })
