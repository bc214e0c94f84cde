/**
 * Requests of an application to its server, and their refusals.
 */
import { fromServer } from './from-server.ts'

export class Refused extends Error {
  readonly status: number
  /** Needed by the server first: `confirmation` or `code`. */
  readonly needs: string | undefined
  constructor(status: number, detail: string, needs?: string) {
    super(detail)
    this.status = status
    this.needs = needs
  }
}

/** Asks the server; undefined for an answer without content. Throws `Refused`. */
export async function ask<T = undefined>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(path, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T
  const { detail, needs } = readProblem(text)
  throw new Refused(response.status, fromServer(detail ?? String(response.status)), needs)
}

function readProblem(text: string): { readonly detail?: string; readonly needs?: string } {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}
